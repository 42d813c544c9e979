"""How far a lab run is, for whoever looks: also after a reload, and from another server."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.errors import InputError
from workbench.lab import queue
from workbench.runs.files import inside
from workbench.runs.lock import lock_holder
from workbench.runs.run import Run
from workbench.runs.store import RunStore

LOG_FILE = "lab.log"
LOST_AFTER = 60.0
"""Seconds after which a queued run that is in no line is put there again; a worker that has to
import torch on a busy machine takes some."""
GONE = "its process is gone"
TAIL_BYTES = 4000
TAIL_LINES = 12

Phase = Literal[
    "queued", "loading", "training", "paused", "scoring", "finished", "stopped", "failed"
]
MOVING: tuple[Phase, ...] = ("queued", "loading", "training", "paused", "scoring")
_BY_MESSAGE: dict[str, Phase] = {
    "loads the data": "loading",
    "paused": "paused",
    "evaluating on the test rows": "scoring",
}


@dataclass(frozen=True)
class Watched:
    """A look at a run.

    Attributes:
        run: the snapshot.
        phase: what it is doing.
        ahead: runs in line before it, where it is queued.
    """

    run: Run
    phase: Phase
    ahead: int = 0

    @property
    def moving(self) -> bool:
        """True where the next look may show something else."""
        return self.phase in MOVING


def look(store: RunStore, name: str) -> Watched:
    """See what a run is doing. One whose process is gone is marked failed.

    Raises:
        InputError: no such run, or a broken one.
    """
    run = store.open(name)
    state = run.status.state
    if state == "running" and lock_holder(run.path) is None:
        # It may have ended properly since it was read.
        run = store.open(name)
        state = run.status.state
        if state == "running":
            mark_lost(store.root, name, GONE)
            run = store.open(name)
            state = run.status.state
    if state == "queued":
        line = queue.waiting(store.root)
        if name not in line and time.time() - run.status.heartbeat > LOST_AFTER:
            # Its runner was killed between taking it out of the line and starting it.
            queue.put(store.root, name)
        return Watched(run, "queued", line.index(name) if name in line else 0)
    if state == "running":
        return Watched(run, _BY_MESSAGE.get(run.status.message, "training"))
    return Watched(run, state)


def mark_lost(root: Path, name: str, reason: str) -> None:
    """Say of a run that nobody writes any more that it failed, and how it ended.

    Nothing is changed where the run has said itself how it ended, or where it has a writer. Who
    waited for the process knows more than who only finds it gone, and may say it later.
    """
    store = RunStore(root)
    try:
        status = store.open(name).status
        unsaid = status.state == "failed" and status.message == GONE
        if status.state not in ("running", "queued") and not unsaid:
            return
        with store.resume(name) as writer:
            writer.status("failed", message=reason)
    except InputError:
        return


def log_tail(run: Run, lines: int = TAIL_LINES) -> str:
    """The end of what the run's process printed; empty where it printed nothing."""
    try:
        with inside(run.path, LOG_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode(errors="replace")
    except (InputError, OSError):
        return ""
    printable = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return "\n".join(printable.splitlines()[-lines:])


def stop(store: RunStore, name: str) -> None:
    """Stop a run, or take it out of the line.

    Raises:
        InputError: no such run, or one that cannot be written.
    """
    if not queue.withdraw(store, name):
        store.request_stop(name)
