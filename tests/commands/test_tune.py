"""``workbench tune``: what it writes is what ``train --config`` and ``--preset`` take."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import main

TINY = ["--set", "data.planted.rows=2000", "--model", "fm", "--epochs", "1", "--batch-size", "512"]
SPACE = ["--trials", "2", "--lrs", "0.01", "0.02", "--dims", "2", "4"]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


def best_before_last(found: dict[str, Any]) -> dict[str, Any]:
    best: dict[str, Any] = max(found["history"][:-1], key=lambda trial: trial["valid_auc"])
    return dict(best["params"])


def test_base_and_framework_get_as_many_trials_and_their_results_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna")
    out = str(tmp_path / "tune")
    choosing = ["--choose", "framework.detach_state=[true, false]"]
    choosing += ["--choose", "training.embedding_eps=[1e-8, 1e-5]"]
    searching = ["tune", *TINY, *SPACE, *choosing, "--variant", "full", "--with-base"]
    searching += ["--trials", "3", "--out", out, "--json"]
    assert main(searching) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trials"] == found["base"]["trials"] == 3
    assert [trial["trial"] for trial in found["history"]] == [0, 1, 2]
    assert max(trial["valid_auc"] for trial in found["history"]) == found["valid_auc"]
    assert "framework.detach_state" in found["params"]
    # Each side has tried what the other had found before its last trial.
    shared = ("lr", "dim", "weight_decay", "training.embedding_eps")
    for own, other in ((found, found["base"]), (found["base"], found)):
        mine, theirs = best_before_last(own), best_before_last(other)
        crossed = mine | {key: theirs[key] for key in shared}
        assert crossed in [trial["params"] for trial in own["history"]]
        given = json.loads(own["command"].partition("--last-trial ")[2].strip("'"))
        assert crossed == mine | given
    assert set(found["base"]["params"]) == {"lr", "dim", "weight_decay", "training.embedding_eps"}
    assert {Path(found[key]).name for key in ("study", "config", "report")} == {
        f"planted-fm-full.{ending}" for ending in ("db", "yaml", "json")
    }
    runs = ["--runs", str(tmp_path / "runs"), "--json"]
    assert main(["train", "--config", found["config"], "--name", "by-config", *runs]) == 0
    by_config = json.loads(capsys.readouterr().out)
    # One seed, one thread or several: the trial's best score up to the order of sums.
    assert by_config["valid_auc"] == pytest.approx(found["valid_auc"], abs=1e-4)
    by_preset = ["train", *TINY, "--variant", "full", "--preset", out, "--name", "p", *runs]
    assert main(by_preset) == 0
    assert json.loads(capsys.readouterr().out)["test_auc"] == pytest.approx(
        by_config["test_auc"], abs=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lr", "0.1"], "--lr: is searched; narrow the search with --lrs"),
        (["--mask-range", "0", "1"], "--mask-range: is searched"),
        (["--trials", "0"], "--trials 0: must be at least 1"),
        (["--with-base", "--trials", "0"], "--trials 0: must be at least 1"),
        (["--jobs", "0"], "--jobs 0: must be at least 1"),
        (["--lrs", "-1"], "lrs"),
        (["--alphas", "0.5", "0.1"], "alpha = 0.5 0.1: LOW must not be above HIGH"),
        (["--with-base", "--last-trial", "{}"], "--last-trial: cannot be given with --with-base"),
        (["--last-trial", "[1]"], "--last-trial: "),
        (["--last-trial", '{"rate": 1}'], "--last-trial: 'rate' is not searched"),
        (["--variant", "base", "--with-base"], "--with-base: the variant is the base itself"),
        (["--variant", "base", "--strength", "0.1", "0.2"], "--strength: base has none"),
        (["--choose", "framework.detach_state"], "--choose 'framework.detach_state': KEY=VALUE"),
        (["--choose", "framework.k=[1]"], "choices = framework.k: is searched already"),
        (["--choose", "training.embedding_eps=1"], "KEY=[VALUE, VALUE, ...] is expected"),
        (["--data", "nothing-here"], "source = 'nothing-here'"),
    ],
)
def test_what_cannot_be_searched_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    pytest.importorskip("optuna")
    out = tmp_path / "tune"
    command = ["tune", *TINY, *SPACE, "--out", str(out), *arguments]
    assert main(command) == 2
    errors = capsys.readouterr().err.splitlines()
    assert message in errors[-1]
    assert not out.exists()


def test_without_optuna_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "adaf2m2-workbench[tune]" in refused(capsys, ["tune", *TINY, *SPACE])


def test_a_rival_is_a_variant_of_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs", str(tmp_path / "runs"), "--json"]
    assert main(["train", *TINY, "--variant", "dropoutnet", *runs]) == 0
    name = json.loads(capsys.readouterr().out)["run"]
    assert name.startswith("planted-fm-dropoutnet-s0-")
    message = refused(capsys, ["train", *TINY, "--variant", "dropout", *runs])
    assert "framework.variant" in message
