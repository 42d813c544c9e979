"""``torchrun -m workbench train``: what people see when all goes well, and when a process dies."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.training.distributed.conftest import TORCHRUN
from workbench.runs import RunStore

SMALL = ["train", "--set", "data.planted.rows=1200", "--model", "fm", "--variant", "base"]
SMALL += ["--dim", "2", "--device", "cpu", "--batch-size", "240"]


def start(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TORCHRUN, *words], cwd=root, capture_output=True, text=True, timeout=550
    )


def own_lines(text: str) -> list[str]:
    """What the command says of an error; torchrun's own report follows it."""
    return [line for line in text.splitlines() if line.startswith("workbench: ")]


@pytest.mark.slow
def test_a_dying_process_ends_all_with_one_clear_line(project_root: Path, tmp_path: Path) -> None:
    log = tmp_path / "runs" / "dies" / "metrics.jsonl"
    words = ["-m", "tests.training.distributed.dying", str(log), *SMALL]
    words += ["--epochs", "100000", "--patience", "100000", "--name", "dies"]
    done = start(
        project_root, *words, "--set", "training.log_every=1", "--runs", str(log.parents[1])
    )
    assert done.returncode != 0
    (line,) = own_lines(done.stderr)
    assert "process 1 of 2" in line
    assert "--resume goes on from the last finished epoch" in line
    run = RunStore(log.parents[1]).open("dies")
    assert run.status.state == "failed"
    assert "process 1 of 2" in run.status.message


@pytest.mark.slow
def test_one_process_speaks_for_both(project_root: Path, tmp_path: Path) -> None:
    words = ["-m", "workbench", *SMALL, "--runs", str(tmp_path), "--json"]
    bad = start(project_root, *words, "--model", "nothing")
    assert bad.returncode != 0
    assert len(own_lines(bad.stderr)) == 1
    assert not list(tmp_path.iterdir())
    good = start(project_root, *words, "--epochs", "1", "--name", "two")
    assert good.returncode == 0, good.stderr
    (line,) = good.stdout.splitlines()
    assert json.loads(line)["run"] == "two"
    assert RunStore(tmp_path).open("two").state == "finished"
