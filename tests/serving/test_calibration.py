"""Calibration worked out by hand, and a split that really holds users and items out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.errors import InputError
from workbench.serving.calibration import (
    calibration,
    calibration_by_group,
    held_out_users_and_items,
)


def test_by_hand() -> None:
    # Bins of width 1/15: 0.2 and 0.25 share the bin 3/15 to 4/15, 0.9 is alone in another.
    found = calibration([0.2, 0.25, 0.9, 0.9], [0, 1, 1, 1])
    assert found.ece == pytest.approx((abs(0.45 - 1) + abs(1.8 - 2)) / 4)
    losses = [math.log(0.8), math.log(0.25), math.log(0.9), math.log(0.9)]
    assert found.log_loss == pytest.approx(-sum(losses) / 4)
    assert (found.predicted, found.observed) == pytest.approx((2.25 / 4, 3 / 4))
    assert found.gap == pytest.approx(0.75 - 0.5625)


def test_true_probabilities_are_calibrated() -> None:
    draw = np.random.default_rng(0)
    truth = draw.random(40_000)
    label = (draw.random(40_000) < truth).astype(int)
    right = calibration(truth, label)
    wrong = calibration(truth**2, label)
    assert right.ece < 0.01
    assert wrong.ece == pytest.approx(1 / 6, abs=0.01)  # E|p - p^2|
    user = np.arange(40_000) // 10
    table = calibration_by_group(
        {"wrong": truth**2, "right": truth}, label, user, {"all": label >= 0}, replicates=100
    )
    first, second = table.to_dict("records")
    assert math.isnan(first["delta_ece"])
    assert second["delta_ece"] == pytest.approx(right.ece - wrong.ece)
    assert second["delta_ece_low"] < second["delta_ece"] < second["delta_ece_high"] < 0
    assert second["users"] == 4000


def test_intervals_take_users_whole() -> None:
    """A user's rows repeated are no new evidence: the interval stays."""
    draw = np.random.default_rng(1)
    base, full = draw.random(200), draw.random(200)
    label = (draw.random(200) < 0.5).astype(int)
    user = np.arange(200)
    group = {"all": label >= 0}
    once = calibration_by_group({"a": base, "b": full}, label, user, group, replicates=200)
    often = calibration_by_group(
        {"a": np.repeat(base, 5), "b": np.repeat(full, 5)},
        np.repeat(label, 5),
        np.repeat(user, 5),
        {"all": np.repeat(label >= 0, 5)},
        replicates=200,
    )
    for column in ("delta_log_loss_low", "delta_log_loss_high", "delta_ece_low"):
        assert often[column][1] == pytest.approx(once[column][1])


def test_training_sees_no_held_out_user_or_item() -> None:
    draw = np.random.default_rng(0)
    users, items = draw.integers(0, 400, 20_000), draw.integers(0, 100, 20_000)
    splits = held_out_users_and_items(users, items, 0.1, seed=3)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(20_000))
    for keys, number in ((users, 400), (items, 100)):
        known = set(keys[splits["train"]])
        assert number - len(known) == round(0.1 * number) * 2
        new = set(keys[splits["test"]]) - known
        assert len(new) >= round(0.1 * number)
    cold = ~np.isin(users, users[splits["train"]]) | ~np.isin(items, items[splits["train"]])
    assert not cold[splits["train"]].any()
    assert (~cold[splits["test"]]).any()
    assert cold[splits["valid"]].any()


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"share = 0\.5"):
        held_out_users_and_items(np.arange(9), np.arange(9), 0.5, 0)
    with pytest.raises(InputError, match=r"outside 0\.\.1"):
        calibration([1.5], [1])
    with pytest.raises(InputError, match="at least one sample"):
        calibration([], [])
    with pytest.raises(InputError, match="group 'none' has no samples"):
        calibration_by_group({"a": [0.5]}, [1], [0], {"none": np.array([False])})
