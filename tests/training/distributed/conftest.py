"""One start of two processes, whose results the tests compare with one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.distributed.cases import StopAfter, cut, world
from workbench.data.dataset import Dataset
from workbench.runs import RunStore
from workbench.training.experiment import train_run

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="session")
def shared_world() -> Dataset:
    """The data that every process loads for itself."""
    return world()


@pytest.fixture(scope="session")
def two_processes(
    tmp_path_factory: pytest.TempPathFactory, project_root: Path, shared_world: Dataset
) -> Path:
    """The folder that `worker` filled."""
    out = tmp_path_factory.mktemp("two")
    config = cut("row_wise")
    store = RunStore(out / "runs")
    train_run(config, store, name="begun-by-one", dataset=shared_world, hooks=StopAfter())
    command = [*TORCHRUN, "-m", "tests.training.distributed.worker", str(out)]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr
    return out
