"""Calibration of runs, against calculations by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fake_runs import make_fake_run
from workbench.errors import InputError
from workbench.insight.calibration import calibration_by_activity, reliability
from workbench.runs import Run, RunStore


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    store = RunStore(tmp_path_factory.mktemp("runs"))
    return [make_fake_run(store, variant=v, seed=0, name=v) for v in ("base", "full")]


def test_bins_hold_equal_shares_of_the_predictions(runs: list[Run]) -> None:
    frame = reliability(runs, bins=4, replicates=200)
    rows = runs[1].table("predictions").sort_values("logit", kind="stable")
    probability = 1 / (1 + np.exp(-rows["logit"].to_numpy(np.float64)))
    quarter = len(rows) // 4
    own = frame[frame["run"] == "full"]
    assert list(own["rows"]) == [quarter] * 4
    for place in range(4):
        part = slice(place * quarter, (place + 1) * quarter)
        assert own["predicted"].iloc[place] == pytest.approx(probability[part].mean())
        assert own["observed"].iloc[place] == pytest.approx(rows["label"].iloc[part].mean())
    assert (own["ci_low"] < own["observed"]).all()
    assert (own["observed"] < own["ci_high"]).all()


def test_by_activity_is_paired_with_the_base(runs: list[Run]) -> None:
    frame = calibration_by_activity(runs[0], [runs[1]], replicates=200)
    base = frame[(frame["model"] == "base") & (frame["group"] == "all")].iloc[0]
    full = frame[(frame["model"] == "full") & (frame["group"] == "all")].iloc[0]
    assert full["delta_ece"] == pytest.approx(full["ece"] - base["ece"])
    assert np.isnan(base["delta_ece"])
    assert full["rows"] == len(runs[0].table("predictions"))
    buckets = frame[frame["group"] != "all"]
    assert buckets.groupby("model")["rows"].sum().nunique() == 1
    assert buckets.groupby("model")["rows"].sum()["full"] == full["rows"]
    assert list(frame["variant"].unique()) == ["base", "full"]


def test_runs_on_other_rows_are_refused(runs: list[Run], tmp_path: Path) -> None:
    other = make_fake_run(RunStore(tmp_path), variant="mask", seed=0, name="other", users=150)
    with pytest.raises(InputError, match="other"):
        calibration_by_activity(runs[0], [other])
