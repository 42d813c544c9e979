"""``workbench sweep``: the grid as it is typed, the runs it leaves, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.commands.sweep_grid import grid_settings, words
from workbench.errors import InputError
from workbench.runs import RunStore

SMALL = ["--set", "data.planted.rows=3000", "--dim", "4", "--batch-size", "256", "--model", "fm"]


def test_every_combination_the_last_key_fastest() -> None:
    settings = grid_settings(
        ["framework.alpha=0.05,0.1", "framework.mask_range=0.1:0.3,0.1:0.5"], seeds=[4]
    )
    keys = ("framework.alpha", "framework.mask_range", "training.seed")
    assert [tuple(setting[key] for key in keys) for setting in settings] == [
        (0.05, [0.1, 0.3], 4),
        (0.05, [0.1, 0.5], 4),
        (0.1, [0.1, 0.3], 4),
        (0.1, [0.1, 0.5], 4),
    ]
    assert words(settings[0]) == "alpha=0.05 mask_range=0.1:0.3 seed=4"


def test_values_of_every_kind() -> None:
    (setting,) = grid_settings(["a=[1, 2]", "b=null", "c=mean", "d=true", "e=cuda:1"], None)
    assert setting == {"a": [1, 2], "b": None, "c": "mean", "d": True, "e": "cuda:1"}
    (setting,) = grid_settings(["training.lr=1e-3"], None)
    assert setting == {"training.lr": 0.001}
    pair = grid_settings(["model.options.hidden=[8],[8,4]"], None)
    assert [setting["model.options.hidden"] for setting in pair] == [[8], [8, 4]]


@pytest.mark.parametrize(
    ("grid", "seeds", "message"),
    [
        (["framework.alpha"], None, "'framework.alpha': KEY=VALUE,VALUE is expected"),
        (["=1"], None, "'=1': KEY=VALUE,VALUE is expected"),
        (["a="], None, "a value is missing"),
        (["a=1,,2"], None, "a value is missing"),
        (["a=1", "a=2"], None, "--grid a: is named twice"),
        (["a=1,2,1"], None, r"--grid a: a value is listed twice in \[1, 2, 1\]"),
        ([], [3, 3], r"--seeds: a value is listed twice in \[3, 3\]"),
        (["training.seed=1,2"], [3], "--grid training.seed: cannot be given with --seeds"),
        (["a=1e:2"], None, "--grid a: '1e' is not a number"),
        (["a=[1"], None, "--grid a"),
    ],
)
def test_a_bad_grid_is_named(grid: list[str], seeds: list[int] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        grid_settings(grid, seeds)


def test_too_many_settings_are_refused() -> None:
    many = ",".join(map(str, range(101)))
    with pytest.raises(InputError, match="10,201 settings; at most 10,000"):
        grid_settings([f"a={many}", f"b={many}"], None)


def test_a_sweep_leaves_runs_and_one_json_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep", *SMALL, "--epochs", "1", "--runs", str(tmp_path / "runs"), "--name", "g"]
    grid = ["--seeds", "0", "1", "--grid", "framework.alpha=0.1,0.2", "training.lr=0.01"]
    assert main([*command, *grid, "--side-by-side", "3", "--json"]) == 0
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    runs = json.loads(line)["runs"]
    assert [run["run"] for run in runs] == ["g-1", "g-2", "g-3", "g-4"]
    assert "3 side by side" in printed.err
    assert "4 of 4 done" in printed.err
    store = RunStore(tmp_path / "runs")
    for run in runs:
        found = store.open(run["run"])
        assert found.state == "finished"
        assert found.summary is not None
        assert run["test_auc"] == found.summary["test_auc"]
        assert run["settings"] == {
            "framework.alpha": found.config.framework.alpha,
            "training.lr": found.config.training.lr,
            "training.seed": found.seed,
        }
    assert main([*command[:-2], *grid, "--missing"]) == 0
    assert len(store.list()) == 4
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("alpha=0.1 lr=0.01 seed=0: test AUC 0.")
    assert lines[0].endswith(", g-1")


def test_a_member_that_fails_gives_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep", *SMALL, "--epochs", "1", "--runs", str(tmp_path), "--side-by-side", "2"]
    assert main([*command, "--grid", "training.lr=0.01,1e30"]) == 1
    good, bad = capsys.readouterr().out.splitlines()
    assert good.startswith("lr=0.01: test AUC 0.")
    assert bad.startswith("lr=1e+30: the loss is not finite at epoch 1, step 2")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "nothing to sweep over; give --grid, --seeds or both"),
        (["--seeds", "0", "--side-by-side", "0"], "--side-by-side 0: must be 1 or more"),
        (["--seeds", "0", "--seed", "1"], "--seed: cannot be given with --seeds"),
        (["--grid", "framework.alpha=1", "--alpha", "1"], "--alpha: cannot be given with"),
        (["--grid", "framework.alhpa=1"], "unknown key 'framework.alhpa'"),
        (["--grid", "alpha=1"], "unknown key 'alpha'"),
        (["--grid", "framwork.alpha=1"], "unknown key 'framwork'"),
        (["--grid", "framework.alpha=0.1,-1"], "framework.alpha = -1"),
        (["--grid", "training.log_every=10,20"], "are the same experiment"),
        (["--grid", "framework.cold_states.share=0,0.5", "--side-by-side", "2"], "side by side"),
        (["--seeds", "0", "1", "--name", "../up"], "../up"),
        (["--seeds", "0", "x"], "--seeds"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    assert main(["sweep", *SMALL, "--runs", str(tmp_path / "runs"), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert expected in printed.err
    assert not (tmp_path / "runs").exists()


def test_a_name_that_is_taken_is_refused_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs" / "g-2").mkdir(parents=True)
    command = ["sweep", *SMALL, "--runs", str(tmp_path / "runs"), "--name", "g"]
    assert main([*command, "--seeds", "0", "1"]) == 2
    assert "run 'g-2' exists already" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "g-1").exists()
