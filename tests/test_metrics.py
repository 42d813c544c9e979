"""Metrics against scikit-learn, brute force over pairs, and cases worked out by hand."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from workbench import metrics
from workbench.errors import InputError
from workbench.metrics import auc, auc_by_group, log_loss, rank_steps, rela_impr, uauc, weighted_auc

# Few distinct scores give many ties; the second element is the label, the third the group.
ROWS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 1), st.integers(-3, 3)), min_size=1, max_size=60
)
WEIGHTS = st.lists(st.floats(0.01, 100), min_size=60, max_size=60)


def columns(rows: list[tuple[int, int, int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scores, labels, groups = torch.tensor(rows).T
    return scores.float() / 7, labels, groups


def pair_auc(scores: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> float:
    """The definition, one pair at a time: O(rows^2) and nothing shared with the code under test."""
    won = total = 0.0
    for score, weight in zip(
        scores[labels == 1].tolist(), weights[labels == 1].tolist(), strict=True
    ):
        for other, other_weight in zip(
            scores[labels == 0].tolist(), weights[labels == 0].tolist(), strict=True
        ):
            total += weight * other_weight
            won += weight * other_weight * ((score > other) + 0.5 * (score == other))
    return won / total if total else math.nan


class TestAuc:
    def test_by_hand(self) -> None:
        # Pairs: .8 beats .1 .4; .4 beats .1, ties .4: 3.5 of 4.
        value = auc(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0, 0, 1, 1]))
        assert value.shape == ()
        assert value.dtype == torch.float64
        assert value.item() == 0.875

    def test_by_hand_with_weights(self) -> None:
        # Positives .4 (w 3) and .8 (w 1), negatives .1 (w 1) and .4 (w 2):
        # 3 * 1 + 3 * 2 / 2 + 1 * 1 + 1 * 2 = 9 of 4 * 3.
        scores, labels = torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0, 0, 1, 1])
        assert auc(scores, labels, torch.tensor([1.0, 2.0, 3.0, 1.0])).item() == 0.75

    @settings(deadline=None)
    @given(ROWS)
    def test_equals_scikit_learn(self, rows: list[tuple[int, int, int]]) -> None:
        scores, labels, _ = columns(rows)
        if labels.min() == labels.max():
            assert auc(scores, labels).isnan()
        else:
            expected = roc_auc_score(labels.numpy(), scores.numpy())
            assert auc(scores, labels).item() == pytest.approx(expected, abs=1e-12)

    @settings(deadline=None)
    @given(ROWS, WEIGHTS)
    def test_equals_scikit_learn_with_weights(
        self, rows: list[tuple[int, int, int]], weights: list[float]
    ) -> None:
        scores, labels, _ = columns(rows)
        weight = torch.tensor(weights[: len(rows)], dtype=torch.float64)
        if labels.min() == labels.max():
            assert auc(scores, labels, weight).isnan()
        else:
            expected = roc_auc_score(labels.numpy(), scores.numpy(), sample_weight=weight.numpy())
            assert auc(scores, labels, weight).item() == pytest.approx(expected, abs=1e-12)

    def test_equals_scikit_learn_on_many_rows(self) -> None:
        generator = torch.Generator().manual_seed(0)
        scores = torch.randn(100_000, generator=generator).mul(50).round()
        labels = (torch.rand(100_000, generator=generator) < torch.sigmoid(scores / 50)).long()
        expected = roc_auc_score(labels.numpy(), scores.numpy())
        assert auc(scores, labels).item() == pytest.approx(expected, abs=1e-12)

    def test_constant_scores_give_one_half(self) -> None:
        assert auc(torch.ones(7), torch.tensor([0, 1, 1, 0, 1, 1, 1])).item() == 0.5

    @pytest.mark.parametrize(("labels", "value"), [([0, 0, 1], 1.0), ([1, 1, 0], 0.0)])
    def test_separated_classes(self, labels: list[int], value: float) -> None:
        assert auc(torch.tensor([-1.0, 0.0, 2.0]), torch.tensor(labels)).item() == value

    @pytest.mark.parametrize("labels", [[], [1], [0, 0], [1, 1, 1]])
    def test_one_class_or_no_row_is_nan(self, labels: list[int]) -> None:
        assert auc(torch.zeros(len(labels)), torch.tensor(labels)).isnan()

    def test_a_class_without_weight_is_nan(self) -> None:
        scores, labels = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 1])
        assert auc(scores, labels, torch.tensor([0.0, 1.0, 1.0])).isnan()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    @pytest.mark.parametrize("label_dtype", [torch.bool, torch.int8, torch.float32])
    def test_any_dtype(self, dtype: torch.dtype, label_dtype: torch.dtype) -> None:
        scores, labels = torch.tensor([0.0, 0.25, 0.25, 1.0]), torch.tensor([0, 0, 1, 1])
        value = auc(scores.to(dtype), labels.to(label_dtype))
        assert value.dtype == torch.float64
        assert value.item() == 0.875

    def test_infinite_scores_are_ranked(self) -> None:
        scores = torch.tensor([-math.inf, 0.0, math.inf, math.inf])
        assert auc(scores, torch.tensor([0, 1, 0, 1])).item() == 0.625  # 1 + 0 + 1 + .5 of 4

    @pytest.mark.parametrize(
        ("scores", "labels", "weights", "message"),
        [
            ([0.1, 0.2], [0, 1, 1], None, r"shapes \[2\] and \[3\]"),
            ([[0.1]], [[1]], None, r"one-dimensional.*\[1, 1\]"),
            ([0.1, math.nan, 0.3], [0, 1, 1], None, "1 of 3 scores are not a number"),
            ([0.1, 0.2], [0, 2], None, "labels must be 0 or 1, got 2"),
            ([0.1, 0.2], [0.0, math.nan], None, "labels must be 0 or 1, got nan"),
            ([0.1, 0.2], [0, 1], [1.0], r"weights have shape \[1\]"),
            ([0.1, 0.2], [0, 1], [1.0, -1.0], "weights of an AUC must be 0 or more"),
        ],
    )
    def test_refuses(
        self, scores: list[float], labels: list[float], weights: list[float] | None, message: str
    ) -> None:
        weight = None if weights is None else torch.tensor(weights)
        with pytest.raises(InputError, match=message):
            auc(torch.tensor(scores), torch.tensor(labels), weight)


class TestWeightedAuc:
    @settings(deadline=None)
    @given(ROWS, st.integers(0, 2**32 - 1))
    def test_each_replicate_equals_pair_counting(
        self, rows: list[tuple[int, int, int]], seed: int
    ) -> None:
        scores, labels, groups = columns(rows)
        units = torch.unique(groups, return_inverse=True)[1]
        generator = torch.Generator().manual_seed(seed)
        counts = torch.randint(0, 3, (int(units.max()) + 1, 4), generator=generator)
        steps = rank_steps(scores, labels, units)
        expected = [pair_auc(scores, labels, counts[units, column]) for column in range(4)]
        for weights in (counts.float(), counts.double()):
            assert weighted_auc(steps, weights).tolist() == pytest.approx(
                expected, abs=1e-12, nan_ok=True
            )

    def test_blocks_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        generator = torch.Generator().manual_seed(3)
        scores = torch.randint(0, 50, (500,), generator=generator).float()
        labels = torch.randint(0, 2, (500,), generator=generator)
        weights = torch.randint(0, 4, (500, 3), generator=generator).double()
        steps = rank_steps(scores, labels)
        whole = weighted_auc(steps, weights)
        monkeypatch.setattr(metrics, "_CPU_BLOCK", 12)  # four steps at a time
        assert torch.equal(weighted_auc(steps, weights), whole)

    def test_runs_of_one_class_share_a_step(self) -> None:
        # In order: two negatives and a positive; a tie of both classes; two positives.
        scores = torch.tensor([1.0, 2, 3, 4, 4, 5, 6])
        steps = rank_steps(scores, torch.tensor([0, 0, 1, 0, 1, 1, 1]))
        assert steps.negative_starts.diff().tolist() == [2, 1, 0]
        assert steps.positive_starts.diff().tolist() == [1, 1, 2]
        assert steps.tied.tolist() == [0.0, 0.5, 0.0]
        assert steps.largest() == 2


class TestUauc:
    def test_by_hand(self) -> None:
        # User 7: positives .4 and .25, negatives .2 and .3, so 3 of 4 pairs. User 9: a tie, 1/2.
        # User 8 has one class and is left out.
        scores = torch.tensor([0.2, 0.5, 0.5, 0.4, 0.9, 0.25, 0.3])
        labels = torch.tensor([0, 0, 1, 1, 1, 1, 0])
        users = torch.tensor([7, 9, 9, 7, 8, 7, 7])
        value = uauc(scores, labels, users)
        assert value.value.item() == pytest.approx((4 * 0.75 + 2 * 0.5) / 6, abs=1e-15)
        assert value.macro.item() == 0.625
        assert (value.users, value.users_left_out) == (2, 1)

    @settings(deadline=None)
    @given(ROWS)
    def test_equals_brute_force(self, rows: list[tuple[int, int, int]]) -> None:
        scores, labels, groups = columns(rows)
        aucs, sizes, left_out = [], [], 0
        for group in sorted(set(groups.tolist())):
            here = groups == group
            if labels[here].min() == labels[here].max():
                left_out += 1
                continue
            aucs.append(roc_auc_score(labels[here].numpy(), scores[here].numpy()))
            sizes.append(int(here.sum()))
        value = uauc(scores, labels, groups)
        assert (value.users, value.users_left_out) == (len(aucs), left_out)
        if not aucs:
            assert value.value.isnan()
            assert value.macro.isnan()
            return
        assert value.value.item() == pytest.approx(np.average(aucs, weights=sizes), abs=1e-12)
        assert value.macro.item() == pytest.approx(np.mean(aucs), abs=1e-12)

    @pytest.mark.parametrize("rows", [0, 3])
    def test_nobody_with_both_classes(self, rows: int) -> None:
        value = uauc(torch.rand(rows), torch.ones(rows), torch.zeros(rows, dtype=torch.int64))
        assert value.value.isnan()
        assert value.macro.isnan()
        assert (value.users, value.users_left_out) == (0, min(rows, 1))


class TestAucByGroup:
    @settings(deadline=None)
    @given(ROWS)
    def test_equals_scikit_learn_in_each_group(self, rows: list[tuple[int, int, int]]) -> None:
        scores, labels, groups = columns(rows)
        result = auc_by_group(scores, labels, groups)
        assert result.groups.tolist() == sorted(set(groups.tolist()))
        for group, value, size, positives in zip(*(part.tolist() for part in result), strict=True):
            here = groups == group
            assert (size, positives) == (int(here.sum()), int(labels[here].sum()))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UndefinedMetricWarning)
                expected = roc_auc_score(labels[here].numpy(), scores[here].numpy())
            assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)

    def test_ids_above_the_range_of_float32_stay_apart(self) -> None:
        users = torch.tensor([2**24, 2**24 + 1, 2**24, 2**24 + 1])
        result = auc_by_group(torch.tensor([1.0, 2, 3, 0]), torch.tensor([0, 0, 1, 1]), users)
        assert result.groups.tolist() == [2**24, 2**24 + 1]
        assert result.auc.tolist() == [1.0, 0.0]

    @pytest.mark.parametrize(
        ("groups", "message"),
        [
            (torch.tensor([0.0, 1.0]), "groups must be integers, got torch.float32"),
            (torch.tensor([0, 1, 1]), r"groups have shape \[3\], scores \[2\]"),
        ],
    )
    def test_refuses(self, groups: torch.Tensor, message: str) -> None:
        with pytest.raises(InputError, match=message):
            auc_by_group(torch.rand(2), torch.tensor([0, 1]), groups)


class TestLogLoss:
    @settings(deadline=None)
    @given(st.lists(st.tuples(st.floats(-12, 12), st.integers(0, 1)), min_size=1, max_size=50))
    def test_equals_scikit_learn(self, rows: list[tuple[float, int]]) -> None:
        logits = torch.tensor([row[0] for row in rows], dtype=torch.float64)
        labels = torch.tensor([row[1] for row in rows])
        expected = sklearn_log_loss(labels.numpy(), torch.sigmoid(logits).numpy(), labels=[0, 1])
        assert log_loss(logits, labels).item() == pytest.approx(expected, abs=1e-10, rel=1e-10)

    def test_equals_scikit_learn_at_moderate_logits(self) -> None:
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(1000, generator=generator, dtype=torch.float64)
        labels = torch.randint(0, 2, (1000,), generator=generator)
        expected = sklearn_log_loss(labels.numpy(), torch.sigmoid(logits).numpy())
        assert log_loss(logits, labels).item() == pytest.approx(expected, abs=1e-12)

    def test_by_hand(self) -> None:
        value = log_loss(torch.tensor([0.0, math.log(3)]), torch.tensor([1, 0]))
        assert value.item() == pytest.approx((math.log(2) + math.log(4)) / 2, abs=1e-7)

    def test_extreme_logits_stay_finite(self) -> None:
        value = log_loss(torch.tensor([1000.0, -1000.0, 1000.0]), torch.tensor([1, 0, 0]))
        assert value.item() == pytest.approx(1000 / 3)

    def test_no_rows(self) -> None:
        assert log_loss(torch.zeros(0), torch.zeros(0)).isnan()


class TestRelaImpr:
    @pytest.mark.parametrize(
        ("base", "new", "percent"),
        [
            (0.7767, 0.7808, 0.53),
            (0.7857, 0.7871, 0.18),
            (0.7878, 0.7889, 0.14),
            (0.7886, 0.7905, 0.24),
            (0.7911, 0.7921, 0.13),
        ],
    )
    def test_table_3_of_the_paper(self, base: float, new: float, percent: float) -> None:
        assert round(100 * rela_impr(new, base), 2) == percent

    def test_refuses_a_base_of_zero(self) -> None:
        with pytest.raises(InputError, match="above 0, got 0"):
            rela_impr(0.5, 0.0)


MOVIELENS = Path(__file__).parents[1].parent / "shared" / "data" / "ml-1m" / "ratings.dat"


@pytest.mark.skipif(not MOVIELENS.exists(), reason=f"needs MovieLens-1M at {MOVIELENS}")
def test_uauc_on_movielens() -> None:
    """Real users with heavy ties: a movie's share of good ratings ranks its ratings."""
    with MOVIELENS.open(encoding="latin-1") as lines:
        table = [[int(field) for field in next(lines).split("::")[:3]] for _ in range(30_000)]
    users, movies, ratings = torch.tensor(table).T
    labels = (ratings >= 4).long()
    liked, rated = torch.bincount(movies, labels.double()), torch.bincount(movies)
    scores = (liked / rated.clamp(min=1))[movies]
    value = uauc(scores, labels, users)
    aucs, sizes = [], []
    for user in users.unique():
        here = users == user
        if labels[here].min() != labels[here].max():
            aucs.append(roc_auc_score(labels[here].numpy(), scores[here].numpy()))
            sizes.append(int(here.sum()))
    assert value.users == len(aucs)
    assert value.users + value.users_left_out == len(users.unique())
    assert value.value.item() == pytest.approx(np.average(aucs, weights=sizes), abs=1e-12)
    assert value.macro.item() == pytest.approx(np.mean(aucs), abs=1e-12)
    assert auc(scores, labels).item() == pytest.approx(
        roc_auc_score(labels.numpy(), scores.numpy()), abs=1e-12
    )
