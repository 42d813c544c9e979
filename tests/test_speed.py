"""The figures of the comparison with other libraries, and what is recorded of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import merge_speed
from tests.benchmarks.peers import rows
from workbench.charts import speed
from workbench.errors import InputError

MACHINE = {"cpu": "a processor", "cores": 2, "torch": "2.13.0", "threads": 1}
ABOUT = {"machine": MACHINE, "load": 0.5, "command": "python bench", "mode": "float32"}


def answers(value: Any, *seconds: tuple[float, float]) -> list[dict[str, Any]]:
    return [{"value": value, "wall": wall, "cpu": cpu} for wall, cpu in seconds]


def training_cell(**named: Any) -> dict[str, Any]:
    """1,000 samples a turn. Ours takes 2, 1 and 1 processor seconds; peer a 4, 2 and 6."""
    rounds = {
        "workbench": answers(1000, (4, 2), (2, 1), (1, 1)),
        "a": answers(1000, (4, 4), (6, 2), (6, 6)),
        "b": answers(1000, (9, 8), (9, 8), (9, 8)),
    }
    cell = {"what": "train", "model": "dnn", "batch_size": 10, "steps": 100, "rounds": rounds}
    return ABOUT | cell | {"versions": {"a": "1.0", "b": "2.0"}} | named


def auc_cell(library: str, valid: list[float], test: list[float], **named: Any) -> dict[str, Any]:
    cell = {"what": "auc", "library": library, "model": "dnn", "batch_size": 4096, "epochs": 3}
    fit = {"value": {"valid": valid, "test": test}, "wall": 1.0, "cpu": 1.0}
    return ABOUT | cell | {"weight_decay": 0.0, "version": "1", "fit": fit} | named


def test_training_is_paired_within_rounds_by_processor_time() -> None:
    a, b = rows.training_rows(training_cell())
    # 4/2, 2/1 and 6/1 times as fast; the clock on the wall has 1, 3 and 6.
    assert (a["ratio"], a["ratio_low"], a["ratio_high"]) == (2, 2, 6)
    assert (a["ratio_wall"], a["ratio_low_wall"], a["ratio_high_wall"]) == (3, 1, 6)
    assert a["ours"] == 1000
    assert a["theirs"] == 250
    assert a["ours_wall"] == 500
    assert (a["clock"], a["rounds"], a["goal"], a["version"]) == ("cpu", 3, 1.5, "1.0")
    assert a["fastest"]
    assert not b["fastest"]


def test_a_faster_mode_has_a_higher_goal() -> None:
    found = rows.training_rows(training_cell(mode="bf16"))
    assert {row["goal"] for row in found} == {3.0}


def test_less_time_is_better_in_an_evaluation() -> None:
    rounds = {
        "workbench": answers({"auc": 0.8, "uauc": 0.7}, (1, 1)),
        "a": answers({"auc": 0.8}, (6, 3)),
    }
    (row,) = rows.rows_of([ABOUT | {"what": "evaluate", "model": "fm", "rounds": rounds}])
    assert (row["ratio"], row["ratio_wall"], row["goal"]) == (3, 6, 2.0)
    assert row["ours_scores"] == ["auc", "uauc"]
    assert row["theirs_scores"] == ["auc"]


def test_loading_has_a_limit_in_seconds() -> None:
    rounds = {"workbench": answers(6, (0.5, 0.4), (4, 1)), "a": answers(6, (5, 2), (8, 2))}
    beside, limit = rows.rows_of([ABOUT | {"what": "load", "rounds": rounds}])
    assert (beside["clock"], beside["ratio"]) == ("wall", 6)  # of 10 and 2
    # 2 s over 0.5 s and over 4 s.
    assert (limit["ratio_low"], limit["ratio"], limit["ratio_high"]) == (0.5, 2.25, 4)
    assert (limit["ours"], limit["theirs"], limit["goal"]) == (2.25, 2, 1)


def test_the_bare_loops_own_figures_are_taken_over() -> None:
    found = {"ours": 90.0, "theirs": 100.0, "ratio": 0.9, "ratio_low": 0.8, "ratio_high": 1.0}
    cell = ABOUT | {"what": "bare", "model": "fm", "batch_size": 256, "row": found}
    (row,) = rows.rows_of([cell])
    assert (row["ratio"], row["ratio_low"], row["ours"], row["theirs"]) == (0.9, 0.8, 90, 100)


def test_the_table_has_the_fastest_library_and_the_bare_loop() -> None:
    bare = {"ours": 90.0, "theirs": 100.0, "ratio": 0.9, "ratio_low": 0.8, "ratio_high": 1.0}
    cell = ABOUT | {"what": "bare", "model": "fm", "batch_size": 2560, "row": bare}
    auc = [auc_cell("workbench", [0.8], [0.79]), auc_cell("a", [0.8], [0.76])]
    lines = speed.markdown(rows.rows_of([training_cell(), cell, *auc])).splitlines()
    assert lines[0] == "# Speed"
    assert lines[6:] == [
        "| training speed | DNN | 10 | float32, a processor | a | 1,000 samples/s | 250 samples/s "
        "| 2.00 (2.00 to 6.00) | 1.5 |",
        "| trainer against the bare loop | FM | 2,560 | float32, a processor | bare loop "
        "| 90 samples/s | 100 samples/s | 0.90 (0.80 to 1.00) |  |",
        "| test AUC, best epoch by validation | DNN | 4,096 | float32, a processor | a "
        "| 0.7900 AUC | 0.7600 AUC | 1.0395 | 1 |",
    ]


def test_rows_of_another_benchmark_are_taken_over(tmp_path: Path) -> None:
    row = {"name": "masked copies, k = 3", "peer": "the base step", "model": "fm", "ratio": 0.4}
    about = {"machine": "a processor", "torch": "2", "threads": 1, "command": "python tests/x.py"}
    (tmp_path / "out").write_text("fm ...\n" + json.dumps(about | {"rows": [row]}) + "\n")
    (found,) = merge_speed.read_line(tmp_path / "out")
    assert found["machine"] == {"cpu": "a processor", "torch": "2", "threads": 1}
    assert (found["ratio"], found["command"], found["unit"]) == (
        0.4,
        "python tests/x.py",
        "samples/s",
    )


@pytest.mark.parametrize("text", ["", "{", "{}", "3", '{"rows": []}'])
def test_what_is_no_output_of_a_benchmark_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "out").write_text(text)
    with pytest.raises(InputError, match="not the output of a benchmark"):
        merge_speed.read_line(tmp_path / "out")


def test_auc_is_that_of_the_best_epoch_by_validation() -> None:
    own = auc_cell("workbench", [0.7, 0.8, 0.6], [0.71, 0.79, 0.9])
    other = auc_cell("a", [0.7, 0.6, 0.5], [0.76, 0.99, 0.99])
    assert rows.best_epoch(own) == {"auc": 0.79, "epoch": 2}
    (row,) = rows.auc_rows([own, other])
    assert (row["ours"], row["theirs"], row["peer"], row["goal"]) == (0.79, 0.76, "a", 1.0)
    assert row["difference"] == pytest.approx(0.03)


def test_the_auc_of_a_faster_mode_stands_beside_float32() -> None:
    own = auc_cell("workbench", [0.8], [0.8])
    fast = auc_cell("workbench", [0.8], [0.7996], mode="bf16")
    (row,) = rows.auc_rows([own, fast])
    assert (row["peer"], row["mode"], row["ours"], row["theirs"]) == (
        "workbench, float32",
        "bf16",
        0.7996,
        0.8,
    )
    assert row["ratio"] >= row["goal"]  # 0.0004 below; 0.0005 are allowed
    (worse,) = rows.auc_rows([own, auc_cell("workbench", [0.8], [0.7994], mode="bf16")])
    assert worse["ratio"] < worse["goal"]


def test_a_library_that_failed_has_no_row() -> None:
    failed = auc_cell("a", [], []) | {"absent": {"a": "why"}}
    del failed["fit"]
    assert rows.auc_rows([auc_cell("workbench", [0.8], [0.8]), failed]) == []


def test_new_rows_replace_the_old_ones_of_the_same_cell(tmp_path: Path) -> None:
    cells = tmp_path / "cells"
    cells.mkdir()
    out = tmp_path / "speed.json"
    (cells / "one.json").write_text(json.dumps(training_cell()), encoding="utf-8")
    assert merge_speed.main([str(cells), "--out", str(out)]) == 0
    first = speed.read(out)
    slower = {"workbench": answers(1000, (8, 8)), "a": answers(1000, (8, 8))}
    (cells / "one.json").write_text(json.dumps(training_cell(rounds=slower)), encoding="utf-8")
    assert merge_speed.main([str(cells), "--out", str(out)]) == 0
    second = {row["peer"]: row for row in speed.read(out)}
    assert len(first) == len(second) == 2
    assert second["a"]["ratio"] == 1
    assert second["b"] == next(row for row in first if row["peer"] == "b")
    assert (tmp_path / "speed.svg").read_text(encoding="utf-8").startswith("<svg")


def test_another_processor_has_rows_of_its_own() -> None:
    old = rows.training_rows(training_cell())
    new = rows.training_rows(training_cell(machine=MACHINE | {"cpu": "Chip(R) 3 Processor"}))
    both = merge_speed.merged(old, new)
    assert len(both) == 4
    assert merge_speed.merged(both, old) == both
    data = speed.frame(both)
    assert list(dict.fromkeys(data["place"])) == [
        "Chip 3, batch of 10 samples",
        "a processor, batch of 10 samples",
    ]
    # A GPU's rows do not depend on the processor beside it.
    gpu = {"device": "NVIDIA H100"}
    one, other = (rows.training_rows(training_cell(machine={"cpu": n}, **gpu)) for n in "ab")
    assert merge_speed.merged(one, other) == other


@pytest.mark.parametrize("text", [None, "3", "{}", "{"])
def test_a_folder_without_cells_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "cell.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no cells" if text is None else "not a measured cell"):
        merge_speed.read_cells(tmp_path)


def test_a_refusal_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert merge_speed.main([str(tmp_path), "--out", str(tmp_path / "speed.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_recorded_rows_hold_aggregates_with_machine_and_command(project_root: Path) -> None:
    path = project_root / "data" / "results" / "speed.json"
    if not path.exists():
        pytest.skip("no recorded speeds: tests/benchmarks/merge_speed.py writes them")
    recorded = speed.read(path)
    for row in recorded:
        assert set(rows.KEYS) <= set(row)
        assert row["machine"]["cpu"]
        assert row["command"].startswith("python tests/benchmarks/")
        if row["unit"] == "AUC":
            assert row["ratio"] == pytest.approx(row["ours"] / row["theirs"])
        else:
            assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert len({rows.key_of(row) for row in recorded}) == len(recorded)


def test_on_a_gpu_the_clock_on_the_wall_counts_and_has_a_goal_of_its_own() -> None:
    gpu = {"device": "NVIDIA H100", "model": "dcn_v2", "batch_size": 4096}
    a, _ = rows.training_rows(training_cell(**gpu))
    assert (a["clock"], a["ratio"], a["ratio_cpu"]) == ("wall", 3, 2)
    assert (a["device"], a["goal"]) == ("NVIDIA H100", 20.0)
    small, _ = rows.training_rows(training_cell(**gpu | {"batch_size": 256}))
    assert small["goal"] is None
    rounds = {"workbench": answers({"auc": 0.8}, (1, 1)), "a": answers({"auc": 0.8}, (6, 3))}
    cell = ABOUT | {"what": "evaluate", "model": "fm", "rounds": rounds, "device": "NVIDIA H100"}
    (row,) = rows.rows_of([cell])
    assert (row["clock"], row["ratio"], row["goal"]) == ("wall", 6, None)
