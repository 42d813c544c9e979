"""The line of runs that wait for a place: first come, first served.

An entry is an empty file ``<store>/.lab/queue/<nanoseconds>+<run>``; removing it is taking it, so
that two runners never train the same run.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from pydantic import ValidationError

from workbench.config import DataConfig, ExperimentConfig
from workbench.errors import InputError
from workbench.lab.control import Control, write_control
from workbench.lab.places import LAB_FOLDER, lab_folder
from workbench.runs.files import check_name, read_object, write_text
from workbench.runs.store import RunStore
from workbench.runs.writer import RunWriter

WAITS = "waits for a place"
NEXT_DATA = "next.json"
MOST_WAITING = 500
LETS_GO_WITHIN = 3.0


def submit(store: RunStore, config: ExperimentConfig) -> str:
    """Make a run that waits for a place; a runner trains it.

    Args:
        store: where.
        config: the experiment; the run's ``config.json`` gets the data's own choices when its
            data is loaded, as with `workbench.train_run`.

    Returns:
        The run's name.

    Raises:
        InputError: a model or option that does not exist, a line that is too long, or a store that
            cannot be written.
    """
    from workbench.models import model_class

    model_class(config.model.name).check_options(config.model.name, config.model.options)
    if len(waiting(store.root)) >= MOST_WAITING:
        raise InputError(f"{MOST_WAITING} runs are waiting already; stop some of them first")
    with store.create(config) as writer:
        writer.status("queued", message=WAITS)
        name = writer.name
    put(store.root, name)
    return name


def resubmit(store: RunStore, name: str) -> None:
    """Put a run that was stopped, failed or interrupted in line again, to go on where it ended.

    Raises:
        InputError: no such run, a finished one, or one that is being written.
    """
    with _resume(store, name) as writer:
        write_control(writer.path, Control())
        writer.status("queued", message=WAITS)
    put(store.root, name)


def announce(root: Path, data: DataConfig) -> None:
    """Say on which data the next run is likely to train, so that a waiting worker loads them.

    Only a hint: where it cannot be written, or comes too late, the run loads its data itself.
    """
    text = data.model_dump_json()
    path = root / LAB_FOLDER / NEXT_DATA
    with contextlib.suppress(InputError, OSError):
        if not path.is_file() or path.read_text() != text:
            write_text(lab_folder(root) / NEXT_DATA, text, durable=False)


def announcement(root: Path) -> int:
    """Changes with every announcement; 0 before the first one."""
    try:
        return (root / LAB_FOLDER / NEXT_DATA).stat().st_mtime_ns
    except OSError:
        return 0


def announced(root: Path) -> DataConfig | None:
    """The data that were announced last; None where there are none, or none that can be read."""
    try:
        return DataConfig.model_validate(read_object(root / LAB_FOLDER, NEXT_DATA))
    except (InputError, ValidationError):
        return None


def put(root: Path, name: str) -> None:
    """Put a run at the end of the line."""
    folder = _folder(root)
    try:
        (folder / f"{time.time_ns():020d}+{check_name(name)}").touch()
    except OSError as error:
        raise InputError(f"run store {root}: cannot be written ({error.strerror})") from None


def waiting(root: Path) -> list[str]:
    """Names of the runs in line, the next one first."""
    return [entry.partition("+")[2] for entry in _entries(root)]


def claim(root: Path) -> str | None:
    """Take the next run out of the line; None where nobody waits."""
    for entry in _entries(root):
        try:
            (root / ".lab" / "queue" / entry).unlink()
        except OSError:
            continue  # another runner was faster
        return entry.partition("+")[2]
    return None


def withdraw(store: RunStore, name: str) -> bool:
    """Take a run out of the line and mark it stopped; False where it was not in line any more."""
    taken = False
    for entry in _entries(store.root):
        if entry.partition("+")[2] != name:
            continue
        try:
            (store.root / ".lab" / "queue" / entry).unlink()
        except OSError:
            continue
        taken = True
    if taken:
        with store.resume(name) as writer:
            writer.status("stopped", message="taken out of the line before it started")
    return taken


def _resume(store: RunStore, name: str) -> RunWriter:
    """Write a run whose process may be about to end: it says so before it is gone."""
    deadline = time.monotonic() + LETS_GO_WITHIN
    while True:
        try:
            return store.resume(name)
        except InputError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _entries(root: Path) -> list[str]:
    try:
        names = [entry.name for entry in os.scandir(root / ".lab" / "queue")]
    except OSError:
        return []
    return sorted(name for name in names if "+" in name and not name.startswith("."))


def _folder(root: Path) -> Path:
    folder = lab_folder(root) / "queue"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"run store {root}: cannot be written ({error.strerror})") from None
    return folder
