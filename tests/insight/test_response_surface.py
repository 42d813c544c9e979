"""The surface against the paired comparison, and optima that are known by construction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from workbench.errors import InputError
from workbench.insight.paired import paired_by_bucket
from workbench.insight.response_surface import response_surface

RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 2, 2000)
SAMPLES = pd.DataFrame(
    {"user": np.repeat(np.arange(200), 10), "label": LABEL, "user_activity": 5, "item_activity": 5}
)
NOISE = RNG.normal(size=2000)


def scores(signal: float) -> np.ndarray:
    return (signal * LABEL + NOISE).astype(np.float32)


BASE = scores(0.5)


def test_rows_equal_the_paired_comparison() -> None:
    frame, _ = response_surface({(0.4, 0.1, 0.5): scores(0.6)}, BASE, SAMPLES, replicates=200)
    expected = paired_by_bucket([(BASE, scores(0.6))], SAMPLES, replicates=200)[0].iloc[0]
    row = frame.iloc[0]
    assert row["value"] == pytest.approx(roc_auc_score(LABEL, scores(0.6)), abs=1e-6)
    assert row["delta"] == pytest.approx(expected["delta"], abs=1e-6)
    assert row["ci_low"] == pytest.approx(expected["ci_low"], abs=0.003)
    assert row["ci_high"] == pytest.approx(expected["ci_high"], abs=0.003)
    assert row["wins"] == 1


def test_a_clear_optimum_has_a_narrow_interval() -> None:
    grid = {(0.2, 0.1, 0.5): scores(0.5), (0.4, 0.1, 0.5): scores(1.5), (0.8, 0.1, 0.3): BASE}
    frame, optimum = response_surface(grid, BASE, SAMPLES, replicates=100)
    assert frame["wins"].tolist() == [0, 1, 0]
    assert optimum["aux_weight"] == (0.4, 0.4, 0.4)
    assert optimum["mask_mean"] == pytest.approx((0.3, 0.3, 0.3))


def test_equally_good_settings_share_the_wins() -> None:
    rng = np.random.default_rng(1)
    grid = {
        (weight, 0.1, 0.5): (0.5 * LABEL + rng.normal(size=2000)).astype(np.float32)
        for weight in (0.1, 0.2, 0.4)
    }
    frame, optimum = response_surface(grid, BASE, SAMPLES, replicates=300)
    assert frame["wins"].sum() == pytest.approx(1)
    assert frame["wins"].max() < 0.95
    assert optimum["aux_weight"].low < optimum["aux_weight"].high
    assert frame["aux_weight"][frame["value"].idxmax()] == optimum["aux_weight"].value
    again, _ = response_surface(grid, BASE, SAMPLES, replicates=300)
    pd.testing.assert_frame_equal(frame, again)


def test_what_is_refused() -> None:
    grid = {(0.2, 0.1, 0.5): BASE}
    with pytest.raises(InputError, match="at least one setting"):
        response_surface({}, BASE, SAMPLES)
    with pytest.raises(InputError, match="metric 'log_loss': allowed: auc, uauc, uauc_macro"):
        response_surface(grid, BASE, SAMPLES, metric="log_loss")
    with pytest.raises(InputError, match="replicates = 1"):
        response_surface(grid, BASE, SAMPLES, replicates=1)
