"""``workbench reproduce``: the same figure from the recorded command, one-line errors."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from workbench.cli import main

TINY = ["--data", "planted", "--rows", "2000", "--models", "fm", "--seeds", "1"]
QUICK = ["--set", "training.epochs=1", "--set", "training.batch_size=256"]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


@pytest.mark.slow
def test_a_cells_recorded_command_gives_the_same_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def places(name: str) -> list[str]:
        return ["--runs", str(tmp_path / name), "--out", str(tmp_path / name / "out")]

    first = ["reproduce", "table3", *TINY, *QUICK, "--replicates", "20", "--jobs", "2"]
    assert main([*first, *places("first")]) == 0
    cells = json.loads((tmp_path / "first" / "out" / "table3.json").read_text())["cells"]
    full = next(cell for cell in cells if cell["variant"] == "full")
    capsys.readouterr()
    words = shlex.split(full["command"])
    assert words[0] == "workbench"
    again = [*words[1:], "--replicates", "20", "--json", *places("second")]
    assert main(again) == 0
    (other,) = [
        cell for cell in json.loads(capsys.readouterr().out)["cells"] if cell["variant"] == "full"
    ]
    for key in ("auc_mean", "base_auc_mean", "delta_auc", "ci_low", "ci_high", "uauc_mean"):
        assert other[key] == pytest.approx(full[key], abs=1e-6), key
    # And once more from the runs that are there: nothing is trained, the file stays the same.
    before = (tmp_path / "second" / "out" / "table3.json").read_text()
    assert main(again) == 0
    assert "2 runs are there, 0 to do" in capsys.readouterr().err
    assert (tmp_path / "second" / "out" / "table3.json").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table3"], "--data movielens-1m: name the folder of its files with --from DIR"),
        (["table3", "--from", "/nowhere/at/all"], "--from /nowhere/at/all: no such folder"),
        (["table3", "--data", "planted", "--seeds", "0"], "--seeds 0: must be at least 1"),
        (["table3", "--data", "planted", "--models", "fmm"], "fmm"),
        (["table3", "--data", "planted", "--only", "a"], "--only: table3 has no parts"),
        (["table3", "--data", "planted", "--preset", "tuned"], "preset 'tuned' has no fm base"),
        (["table3", "--data", "planted", "--set", "training.lrr=1"], "training.lrr"),
        (["table9"], "invalid choice: 'table9'"),
        (["regimes", "--data", "planted", "--only", "x"], "--only x: must be of a, b, c"),
        (["regimes", "--data", "planted", "--variants", "x"], "--variants x: must be of base"),
    ],
)
def test_what_cannot_be_reproduced_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    places = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert message in refused(capsys, ["reproduce", *arguments, *places])
    assert list(tmp_path.iterdir()) == []


def test_rows_belong_to_the_planted_world(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["reproduce", "table3", "--from", str(tmp_path), "--rows", "5"]
    assert "only the planted world" in refused(capsys, arguments)
