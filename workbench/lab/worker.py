"""The process that trains one lab run: ``python -m workbench.lab.worker``, started by a runner.

It imports what it needs, then waits for lines of JSON on standard input: ``{"preload": DATA}`` (a
data config to load while it waits) and ``{"root": STORE, "run": NAME}``, after which it trains that
run and ends. It ends too when its input does: a runner that is gone needs no worker in reserve.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, TrainingError
from workbench.lab.watch import LOG_FILE

if TYPE_CHECKING:
    from workbench.config import DataConfig
    from workbench.data.dataset import Dataset
    from workbench.runs.writer import RunWriter

LOADING = "loads the data"
NEEDED = (
    "data.changes",
    "data.encode",
    "data.sources.planted",
    "lab.attendant",
    "lab.hooks",
    "models",
    "runs.store",
    "training.experiment",
)
NOT_OVERWRITTEN = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW


def main() -> int:
    """Wait for a job and do it; the exit code is 0 unless training failed."""
    warm_up()
    shelf: dict[str, Preload] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "preload" in order:
            preload = Preload(order["preload"])
            shelf = {preload.key: preload}
        else:
            return work(Path(order["root"]), str(order["run"]), shelf)
    return 0


def warm_up() -> None:
    """Import torch and all that a run needs: that takes longer than the first steps."""
    import torch

    for module in NEEDED:
        importlib.import_module(f"workbench.{module}")
    # The first backward pass of a process starts threads and picks kernels.
    weight = torch.ones(2, 2, requires_grad=True)
    torch.optim.Adam([weight], fused=True).zero_grad()
    (weight @ weight).sum().backward()  # type: ignore[no-untyped-call]


class Preload:
    """A data set that is loaded in the background.

    Args:
        values: of its `DataConfig`.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        from workbench.config import DataConfig

        config = DataConfig.model_validate(values)
        self.key = config.model_dump_json()
        self._found: Dataset | None = None
        self._thread = threading.Thread(target=self._load, args=[config], daemon=True)
        self._thread.start()

    def dataset(self) -> Dataset | None:
        """The data set, waited for; None where it could not be loaded."""
        self._thread.join()
        return self._found

    def _load(self, config: DataConfig) -> None:
        from workbench.data.registry import load

        try:
            self._found = load(config)
        except InputError:
            return  # said again, and to a reader, when the run loads it


def work(root: Path, name: str, shelf: dict[str, Preload]) -> int:
    """Train a queued run of a store, or go on with it; what happens is said in its folder."""
    from workbench.runs.store import RunStore

    store = RunStore(root)
    try:
        with store.resume(name) as writer:
            _redirect(writer.path)
            return _train(writer, shelf)
    except (InputError, TrainingError) as error:
        print(f"failed: {error}", flush=True)
        return 1
    except Exception:
        traceback.print_exc()
        return 1


def _train(writer: RunWriter, shelf: dict[str, Preload]) -> int:
    from workbench.lab.attendant import Attendant
    from workbench.lab.hooks import LabHooks
    from workbench.training.experiment import continue_run

    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} process {os.getpid()} {LOADING}", flush=True)
    writer.status("running", message=LOADING)
    attendant = Attendant(writer)
    attendant.start()
    try:
        ready = shelf.get(writer.config.data.model_dump_json())
        dataset = ready.dataset() if ready is not None else None
        continue_run(writer, LabHooks(writer, attendant), dataset=dataset)
    finally:
        attendant.dismiss()
    return 0


def _redirect(folder: Path) -> None:
    """Write all output of this process, also that of a crash, to the end of the run's log."""
    file = os.open(folder / LOG_FILE, NOT_OVERWRITTEN, 0o644)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    os.close(file)
    faulthandler.enable(sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
