"""AUC lost without a feature, and how evenly the losses are spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tests.insight.small_models import small_dataset, small_model
from workbench.errors import InputError
from workbench.insight import reliance
from workbench.insight.over_reliance import auc_without

DATASET = small_dataset()
ROWS = reliance.rows_of_users(DATASET)
SAMPLES = reliance.samples_of_rows(DATASET, ROWS)
FEATURES = ("user_id", "genre", "history")


def test_the_losses_are_those_of_auc_without() -> None:
    model = small_model("full")
    full = reliance.logits_without(model, DATASET, ROWS)
    without = {name: reliance.logits_without(model, DATASET, ROWS, name) for name in FEATURES}
    found, _ = reliance.reliance(full, without, SAMPLES, replicates=20)
    expected = auc_without(model, DATASET, FEATURES, replicates=20)
    whole = expected[expected["bucket"] == "all"].set_index("without")
    for _, row in found.iterrows():
        assert row["auc"] == pytest.approx(whole.loc[row["feature"], "base"], abs=1e-9)
        assert row["lost"] == pytest.approx(-whole.loc[row["feature"], "delta"], abs=1e-9)
        assert row["users"] == SAMPLES["user"].nunique()
    labels = DATASET.labels[ROWS, 0].numpy()
    assert found["auc"].iloc[0] == pytest.approx(roc_auc_score(labels, full))
    buckets = reliance.reliance_by_bucket(full, without["user_id"], SAMPLES, replicates=20)
    own = expected[expected["without"] == "user_id"]
    np.testing.assert_allclose(buckets["delta"], -own["delta"].to_numpy(), atol=1e-9)


def test_without_training_samples_there_is_no_id_to_lose() -> None:
    model = small_model("full")
    full = reliance.logits_without(model, DATASET, ROWS)
    without = reliance.logits_without(model, DATASET, ROWS, "user_id")
    new = (SAMPLES["user_activity"] == 0).to_numpy()
    np.testing.assert_array_equal(full[new], without[new])
    assert not np.array_equal(full[~new], without[~new])


def test_a_draw_of_users_takes_them_whole() -> None:
    for most in (50, 200):
        rows = reliance.rows_of_users(DATASET, most, seed=1)
        assert 0 < len(rows) <= most
        users = set(DATASET.users[rows].tolist())
        every = [row for row in ROWS.tolist() if int(DATASET.users[row]) in users]
        assert rows.tolist() == every
    assert len(reliance.rows_of_users(DATASET, 10**6)) == len(ROWS)
    assert len(reliance.rows_of_users(DATASET, 1)) >= 1


def test_intervals_hold_the_value_and_share_their_draws() -> None:
    full = reliance.logits_without(small_model("full"), DATASET, ROWS)
    other = np.random.default_rng(0).permutation(full)
    found, spread = reliance.reliance(full, {"same": full, "other": other}, SAMPLES, replicates=50)
    same, noise = found.iloc[0], found.iloc[1]
    assert (same["lost"], same["ci_low"], same["ci_high"]) == (0, 0, 0)
    assert noise["ci_low"] < noise["lost"] < noise["ci_high"]
    # All that is lost is lost by one of the two features.
    assert spread.value == pytest.approx(1.0 if noise["lost"] > 0 else np.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([0.1, 0.1, 0.1], 0.0),
        ([0.0, 0.0, 0.3], 1.0),
        # Sum over pairs |x_i - x_j| = 4; 4 / (2 * 2 * 4) * 2 = 0.5.
        ([1.0, 3.0], 0.5),
        # Below 0 counts as 0.
        ([-0.2, 0.3], 1.0),
        ([0.0, 0.0], np.nan),
        ([-1.0, -1.0], np.nan),
    ],
)
def test_gini(losses: list[float], expected: float) -> None:
    (value,) = reliance.gini(np.array([losses]))
    assert value == pytest.approx(expected, nan_ok=True)


def test_gini_against_its_definition() -> None:
    losses = np.random.default_rng(3).random((4, 7))
    n = losses.shape[1]
    pairs = np.abs(losses[:, :, None] - losses[:, None, :]).sum((1, 2))
    expected = pairs / (2 * n * losses.sum(1)) * n / (n - 1)
    np.testing.assert_allclose(reliance.gini(losses), expected)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="feature 'shoe_size': allowed: user_id, gender"):
        reliance.logits_without(small_model(), DATASET, ROWS, "shoe_size")
    with pytest.raises(InputError, match="name at least one feature"):
        reliance.reliance(np.zeros(3, np.float32), {}, pd.DataFrame())
