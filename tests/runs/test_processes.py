"""What other processes see of a run: kills, locks and races."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from tests.fake_runs import fake_config, make_fake_run
from workbench.errors import InputError
from workbench.runs import RunStore

ROOT = Path(__file__).parents[2]
HEAD = """
import os, signal, sys
from workbench.runs import RunStore
store = RunStore(sys.argv[1])
"""
KILL = """
    import workbench.runs.files as files
    def killed(*arguments):
        os.kill(os.getpid(), signal.SIGKILL)
    writer = store.resume("run")
    files.os.replace = killed
    {write}
"""


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def in_child(code: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Run code in another process, with RunStore imported and `store` opened on argv[1]."""
    return subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("status.json", "writer.status('failed')"),
        ("summary.json", "writer.save_summary({'test_auc': 0.1})"),
        ("metrics.jsonl", "writer.truncate_metrics(0)"),
        (
            "weights.safetensors",
            "import torch; writer.save_weights({'x': torch.zeros(1000)})",
        ),
        (
            "checkpoint.safetensors",
            "import torch; writer.save_checkpoint({'x': torch.zeros(1000)}, {})",
        ),
        (
            "predictions.parquet",
            "writer.save_table('predictions', store.open('run').table('predictions')[:5])",
        ),
    ],
    ids=["status", "summary", "metrics", "weights", "checkpoint", "predictions"],
)
def test_a_kill_between_write_and_rename_leaves_the_old_file(
    runs: RunStore, file: str, write: str
) -> None:
    make_fake_run(runs, variant="base", name="run")
    status = runs.root / "run" / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "stopped"}))
    with runs.resume("run") as writer:
        writer.save_weights({"x": torch.ones(3)})
        writer.save_checkpoint({"x": torch.ones(3)}, {"epoch": 1})
    before = (runs.root / "run" / file).read_bytes()

    child = in_child(KILL.format(write=write), runs.root)

    assert child.returncode == -signal.SIGKILL, child.stderr
    after = (runs.root / "run" / file).read_bytes()
    if file == "status.json":
        # The child said "running" on its way in, which is whole as well.
        assert json.loads(after)["state"] == "running"
    else:
        assert after == before
    assert list((runs.root / "run").glob(".*.tmp"))
    # The lock died with its holder, and the leftover goes when the next writer comes.
    with runs.resume("run"):
        assert not list((runs.root / "run").glob(".*.tmp"))


def test_a_failed_write_keeps_the_old_file(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with runs.create(fake_config("base"), "run") as writer:
        writer.save_summary({"test_auc": 0.7})
        monkeypatch.setattr("workbench.runs.files.os.fsync", full_disk)
        with pytest.raises(InputError, match=r"summary\.json: cannot be written \(No space left"):
            writer.save_summary({"test_auc": 0.8})
        assert runs.open("run").summary == {"test_auc": 0.7}
        assert not list(writer.path.glob(".*.tmp"))


def test_a_second_writer_is_refused_until_the_first_is_gone(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run"):
        reason = f"run 'run': process {os.getpid()} is writing it"
        with pytest.raises(InputError, match=reason):
            runs.resume("run")
        other = in_child("store.resume('run')", runs.root)
        assert other.returncode == 1
        assert reason in other.stderr
        assert runs.open("run").state == "running"
    assert in_child("store.resume('run').close()", runs.root).returncode == 0


def test_two_processes_never_get_the_same_default_name(runs: RunStore) -> None:
    code = """
    from workbench.config import ExperimentConfig
    import workbench.runs.store as module
    module.time.strftime = lambda form: "20260101-000000"
    for _ in range(20):
        store.create(ExperimentConfig()).close()
    """
    command = [sys.executable, "-c", HEAD + textwrap.dedent(code), str(runs.root)]
    children = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [child.wait(120) for child in children] == [0, 0]
    assert len(runs.list()) == 40
    assert all(run.problem is None for run in runs.list())
    assert len(os.listdir(runs.root)) == 40


def test_a_linked_lock_is_refused(runs: RunStore, tmp_path: Path) -> None:
    runs.create(fake_config("base"), "run").close()
    lock = runs.root / "run" / ".lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "made by the lock")
    with pytest.raises(InputError, match="cannot be locked"):
        runs.resume("run")
    assert not (tmp_path / "made by the lock").exists()


def test_importing_the_store_does_not_import_torch() -> None:
    code = "import sys, workbench.runs; print(sorted({'torch', 'safetensors'} & set(sys.modules)))"
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert child.stdout.strip() == "[]"


def test_reading_tables_does_not_import_torch(runs: RunStore) -> None:
    make_fake_run(runs, variant="full", name="run")
    child = in_child(
        """
        run = store.list()[0]
        run.metrics(), run.table("predictions"), run.layout(), run.summary
        print("torch" in sys.modules)
        """,
        runs.root,
    )
    assert child.stdout.strip() == "False", child.stderr
