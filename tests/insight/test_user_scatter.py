"""Single users by activity and norm, and their rank correlation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tests.fake_runs import make_hand_run
from workbench.errors import InputError
from workbench.insight.user_scatter import rank_correlation, user_scatter
from workbench.runs import Run, RunStore


def hand_run(folder: Path, activity: list[int], norm: list[float]) -> Run:
    """A run with these users, and one item."""
    rows = len(activity)
    norms = pd.DataFrame(
        {
            "feature": ["user_id"] * rows + ["item_id"],
            "code": [*range(1, rows + 1), 1],
            "activity": [*activity, 7],
            "norm": [*norm, 99.0],
            "initial": [0.1] * (rows + 1),
        }
    )
    return make_hand_run(RunStore(folder), "hand", norms=norms)


def test_users_in_order_of_activity(tmp_path: Path) -> None:
    run = hand_run(tmp_path, [30, 0, 5, 5], [0.4, 0.9, 0.3, 0.1])
    frame, correlation = user_scatter(run, "user_id")
    # Who was never seen in training has no vector of an own.
    assert frame["code"].tolist() == [3, 4, 1]
    assert frame["norm"].tolist() == [0.3, 0.1, 0.4]
    assert correlation["users"] == 3
    # Ranks 1.5, 1.5, 3 and 2, 1, 3: covariance 1.5 / 2, variances 1.5 / 2 and 1.
    assert correlation["correlation"] == pytest.approx(0.75 / math.sqrt(0.75 * 1.0))
    assert math.isnan(correlation["ci_low"])


def test_few_stand_for_many(tmp_path: Path) -> None:
    activity = [*range(1, 102)]
    run = hand_run(tmp_path, activity, [float(value) for value in activity])
    frame, correlation = user_scatter(run, "user_id", most=11)
    assert frame["activity"].tolist() == [*range(1, 102, 10)]
    assert correlation["users"] == 101
    assert correlation["correlation"] == pytest.approx(1.0)


def test_the_correlation_is_that_of_scipy() -> None:
    generator = np.random.default_rng(3)
    first = pd.Series(generator.integers(1, 40, 500))
    second = first + pd.Series(generator.normal(0, 20, 500))
    found = rank_correlation(first, second)
    assert found["correlation"] == pytest.approx(spearmanr(first, second).statistic)
    assert found["ci_low"] < found["correlation"] < found["ci_high"]


def test_the_interval_covers_about_19_in_20() -> None:
    """Of normal columns with correlation r, Spearman's is 6/pi arcsin(r/2)."""
    generator = np.random.default_rng(5)
    r = 0.6
    truth = 6 / math.pi * math.asin(r / 2)
    inside = 0
    for _ in range(400):
        first = generator.normal(size=120)
        second = r * first + math.sqrt(1 - r * r) * generator.normal(size=120)
        found = rank_correlation(pd.Series(first), pd.Series(second))
        inside += bool(found["ci_low"] <= truth <= found["ci_high"])
    # Binomial: 380 on average, standard deviation 4.4.
    assert 362 <= inside <= 398


def test_users_that_do_not_differ_have_no_correlation() -> None:
    found = rank_correlation(pd.Series([1, 1, 1, 1]), pd.Series([0.1, 0.2, 0.3, 0.4]))
    assert math.isnan(found["correlation"])
    assert math.isnan(found["ci_high"])


def test_a_feature_without_norms_is_refused(tmp_path: Path) -> None:
    run = hand_run(tmp_path, [1, 2], [0.1, 0.2])
    with pytest.raises(InputError, match="no norms of the feature 'gone'"):
        user_scatter(run, "gone")
