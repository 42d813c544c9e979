"""AUC, UAUC and log loss of any scores: against scikit-learn, and what must not change them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from workbench.metrics import auc, log_loss, rela_impr, uauc

# Few distinct values, so that there are ties; halves are exact in every arithmetic.
ROWS = st.lists(
    st.tuples(st.integers(-8, 8).map(lambda n: n / 2), st.integers(0, 1), st.integers(0, 3)),
    min_size=2,
    max_size=40,
)


def columns(rows: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scores, labels, users = zip(*rows, strict=True)
    assume(0 < sum(labels) < len(labels))
    return torch.tensor(scores), torch.tensor(labels), torch.tensor(users)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_auc_is_that_of_scikit_learn(rows: Any) -> None:
    scores, labels, _ = columns(rows)
    assert float(auc(scores, labels)) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_uauc_is_the_average_of_scikit_learns_over_users(rows: Any) -> None:
    scores, labels, users = columns(rows)
    values, weights = [], []
    for user in users.unique():
        own = users == user
        if 0 < int(labels[own].sum()) < int(own.sum()):
            values.append(roc_auc_score(labels[own], scores[own]))
            weights.append(int(own.sum()))
    found = uauc(scores, labels, users)
    if not values:
        assert np.isnan(float(found.value))
        return
    assert float(found.value) == pytest.approx(np.average(values, weights=weights), abs=1e-12)
    assert float(found.macro) == pytest.approx(np.mean(values), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_what_must_not_change_a_ranking_metric(rows: Any, draw: Any) -> None:
    scores, labels, users = columns(rows)
    order = torch.tensor(draw.sample(range(len(rows)), len(rows)))
    expected = float(auc(scores, labels))
    per_user = float(uauc(scores, labels, users).value)
    for other in (scores * 4 + 1, scores**3, scores.double().exp()):
        assert float(auc(other, labels)) == expected
        assert float(uauc(other, labels, users).value) == pytest.approx(per_user, nan_ok=True)
    assert float(auc(scores[order], labels[order])) == expected
    # Each user's scores may be shifted as a whole: only the order within a user counts.
    shifted = uauc(scores + 100 * users, labels, users)
    assert float(shifted.value) == pytest.approx(per_user, nan_ok=True)
    # Reversed scores, or swapped classes, mirror the value.
    assert float(auc(-scores, labels)) == pytest.approx(1 - expected)
    assert float(auc(scores, 1 - labels)) == pytest.approx(1 - expected)
    assert float(auc(torch.zeros(len(rows)), labels)) == 0.5


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_a_row_twice_is_a_row_of_weight_two(rows: Any) -> None:
    scores, labels, _ = columns(rows)
    weights = torch.arange(len(rows)) % 3 + 1
    repeated = torch.repeat_interleave(torch.arange(len(rows)), weights)
    assert float(auc(scores, labels, weights.double())) == pytest.approx(
        float(auc(scores[repeated], labels[repeated])), abs=1e-12
    )


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_log_loss_is_that_of_scikit_learn(rows: Any) -> None:
    logits, labels, _ = columns(rows)
    probability = torch.sigmoid(logits.double())
    expected = sklearn_log_loss(labels, probability.numpy())
    assert float(log_loss(logits, labels)) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 1.0), st.floats(0.1, 1.0))
def test_rela_impr_undoes_itself(new: float, base: float) -> None:
    assert base * (1 + rela_impr(new, base)) == pytest.approx(new)
    assert (rela_impr(new, base) > 0) == (new > base) or new == pytest.approx(base)
