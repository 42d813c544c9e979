"""Plans of the paper's tables, the figures beside ours, and the files that are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reproduce.cases import outcomes_of, plan_of
from workbench.cli import build_parser
from workbench.config import DataConfig
from workbench.errors import InputError
from workbench.presets import METHODS
from workbench.reproduce import make as make_module
from workbench.reproduce import paper
from workbench.reproduce.files import merge, read_cells, write_cells
from workbench.reproduce.make import make_table
from workbench.reproduce.tables import TABLES, paper_figures, plan_table
from workbench.runs import RunStore

ML = DataConfig(source="movielens-1m", folder="/somewhere")


def test_table_3_has_five_models_with_and_without() -> None:
    plans = plan_table(TABLES["table3"], ML, seeds=5)
    assert [(plan.model, plan.method) for plan in plans] == [
        (model, method)
        for model in ("fm", "youtube_dnn", "afn", "dcn_v2", "euler_net")
        for method in ("base", "full")
    ]
    assert all([c.training.seed for c in plan.configs] == [0, 1, 2, 3, 4] for plan in plans)
    assert len({c.fingerprint() for plan in plans for c in plan.configs}) == 50


def test_table_4_has_the_ablation_and_two_rivals() -> None:
    plans = plan_table(TABLES["table4"], ML, seeds=1)
    assert [plan.configs[0].method for plan in plans] == [
        "base", "mask", "adapter", "full", "ssl", "dropoutnet",
    ]  # fmt: skip
    assert {plan.model for plan in plans} == {"two_tower"}


def test_the_base_is_planned_asked_for_or_not() -> None:
    plans = plan_table(TABLES["table3"], ML, seeds=1, models=["fm"], methods=["full"])
    assert [(plan.method, plan.is_base) for plan in plans] == [("base", True), ("full", False)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "--seeds 0"),
        ({"methods": ["best"]}, "--variants best"),
        ({"presets": ["tuned"], "models": ["masknet"]}, "preset 'tuned' has no masknet"),
        ({"models": ["fmm"], "changes": {"framework": {"k": 0}}}, "k"),
    ],
)
def test_what_cannot_be_planned_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plan_table(TABLES["table3"], ML, **{"seeds": 1, **changes})
    assert "\n" not in str(caught.value)


def test_a_cells_command_parses_and_plans_the_same_cell() -> None:
    data = DataConfig.model_validate({"planted": {"rows": 5000}})
    (plan, _) = plan_table(
        TABLES["table2"], data, seeds=2, models=["afn"], settings=["training.lr=0.01"]
    )
    options = build_parser().parse_args(plan.command.split()[1:])
    assert (options.what, options.rows, options.seeds) == ("table2", 5000, 2)
    assert (options.models, options.variants, options.set) == (
        ["afn"],
        ["base"],
        ["training.lr=0.01"],
    )
    assert options.device == "cpu"
    (gpu, _) = plan_table(TABLES["table2"], data, seeds=2, models=["afn"], device="cuda")
    assert build_parser().parse_args(gpu.command.split()[1:]).device == "cuda"
    (movielens, _) = plan_table(TABLES["table3"], ML, seeds=2, models=["afn"])
    assert "--from DIR" in movielens.command
    assert "/somewhere" not in movielens.command


def test_the_papers_lifts_follow_from_its_aucs() -> None:
    # Table 3's own column of RelaImpr, typed from the paper.
    printed = {
        "fm": 0.0053,
        "youtube_dnn": 0.0018,
        "afn": 0.0014,
        "dcn_v2": 0.0024,
        "euler_net": 0.0013,
    }
    for model, lift in printed.items():
        base, full = paper.TABLE_3[model]
        assert full / base - 1 == pytest.approx(lift, abs=0.5e-4)
        assert paper_figures("table3", "movielens-1m", model, "full")["paper_rela_impr"] == lift
    assert set(paper.TABLE_2_SMALL) == set(paper.TABLE_2_LARGE) == set(printed)
    assert set(paper.TABLE_4) <= set(METHODS)


def test_the_paper_is_cited_only_where_it_has_a_figure() -> None:
    assert paper_figures("table3", "planted", "fm", "full")["paper_base"] is None
    assert paper_figures("table3", "movielens-1m", "fm", "base")["paper_full"] is None
    assert paper_figures("table4", "kuairand-pure", "two_tower", "ssl")["paper_rela_impr"] == 0.0014
    assert paper_figures("table4", "planted", "two_tower", "dropoutnet")["paper_rela_impr"] is None
    assert paper_figures("table2", "planted", "fm", "full")["paper_rela_impr_uauc"] == 0.0037


def test_results_are_merged_and_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(tmp_path / "runs")
    plans = [plan_of("base", (0, 1)), plan_of("full", (0, 1))]
    outcomes = outcomes_of(store, ("base", 0), ("full", 0))
    outcomes.failed[plans[1].configs[1].fingerprint()] = "loss is not finite"
    monkeypatch.setattr(make_module, "run_all", lambda *arguments: outcomes)
    out = tmp_path / "out"
    earlier = {"data": "other", "model": "fm", "variant": "base", "preset": "paper"}
    earlier |= {"trials": 0, "seeds": [0], "auc_mean": 0.7, "auc_sd": None}
    write_cells(out / "table3.json", [earlier], [])
    made = make_table(TABLES["table3"], plans, store, out, replicates=20)
    assert [cell["variant"] for cell in made.cells] == ["base", "full"]
    assert [cell["variant"] for cell in made.missing] == ["base", "full"]
    assert "seed 1: loss is not finite" in made.missing[1]["reason"]
    written = json.loads((out / "table3.json").read_text())
    assert [cell["data"] for cell in written["cells"]] == ["other", "planted", "planted"]
    wanted = {"model", "variant", "data", "auc_mean", "auc_sd", "base_auc_mean", "rela_impr"}
    wanted |= {"ci_low", "ci_high", "p_value", "seeds", "trials", "paper_base", "paper_full"}
    assert wanted | {"command"} <= written["cells"][2].keys()
    text = (out / "table3.md").read_text()
    assert "Missing (2 cells)" in text
    assert f"{written['cells'][2]['rela_impr']:+.2%}" in text
    assert (out / "table3.svg").read_text().startswith("<svg")

    # The missing seeds arrive: nothing is missing any more, no cell is there twice.
    more = outcomes_of(store, ("base", 1), ("full", 1))
    outcomes.runs |= more.runs
    outcomes.failed.clear()
    made = make_table(TABLES["table3"], plans, store, out, replicates=20)
    written = json.loads((out / "table3.json").read_text())
    assert written["missing"] == []
    assert [cell["seeds"] for cell in written["cells"]] == [[0], [0, 1], [0, 1]]


@pytest.mark.parametrize("text", ["[]", "{", '{"cells": [1]}'])
def test_a_file_that_is_no_result_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table3.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a file of results"):
        read_cells(path)
    assert path.read_text() == text


def test_merging_replaces_by_key() -> None:
    old = [{"a": 1, "v": "old"}, {"a": 2, "v": "old"}]
    assert merge(old, [{"a": 2, "v": "new"}], ["a"]) == [{"a": 1, "v": "old"}, {"a": 2, "v": "new"}]
