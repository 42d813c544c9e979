"""Results averaged over seeds, paired with the base of the same seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from tests.fake_runs import make_fake_run
from workbench.errors import InputError
from workbench.insight.cells import markdown, result_cells
from workbench.runs import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path)
    for seed in (0, 1, 2):
        for variant in ("base", "full"):
            make_fake_run(store, variant=variant, seed=seed)
    return store


def test_a_rival_is_compared_and_is_no_second_base(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    make_fake_run(store, variant="base")
    make_fake_run(store, variant="base", overrides={"rival": {"name": "dropoutnet"}})
    base, rival = result_cells(store.list(), replicates=10)
    assert (base["variant"], rival["variant"], rival["group"]) == ("base", *["dropoutnet"] * 2)
    assert rival["base_auc_mean"] == pytest.approx(base["auc_mean"])


def test_cells_agree_with_other_tools(store: RunStore) -> None:
    base, full = result_cells(store.list(), replicates=200)
    assert (base["group"], full["group"]) == ("base", "full")
    assert base["seeds"] == full["seeds"] == [0, 1, 2]
    aucs = {
        (run.variant, run.seed): roc_auc_score(
            run.table("predictions")["label"], run.table("predictions")["logit"]
        )
        for run in store.list()
    }
    deltas = np.array([aucs["full", seed] - aucs["base", seed] for seed in (0, 1, 2)])
    assert full["delta_auc"] == pytest.approx(deltas.mean(), abs=1e-9)
    assert full["ci_low"] < full["delta_auc"] < full["ci_high"]
    assert full["p_value"] == pytest.approx(stats.ttest_1samp(deltas, 0).pvalue, rel=1e-6)
    means = {v: np.mean([aucs[v, seed] for seed in (0, 1, 2)]) for v in ("base", "full")}
    assert full["rela_impr"] == pytest.approx(means["full"] / means["base"] - 1, abs=1e-9)
    summaries = [run.summary or {} for run in store.list() if run.variant == "full"]
    expected = np.std([summary["test_auc"] for summary in summaries], ddof=1)
    assert full["auc_sd"] == pytest.approx(expected)


def test_markdown_has_a_line_per_cell(store: RunStore) -> None:
    cells = result_cells(store.list(), replicates=50)
    lines = markdown(cells).splitlines()
    assert len(lines) == 2 + len(cells)
    assert f"{cells[1]['delta_auc']:+.4f}" in lines[3]
    assert all(line.count("|") == 7 for line in lines)


def test_without_a_base_there_is_nothing_to_pair(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    make_fake_run(store, variant="full", seed=0)
    with pytest.raises(InputError, match="no base run"):
        result_cells(store.list())
