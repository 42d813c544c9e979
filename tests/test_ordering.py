"""Sorting for metrics: packed keys keep the order of every type, and pairs are counted exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from workbench import ordering
from workbench.metrics import auc, auc_by_group
from workbench.ordering import pairs_won, sort_rows

# From all floats to a handful of values: next to no ties, and almost nothing else.
FLOATS = st.floats(width=32, allow_nan=False)
FEW = st.sampled_from([-np.inf, -1.0, -1e-45, -0.0, 0.0, 1e-45, 0.5, np.inf])
ROWS = st.lists(
    st.tuples(st.one_of(FLOATS, FEW), st.integers(0, 1), st.integers(-2, 2)),
    min_size=1,
    max_size=60,
)


def pairs_by_hand(winners: list[float], losers: list[float]) -> int:
    """One pair at a time."""
    return sum(2 * (w > l_) + (w == l_) for w in winners for l_ in losers)


@settings(max_examples=80, deadline=None)
@given(ROWS)
def test_rows_come_in_order_of_group_score_and_label(rows: list[tuple[float, int, int]]) -> None:
    scores, labels, groups = (torch.tensor(column) for column in zip(*rows, strict=True))
    ordered = sort_rows(scores, labels == 1, groups)
    expected = sorted((group, score, label) for score, label, group in rows)
    everything = torch.arange(len(rows))
    assert ordered.groups(everything, groups).tolist() == [row[0] for row in expected]
    assert ordered.labels.tolist() == [row[2] for row in expected]
    # Two neighbours have the same key, but for the label, exactly where group and score agree.
    same = (ordered.keys[1:] >> 1) == (ordered.keys[:-1] >> 1)
    pairs = zip(expected[1:], expected[:-1], strict=True)
    assert same.tolist() == [one[:2] == other[:2] for one, other in pairs]


@pytest.mark.parametrize("spread", [1, 2**40])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_type_of_score_and_wide_groups(kind: torch.dtype, spread: int) -> None:
    """float64 scores that float32 would merge stay apart, and so do groups far apart."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 40, (300,), generator=generator).to(kind)
    if kind == torch.float64:
        scores = 1 + scores * 1e-12
    labels = torch.randint(0, 2, (300,), generator=generator)
    groups = torch.randint(-3, 3, (300,), generator=generator) * spread
    found = auc_by_group(scores, labels, groups)
    assert found.groups.tolist() == sorted(set(groups.tolist()))
    for group, value in zip(found.groups.tolist(), found.auc.tolist(), strict=True):
        here = groups == group
        expected = roc_auc_score(labels[here].numpy(), scores[here].double().numpy())
        assert value == pytest.approx(expected, abs=1e-12)
    whole = roc_auc_score(labels.numpy(), scores.double().numpy())
    assert auc(scores, labels).item() == pytest.approx(whole, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(FLOATS, FEW), max_size=30), st.lists(st.one_of(FLOATS, FEW), max_size=30))
def test_pairs_are_counted_one_by_one(winners: list[float], losers: list[float]) -> None:
    winners, losers = sorted(winners), sorted(losers)
    sides = (torch.tensor(side, dtype=torch.float32) for side in (winners, losers))
    assert pairs_won(*sides).item() == pairs_by_hand(winners, losers)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    sides = [torch.randint(0, 9, (n,), generator=generator).sort().values for n in (50, 80)]
    whole = pairs_won(*sides)
    monkeypatch.setattr(ordering, "_QUERIES", 7)
    assert pairs_won(*sides) == whole
    assert pairs_won(sides[1], sides[0]) == 2 * 50 * 80 - whole


@pytest.mark.parametrize("values", [1, 2, 10])
def test_heavy_ties_are_those_of_scikit_learn(values: int) -> None:
    """Thousands of rows on a handful of scores."""
    generator = torch.Generator().manual_seed(values)
    scores = torch.randint(0, values, (5000,), generator=generator).float() / 3
    labels = (torch.rand(5000, generator=generator) < 0.2 + 0.5 * scores / 4).long()
    buckets = torch.randint(0, 4, (5000,), generator=generator)
    expected = roc_auc_score(labels.numpy(), scores.numpy())
    assert auc(scores, labels).item() == pytest.approx(expected, abs=1e-12)
    found = auc_by_group(scores, labels, buckets)
    for bucket in range(4):
        here = buckets == bucket
        value = roc_auc_score(labels[here].numpy(), scores[here].numpy())
        assert found.auc[bucket].item() == pytest.approx(value, abs=1e-12)


def test_the_callers_tensors_stay_as_they_are() -> None:
    """A sort in place must only touch what is the function's own."""
    scores, labels = torch.tensor([3.0, 1, 2, 0]), torch.tensor([1, 1, 1, 0])
    groups = torch.tensor([1, 0, 1, 0], dtype=torch.int32)
    auc(scores, labels)
    found = auc_by_group(scores, labels, groups)
    assert found.groups.dtype == torch.int32
    assert scores.tolist() == [3, 1, 2, 0]
    assert groups.tolist() == [1, 0, 1, 0]
    auc(scores.requires_grad_(), labels)
