"""The command line as a user types it: JSON on standard output, one-line errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.cli import main

SMALL = ["--set", "data.planted.rows=3000", "--epochs", "2", "--dim", "4", "--batch-size", "256"]


def train(tmp_path: Path, *arguments: str, name: str = "one") -> list[str]:
    return ["train", *SMALL, "--runs", str(tmp_path / "runs"), "--name", name, *arguments]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """Run a command that must fail as bad input; returns its one line."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("workbench: ")
    return captured.err


def test_train_and_compare_end_with_one_json_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = {}
    for variant in ("base", "full"):
        arguments = train(tmp_path, "--variant", variant, "--model", "fm", "--json", name=variant)
        assert main(arguments) == 0
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        printed[variant] = json.loads(out)
    keys = {"run", "test_auc", "test_uauc", "test_log_loss", "valid_auc", "best_epoch"}
    assert set(printed["base"]) == keys | {"train_samples_per_second"}
    assert main(["compare", "base", "full", "--runs", str(tmp_path / "runs"), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["runs"]
    difference = printed["full"]["test_auc"] - printed["base"]["test_auc"]
    assert result["delta_auc"] == pytest.approx(difference, abs=1e-7)
    assert result["ci_low"] < result["delta_auc"] < result["ci_high"]
    ratio = printed["full"]["test_auc"] / printed["base"]["test_auc"] - 1
    assert result["rela_impr"] == pytest.approx(ratio, abs=1e-6)
    assert {"bucket", "delta_auc", "ci_low", "ci_high", "rela_impr"} <= set(result["buckets"][0])


def test_compare_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(train(tmp_path, "--variant", "base")) == 0
    assert main(["compare", "one", "one", "--runs", str(tmp_path / "runs")]) == 0
    out = capsys.readouterr().out
    assert "+0.0000" in out
    assert "+0.00%" in out


def test_table_prints_markdown_and_writes_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(train(tmp_path, "--variant", "base", "--model", "fm")) == 0
    capsys.readouterr()
    out = tmp_path / "results" / "fm.json"
    assert main(["table", str(tmp_path / "runs"), "--out", str(out), "--command", "how"]) == 0
    printed = capsys.readouterr().out
    (cell,) = json.loads(out.read_text())["cells"]
    assert f"{cell['auc_mean']:.4f}" in printed
    assert cell["command"] == "how"
    assert "no finished run" in refused(capsys, ["table", str(tmp_path / "nothing")])


def test_data_list_names_every_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    for name in ("planted", "movielens-1m", "kuairand-pure"):
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["netflix"], ["netflix", "planted, movielens-1m"]),
        (["planted"], ["planted", "nothing to fetch"]),
        (["kuairand-pure"], ["kuairand-pure", "https://"]),
        (["movielens-1m", "--from", "/no/such"], ["/no/such"]),
    ],
)
def test_what_cannot_be_fetched_is_said(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: list[str]
) -> None:
    line = refused(capsys, ["data", "fetch", *arguments])
    for part in expected:
        assert part in line


def test_fetch_from_a_folder_checks_its_files(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(shared_data / "ml-1m")
    assert main(["data", "fetch", "movielens-1m", "--from", folder]) == 0
    assert capsys.readouterr().out.strip() == folder


def test_a_prepared_data_set_trains_like_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "planted"
    assert main(["data", "prepare", "planted", "--out", str(folder), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["rows"] == 200_000
    arguments = ["train", "--data", str(folder), "--model", "fm", "--epochs", "1", "--dim", "4"]
    assert main([*arguments, "--runs", str(tmp_path / "runs"), "--name", "p", "--json"]) == 0
    prepared = json.loads(capsys.readouterr().out)
    arguments[2] = "planted"
    assert main([*arguments, "--runs", str(tmp_path / "runs"), "--name", "q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test_auc"] == prepared["test_auc"]


def test_resume_continues_a_stopped_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.runs import RunStore

    assert main(train(tmp_path)) == 0
    run = tmp_path / "runs" / "one"
    capsys.readouterr()
    line = refused(capsys, ["train", "--resume", "one", "--runs", str(run.parent)])
    assert "run 'one' is finished" in line
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "stopped"}))
    assert main(["train", "--resume", "one", "--runs", str(run.parent)]) == 0
    assert RunStore(run.parent).open("one").state == "finished"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model", "dcn_v3"], ["model 'dcn_v3'", "allowed: fm"]),
        (["--variant", "ful"], ["framework.variant = 'ful'", "'base'"]),
        (["--variant", "mask", "--k", "0"], ["k = 0 with variant mask", "at least 1"]),
        (["--mask-range", "0.5", "0.1"], ["mask_range = 0.5 0.1", "LOW must not be above HIGH"]),
        (["--mask-range", "0.1", "1.5"], ["mask_range.1 = 1.5", "less than or equal to 1"]),
        (["--mask-range", "-0.1", "0.5"], ["mask_range.0 = -0.1", "greater than or equal to 0"]),
        (["--lr", "0"], ["training.lr = 0", "greater than 0"]),
        (["--lr", "fast"], ["--lr", "fast"]),
        (["--dim", "0"], ["model.dim = 0"]),
        (["--alpha", "-1"], ["framework.alpha = -1"]),
        (["--set", "framework.alhpa=1"], ["unknown key 'framework.alhpa'"]),
        (["--set", "nonsense"], ["'nonsense'", "KEY=VALUE"]),
        (["--set", "training.lr=[1"], ["training.lr", "line 1: expected"]),
        (["--set", "training.lr.x=1", "--lr", "1"], ["training.lr.x"]),
        (["--device", "cuda:77"], ["cuda:77"]),
        (["--data", "netflix"], ["netflix", "planted", "movielens-1m"]),
        (["--data", "movielens-1m"], ["movielens-1m", "--from"]),
        (["--data", "movielens-1m", "--from", "/no/such/folder"], ["/no/such/folder"]),
        (["--config", "/no/such.yaml"], ["/no/such.yaml", "No such file"]),
        (["--name", "../up"], ["../up"]),
        (["--resume", "nothing", "--lr", "1"], ["--lr", "--resume"]),
        (["--frobnicate"], ["--frobnicate"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: list[str],
) -> None:
    small = ["train", "--set", "data.planted.rows=3000", "--runs", str(tmp_path / "runs")]
    if "--resume" in arguments:
        small = ["train", "--runs", str(tmp_path / "runs")]
    line = refused(capsys, [*small, *arguments])
    for part in expected:
        assert part in line
    assert not (tmp_path / "runs").exists()


def test_an_unwritable_run_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("a file, not a folder")
    assert str(tmp_path / "runs") in refused(capsys, train(tmp_path))
    assert (tmp_path / "runs").read_text() == "a file, not a folder"


def test_comparing_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, ["compare", "a", "b", "--runs", str(tmp_path)])
    assert "no run 'a'" in line


def test_a_config_file_sets_what_options_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("framework: {variant: adapter, weight_scale: 2.0}\ntraining: {seed: 5}\n")
    assert main(train(tmp_path, "--config", str(path), "--seed", "6")) == 0
    config = json.loads((tmp_path / "runs" / "one" / "config.json").read_text())
    assert config["framework"]["variant"] == "adapter"
    assert config["framework"]["weight_scale"] == 2.0
    assert config["training"]["seed"] == 6


def test_the_console_script_reports_failed_training(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench", *train(tmp_path, "--lr", "1e30")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("workbench: the loss is not finite at epoch 1, step 2")


def test_help_needs_no_torch() -> None:
    program = "import sys; from workbench.cli import build_parser; build_parser().format_help(); "
    program += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
