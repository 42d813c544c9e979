"""Figures of cells against numpy and scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.reproduce.cases import outcomes_of, plan_of
from workbench.errors import InputError
from workbench.reproduce.cells import make_cell, mean_and_spread, paired_columns
from workbench.runs import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def test_a_cell_pairs_each_seed_with_its_base(store: RunStore) -> None:
    outcomes = outcomes_of(store, ("base", 0), ("base", 1), ("full", 0), ("full", 1))
    plan, base = plan_of("full"), plan_of("base")
    cell = make_cell(plan, base, outcomes, replicates=50)
    assert cell is not None
    auc = {}
    for side in (plan, base):
        tables = [outcomes.runs[c.fingerprint()].table("predictions") for c in side.configs]
        auc[side.method] = np.array([roc_auc_score(t["label"], t["logit"]) for t in tables])
    deltas = auc["full"] - auc["base"]
    assert cell["auc_mean"] == pytest.approx(auc["full"].mean(), abs=1e-6)
    assert cell["auc_sd"] == pytest.approx(auc["full"].std(ddof=1), abs=1e-6)
    assert cell["base_auc_mean"] == pytest.approx(auc["base"].mean(), abs=1e-9)
    assert cell["seed_deltas"] == pytest.approx(deltas, abs=1e-9)
    assert cell["delta_auc"] == pytest.approx(deltas.mean(), abs=1e-9)
    assert cell["rela_impr"] == pytest.approx(auc["full"].mean() / auc["base"].mean() - 1, abs=1e-9)
    # Two deltas a and b have t = (a + b) / |a - b|, one degree of freedom: p = 1 - 2 atan(t) / pi.
    t = abs(deltas.sum()) / abs(deltas[0] - deltas[1])
    assert cell["p_value"] == pytest.approx(1 - 2 * np.arctan(t) / np.pi, abs=1e-9)
    assert cell["ci_low"] < cell["delta_auc"] < cell["ci_high"]
    assert (cell["trials"], cell["base_trials"], cell["seeds"]) == (4, 3, [0, 1])
    assert cell["command"] == "make full"
    assert cell["epochs"] == [3, 3]  # as `make_fake_run` logs


def test_a_base_has_no_difference(store: RunStore) -> None:
    base = plan_of("base", seeds=(0,))
    cell = make_cell(base, base, outcomes_of(store, ("base", 0)))
    assert cell is not None
    assert "delta_auc" not in cell
    assert cell["auc_sd"] is None


def test_only_seeds_finished_on_both_sides_count(store: RunStore) -> None:
    outcomes = outcomes_of(store, ("base", 0), ("full", 0), ("full", 1))
    cell = make_cell(plan_of("full"), plan_of("base"), outcomes, replicates=10)
    assert cell is not None
    assert cell["seeds"] == [0]
    assert cell["p_value"] is None
    assert make_cell(plan_of("mask"), plan_of("base"), outcomes) is None


def test_rows_choose_a_slice(store: RunStore) -> None:
    outcomes = outcomes_of(store, ("base", 0), ("full", 0))
    base, full = outcomes.runs.values()
    table = base.table("predictions")
    rows = (table["user_activity"] < 10).to_numpy()
    columns = paired_columns([(base, full)], rows=rows, replicates=10)
    chosen = table[rows]
    expected = roc_auc_score(chosen["label"], chosen["logit"])
    assert columns["base_auc_mean"] == pytest.approx(expected, abs=1e-9)
    assert columns["rows"] == rows.sum()
    assert columns["users"] == chosen["user"].nunique()


def test_runs_on_other_rows_are_refused(store: RunStore) -> None:
    from tests.fake_runs import make_fake_run

    base = make_fake_run(store, variant="base", seed=0)
    other = make_fake_run(store, variant="full", seed=0, split_seed=1)
    with pytest.raises(InputError, match="cannot be paired"):
        paired_columns([(base, other)], replicates=5)


def test_one_value_has_no_spread() -> None:
    assert mean_and_spread("auc", [0.5]) == {"auc_mean": 0.5, "auc_sd": None}
    assert mean_and_spread("auc", [1.0, 3.0])["auc_sd"] == pytest.approx(2**0.5)


def test_a_cell_names_a_device_that_is_no_cpu(store: RunStore) -> None:
    base = plan_of("base")
    outcomes = outcomes_of(store, ("base", 0), ("base", 1))
    unknown = make_cell(base, base, outcomes) or {}
    assert not {"devices", "cpu_capability"} & set(unknown)
    path = outcomes.runs[base.configs[1].fingerprint()].path / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8")) | {
        "device": "NVIDIA H100",
        "cpu_capability": "AVX2",
    }
    path.write_text(json.dumps(summary), encoding="utf-8")
    outcomes.runs = {key: store.open(run.name) for key, run in outcomes.runs.items()}
    cell = make_cell(base, base, outcomes)
    assert cell is not None
    assert cell["devices"] == ["NVIDIA H100", "cpu"]
    assert cell["cpu_capability"] == ["AVX2"]
