"""The bootstrap against plain metrics of rows repeated as often as their user was drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from workbench.errors import InputError
from workbench.metrics import rank_steps, weighted_auc
from workbench.statistics import (
    METRICS,
    draws,
    median_bootstrap,
    paired_bootstrap,
    paired_t,
    slope_interval,
    smallest_detectable_effect,
    user_draws,
)

Array = npt.NDArray[Any]
COLUMNS = [
    "bucket", "users", "rows", "positives", "base", "new", "delta", "ci_low", "ci_high",
    "standard_error", "smallest_effect", "replicates",
]  # fmt: skip


def two_models(rows: int = 400, users: int = 30, seed: int = 0) -> dict[str, Array]:
    """Logits with ties of two models, the second a little better; user ids with gaps."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=rows)
    user = rng.integers(users, size=rows)
    return {
        "scores_base": np.round(truth + rng.normal(size=rows), 1),
        "scores_new": np.round(truth + 0.7 * rng.normal(size=rows), 1).astype(np.float32),
        "labels": (rng.random(rows) < 1 / (1 + np.exp(-2 * truth))).astype(np.int64),
        "users": user * 1000 + 5,
        "buckets": user % 3 - 1,
    }


def metric_of(metric: str, scores: Array, labels: Array, users: Array) -> float:
    """One metric of repeated rows; every drawn copy of a user counts as a user of its own."""
    if metric == "log_loss":
        return float(log_loss(labels, 1 / (1 + np.exp(-scores.astype(float))), labels=[0, 1]))
    if metric == "auc":
        both = labels.min() != labels.max()
        return float(roc_auc_score(labels, scores)) if both else math.nan
    aucs, sizes = [], []
    for user in np.unique(users):
        here = users == user
        if labels[here].min() != labels[here].max():
            # Every pair of this user: scikit-learn takes 20 s for all of them together.
            gap = scores[here & (labels == 1)][:, None] - scores[here & (labels == 0)]
            aucs.append((gap > 0).mean() + (gap == 0).mean() / 2)
            sizes.append(here.sum() if metric == "uauc" else 1)
    return float(np.average(aucs, weights=sizes)) if aucs else math.nan


def brute_force(data: dict[str, Array], metric: str, replicates: int, position: int) -> Array:
    """Deltas of each replicate from the rows themselves, repeated user by user."""
    unique = np.unique(data["users"])
    rng = np.random.default_rng((11, position))
    deltas = []
    for _ in range(replicates):
        drawn = rng.integers(len(unique), size=len(unique))
        chosen = [np.flatnonzero(data["users"] == unique[index]) for index in drawn]
        rows = np.concatenate(chosen)
        copy = np.repeat(np.arange(len(drawn)), [len(part) for part in chosen])
        base, new = (
            metric_of(metric, data[name][rows], data["labels"][rows], copy)
            for name in ("scores_base", "scores_new")
        )
        deltas.append(new - base)
    return np.array(deltas)


class TestPairedBootstrap:
    @pytest.mark.parametrize("metric", METRICS)
    def test_equals_brute_force_with_the_same_draws(self, metric: str) -> None:
        data = two_models()
        replicates = 70  # more than one chunk
        frame = paired_bootstrap(**data, metric=metric, replicates=replicates, seed=11, level=0.9)
        extra = ["users_left_out"] if metric.startswith("uauc") else []
        assert list(frame.columns) == COLUMNS + extra
        assert frame["bucket"].tolist() == ["all", "-1", "0", "1"]
        for position, row in enumerate(frame.to_dict("records")):
            here = data["buckets"] == position - 2 if position else np.full(400, True)
            part = {name: values[here] for name, values in data.items()}
            base = metric_of(metric, part["scores_base"], part["labels"], part["users"])
            new = metric_of(metric, part["scores_new"], part["labels"], part["users"])
            deltas = brute_force(part, metric, replicates, position)
            error = deltas.std(ddof=1)
            expected = {
                "users": len(np.unique(part["users"])),
                "rows": here.sum(),
                "positives": part["labels"].sum(),
                "base": base,
                "new": new,
                "delta": new - base,
                "ci_low": np.quantile(deltas, 0.05),
                "ci_high": np.quantile(deltas, 0.95),
                "standard_error": error,
                "smallest_effect": (stats.norm.ppf(0.95) + stats.norm.ppf(0.8)) * error,
                "replicates": replicates,
            }
            for name, value in expected.items():
                assert row[name] == pytest.approx(value, abs=1e-12), name

    def test_the_same_seed_gives_the_same_table(self) -> None:
        data = two_models()
        first = paired_bootstrap(**data, replicates=50, seed=3)
        pd.testing.assert_frame_equal(first, paired_bootstrap(**data, replicates=50, seed=3))
        other = paired_bootstrap(**data, replicates=50, seed=4)
        assert (first["ci_low"] != other["ci_low"]).all()
        assert (first["delta"] == other["delta"]).all()

    @pytest.mark.parametrize("metric", METRICS)
    def test_identical_models_have_an_interval_of_width_zero(self, metric: str) -> None:
        data = two_models()
        data["scores_new"] = data["scores_base"]
        frame = paired_bootstrap(**data, metric=metric, replicates=40)
        assert (frame[["delta", "ci_low", "ci_high", "standard_error"]] == 0).all(axis=None)

    def test_pairing_narrows_the_interval(self) -> None:
        data = two_models(rows=2000, users=100)
        small_change = data["scores_base"] + 0.1 * np.random.default_rng(1).normal(size=2000)
        paired = paired_bootstrap(**data | {"scores_new": small_change}, replicates=200)
        unpaired = paired_bootstrap(**data | {"scores_new": np.zeros(2000)}, replicates=200)
        assert paired["standard_error"][0] < unpaired["standard_error"][0] / 4

    def test_the_interval_covers_the_truth(self) -> None:
        # Base and new are equally good by construction, so the true difference is 0. Of 200
        # intervals of level 0.8, 160 should hold it; 3.5 standard deviations are 20.
        held = 0
        for seed in range(200):
            rng = np.random.default_rng(seed)
            users = rng.integers(40, size=600)
            truth = rng.normal(size=600) + rng.normal(size=40)[users]
            labels = (rng.random(600) < 1 / (1 + np.exp(-truth))).astype(int)
            base, new = truth + rng.normal(size=(2, 600))
            row = paired_bootstrap(base, new, labels, users, replicates=200, level=0.8).iloc[0]
            held += row["ci_low"] <= 0 <= row["ci_high"]
        assert 140 <= held <= 180

    def test_a_bucket_with_one_class_is_nan_and_counted(self) -> None:
        frame = paired_bootstrap(
            [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
            [0.3, 0.2, 0.1, 0.4, 0.5, 0.6],
            [0, 1, 1, 1, 1, 1],
            [1, 1, 2, 3, 3, 4],
            buckets=[0, 0, 0, 1, 1, 1],
            replicates=60,
        ).set_index("bucket")
        one_class = frame.loc["1"]
        assert one_class[["users", "rows", "positives", "replicates"]].tolist() == [2, 3, 3, 0]
        assert one_class[COLUMNS[4:11]].isna().all()
        # In bucket 0 a replicate without user 1 has no negative: such draws are not used.
        assert 0 < frame.loc["0", "replicates"] < 60
        assert frame.loc["0", "delta"] == -1.0
        assert np.isfinite(frame.loc["0", "ci_low"])

    def test_a_bucket_with_one_user_has_values_but_no_interval(self) -> None:
        frame = paired_bootstrap(
            torch.tensor([0.1, 0.2, 0.3, 0.4]),
            torch.tensor([0.2, 0.1, 0.3, 0.4]),
            torch.tensor([0, 1, 0, 1]),
            torch.tensor([6, 6, 7, 7]),
            buckets=torch.tensor([0, 0, 1, 1]),
            replicates=20,
        ).set_index("bucket")
        assert frame.loc["0", ["users", "base", "new", "delta"]].tolist() == [1, 1.0, 0.0, -1.0]
        spread = ["ci_low", "ci_high", "standard_error", "smallest_effect"]
        assert frame.loc[["0", "1"], spread].isna().all(axis=None)
        assert frame.loc["all", spread].notna().all()

    def test_uauc_counts_users_with_one_class(self) -> None:
        frame = paired_bootstrap(
            [0.1, 0.2, 0.3, 0.4, 0.5],
            [0.1, 0.2, 0.4, 0.3, 0.5],
            [0, 1, 0, 1, 1],
            [1, 1, 2, 2, 3],
            metric="uauc",
            replicates=40,
        )
        assert frame[["users", "users_left_out", "base", "new"]].values.tolist() == [[3, 1, 1, 0.5]]

    def test_takes_pandas_columns_and_leaves_them_alone(self) -> None:
        data = pd.DataFrame(two_models())
        before = data.copy()
        frame = paired_bootstrap(**{name: data[name] for name in data.columns}, replicates=10)
        expected = paired_bootstrap(**two_models(), replicates=10)
        pd.testing.assert_frame_equal(frame, expected)
        pd.testing.assert_frame_equal(data, before)

    def test_sums_too_long_for_float32_stay_exact(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # 2**24 + 1 is the first whole number that float32 cannot hold. One tied step is claimed to
        # be that long, so the counts must arrive as float64.
        seen: list[torch.dtype] = []

        def watched(steps: Any, weights: torch.Tensor) -> torch.Tensor:
            seen.append(weights.dtype)
            return weighted_auc(steps, weights)

        monkeypatch.setattr(draws, "weighted_auc", watched)
        data = two_models()
        short = paired_bootstrap(**data, replicates=5)
        assert set(seen) == {torch.float32}
        seen.clear()
        longest = type(rank_steps(torch.zeros(2), torch.tensor([0, 1])))
        monkeypatch.setattr(longest, "largest", lambda _: 2**24)
        pd.testing.assert_frame_equal(paired_bootstrap(**data, replicates=5), short)
        assert set(seen) == {torch.float64}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"users": [1, 1, 7, 7], "buckets": [0, 0, 2, 3]},
                "user 7 lies in buckets 2 and 3; all rows of a user must lie in one bucket",
            ),
            ({"buckets": [0.0, 0.0, 1.0, 1.0]}, "buckets must be integers, got torch.float64"),
            ({"buckets": [0]}, r"buckets have shape \[1\], scores \[4\]"),
            ({"users": [1.0, 1.0, 2.0, 2.0]}, "users must be integers, got torch.float64"),
            ({"users": [1]}, r"users have shape \[1\], scores \[4\]"),
            ({"scores_new": [0.1]}, r"shapes \[1\] and \[4\]"),
            ({"scores_new": [0.1, math.nan, 0.2, 0.3]}, "1 of 4 scores are not a number"),
            ({"labels": [0, 1, 2, 0]}, "labels must be 0 or 1, got 2"),
            ({"metric": "ndcg"}, "unknown metric 'ndcg', allowed: auc, uauc, uauc_macro, log_loss"),
            ({"replicates": 0}, "replicates must be 1 or more, got 0"),
            ({"seed": -1}, "seed must be 0 or more, got -1"),
            ({"level": 95}, "level must lie between 0 and 1, got 95"),
        ],
    )
    def test_refuses(self, change: dict[str, Any], message: str) -> None:
        good: dict[str, Any] = {
            "scores_base": [0.1, 0.2, 0.3, 0.4],
            "scores_new": [0.2, 0.1, 0.3, 0.4],
            "labels": [0, 1, 0, 1],
            "users": [1, 1, 2, 2],
        }
        with pytest.raises(InputError, match=message):
            paired_bootstrap(**good | change)

    def test_refuses_no_rows(self) -> None:
        none = np.array([], dtype=int)
        with pytest.raises(InputError, match="at least one row"):
            paired_bootstrap(none, none, none, none)


class TestUserDraws:
    @pytest.mark.parametrize("users", [1, 7, 70_000])  # the last has chunks of 59 replicates
    def test_counts_are_the_plain_draws_whatever_the_chunk(self, users: int) -> None:
        plain = np.random.default_rng(5).integers(users, size=(66, users))
        counts = torch.cat(list(user_draws(users, 66, np.random.default_rng(5))), dim=1)
        assert counts.shape == (users, 66)
        for replicate in (0, 1, 58, 59, 65):
            expected = np.bincount(plain[replicate], minlength=users)
            assert counts[:, replicate].tolist() == expected.tolist()


class TestPairedT:
    def test_equals_scipy(self) -> None:
        deltas = [0.0012, 0.0031, -0.0004, 0.0019, 0.0022]
        expected = stats.ttest_1samp(deltas, 0)
        interval = expected.confidence_interval(0.9)
        value = paired_t(deltas, level=0.9)
        assert value == pytest.approx(
            (
                np.mean(deltas),
                np.std(deltas, ddof=1),
                interval.low,
                interval.high,
                expected.pvalue,
                5,
            ),
            rel=1e-10,
        )

    def test_by_hand(self) -> None:
        # Mean 2, sd sqrt(2), error 1; with one degree of freedom t is Cauchy:
        # half width tan(0.475 pi), p = 1 - 2 atan(2) / pi.
        value = paired_t([1.0, 3.0])
        assert value.sd == pytest.approx(math.sqrt(2))
        assert value.ci_high - value.mean == pytest.approx(math.tan(0.475 * math.pi))
        assert value.p_value == pytest.approx(1 - 2 * math.atan(2) / math.pi)

    def test_one_seed_has_a_mean_only(self) -> None:
        value = paired_t([0.002])
        assert (value.mean, value.seeds) == (0.002, 1)
        assert all(math.isnan(part) for part in value[1:5])

    @pytest.mark.parametrize(("delta", "p_value"), [(0.1, 0.0), (0.0, 1.0)])
    def test_equal_deltas(self, delta: float, p_value: float) -> None:
        value = paired_t([delta] * 3)
        assert (value.sd, value.p_value) == (0.0, p_value)
        assert value.ci_low == value.mean == value.ci_high

    @pytest.mark.parametrize(
        ("deltas", "message"),
        [([], "not empty"), ([0.1, math.inf], "finite, got inf"), ([[0.1]], "one-dimensional")],
    )
    def test_refuses(self, deltas: list[float], message: str) -> None:
        with pytest.raises(InputError, match=message):
            paired_t(deltas)


class TestSmallestDetectableEffect:
    def test_by_the_textbook(self) -> None:
        assert smallest_detectable_effect(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-6)
        assert smallest_detectable_effect(0.001, power=0.9, level=0.99) == pytest.approx(
            0.001 * (2.575829 + 1.281552), abs=1e-9
        )

    @pytest.mark.parametrize("change", [{"power": 1.0}, {"power": 0.0}, {"level": 1.0}])
    def test_refuses(self, change: dict[str, float]) -> None:
        with pytest.raises(InputError, match="must lie between 0 and 1"):
            smallest_detectable_effect(0.001, **change)


class TestMedianBootstrap:
    @pytest.mark.parametrize("size", [2, 5, 8, 31])
    def test_has_the_distribution_of_real_resamples(self, size: int) -> None:
        # Both sides simulate 20,000 medians; 0.02 is more than five standard errors of a share.
        values = np.random.default_rng(size).normal(size=size)
        drawn = np.random.default_rng(1).integers(size, size=(20_000, size))
        medians = np.median(values[drawn], axis=1)
        for level in (0.5, 0.8, 0.95):
            low, high = median_bootstrap(values, replicates=20_000, seed=2, level=level)[1:]
            tail = (1 - level) / 2
            assert (medians < low - 1e-12).mean() <= tail + 0.02
            assert (medians <= low + 1e-12).mean() >= tail - 0.02
            assert (medians > high + 1e-12).mean() <= tail + 0.02
            assert (medians >= high - 1e-12).mean() >= tail - 0.02

    @pytest.mark.parametrize(("tail", "low"), [(0.23, 0.0), (0.27, 0.5), (0.73, 0.5), (0.77, 1.0)])
    def test_two_users_by_hand(self, tail: float, low: float) -> None:
        # Four resamples, equally likely: medians 0, 1/2, 1/2, 1.
        interval = median_bootstrap([0.0, 1.0], replicates=20_000, level=abs(1 - 2 * tail))
        assert (interval.low if tail < 0.5 else interval.high) == low

    def test_shape_of_the_answer(self) -> None:
        values = [5.0, 1.0, 3.0, 2.0]
        interval = median_bootstrap(values, replicates=200, seed=1)
        assert interval.value == 2.5
        assert 1.0 <= interval.low < 2.5 < interval.high <= 5.0
        assert interval == median_bootstrap(values, replicates=200, seed=1)
        assert values == [5.0, 1.0, 3.0, 2.0]

    def test_equal_values(self) -> None:
        assert median_bootstrap([4.0] * 6) == (4.0, 4.0, 4.0)

    def test_one_user_has_no_interval(self) -> None:
        value, low, high = median_bootstrap([4.0])
        assert value == 4.0
        assert math.isnan(low)
        assert math.isnan(high)

    @pytest.mark.parametrize(
        ("values", "message"), [([], "not empty"), ([1.0, math.nan], "finite, got nan")]
    )
    def test_refuses(self, values: list[float], message: str) -> None:
        with pytest.raises(InputError, match=message):
            median_bootstrap(values)


class TestSlopeInterval:
    def brute_force(self, x: Array, y: Array, users: Array) -> Array:
        unique = np.unique(users)
        rng = np.random.default_rng(7)
        slopes = []
        for _ in range(80):
            drawn = rng.integers(len(unique), size=len(unique))
            rows = np.concatenate([np.flatnonzero(users == unique[index]) for index in drawn])
            slopes.append(np.polyfit(x[rows], y[rows], 1)[0])
        return np.array(slopes)

    @pytest.mark.parametrize("by_user", [True, False])
    def test_equals_brute_force_with_the_same_draws(self, by_user: bool) -> None:
        rng = np.random.default_rng(0)
        x, users = rng.normal(size=200) + 50, rng.integers(20, size=200) * 3
        y = 0.5 * x + rng.normal(size=20)[users // 3] + rng.normal(size=200)
        interval = slope_interval(x, y, users if by_user else None, replicates=80, seed=7)
        slopes = self.brute_force(x, y, users if by_user else np.arange(200))
        expected = (np.polyfit(x, y, 1)[0], *np.quantile(slopes, [0.025, 0.975]))
        assert interval == pytest.approx(expected, abs=1e-10)

    def test_a_line_has_an_interval_of_width_zero(self) -> None:
        x = np.arange(10.0)
        assert slope_interval(x, 3 - 2 * x) == pytest.approx((-2.0, -2.0, -2.0), abs=1e-12)

    @pytest.mark.parametrize("constant", [1.0, 0.1])
    def test_constant_x_has_no_slope(self, constant: float) -> None:
        assert all(math.isnan(part) for part in slope_interval([constant] * 5, np.arange(5.0)))

    def test_draws_without_a_slope_are_not_used(self) -> None:
        # A draw of the same user three times has a single x, and here its spread rounds to
        # something other than 0.
        interval = slope_interval([0.1, 0.2, 0.8], [1.2, 1.4, 2.6], replicates=200)
        assert interval == pytest.approx((2.0, 2.0, 2.0), abs=1e-12)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([], []), "x must be one-dimensional and not empty"),
            (([1.0, 2.0], [1.0]), "x has 2 values, y has 1"),
            (([1.0, 2.0], [1.0, math.nan]), "y must be finite, got nan"),
            (([1.0, 2.0], [1.0, 2.0], [0.5, 1.0]), "users must be integers"),
            (([1.0, 2.0], [1.0, 2.0], [0]), r"users have shape \[1\]"),
        ],
    )
    def test_refuses(self, arguments: tuple[Any, ...], message: str) -> None:
        call: Callable[..., Any] = slope_interval
        with pytest.raises(InputError, match=message):
            call(*arguments)
