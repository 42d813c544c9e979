"""Settings of runs side by side."""

from __future__ import annotations

import math
from pathlib import Path

from tests.fake_runs import make_fake_run
from workbench.insight.settings import differences, flattened, settings, side_by_side
from workbench.runs import RunStore


def test_flattened_by_hand() -> None:
    assert flattened({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {
        "a.b": 1,
        "a.c.d": [2],
        "e": None,
    }


def test_differences_name_what_differs_and_nothing_else(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    base = make_fake_run(store, variant="base", seed=0, name="base")
    full = make_fake_run(store, variant="full", seed=3, name="full")
    frame = differences(base, full).set_index("setting")
    assert frame.to_dict("index") == {
        "framework.variant": {"one": "base", "other": "full"},
        "training.seed": {"one": "0", "other": "3"},
    }
    assert differences(base, base).empty
    assert settings(full)["framework.variant"] == "full"


def test_side_by_side_has_varying_settings_and_results(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    runs = [make_fake_run(store, variant=v, seed=0, name=v) for v in ("base", "mask")]
    running = make_fake_run(store, variant="full", seed=1, name="now", state="running")
    frame = side_by_side([*runs, running], ("test_auc",))
    assert list(frame.columns) == ["run", "variant", "seed", "test_auc"]
    assert list(frame["variant"]) == ["base", "mask", "full"]
    assert frame["test_auc"][0] == (runs[0].summary or {})["test_auc"]
    assert math.isnan(frame["test_auc"][2])
