"""A thread beside training: reads what is wanted of the run, says it is alive, ends it in time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from workbench.lab.control import CONTROL_FILE, read_control
from workbench.runs.writer import RunWriter

if TYPE_CHECKING:
    from workbench.training.trainer import Trainer

LOOKS_EVERY = 0.05
BEATS_EVERY = 5.0
GRACE = 0.4
"""Seconds that a stop may take before the process is ended.

Between two steps training stops by itself. While data is loaded or rows are scored it cannot; what
it has written so far is whole, so it is ended there."""
STOPPED = "stopped on request; --resume goes on"


class Attendant(threading.Thread):
    """Attends to a run until `dismiss` is called.

    Attributes:
        control: what is wanted now.
        trainer: told to stop when that is wanted; None before and after training.
    """

    def __init__(self, writer: RunWriter) -> None:
        super().__init__(name="attendant", daemon=True)
        self.writer = writer
        # Before it is read: what is written after that counts as news.
        self._seen = self._version()
        self.control = read_control(writer.path)
        self.trainer: Trainer | None = None
        self._news = threading.Event()
        self._dismissed = threading.Event()

    def run(self) -> None:
        """Look again and again."""
        beat = time.monotonic()
        while not self._dismissed.wait(LOOKS_EVERY):
            if self.writer.stop_requested():
                self._stop()
            version = self._version()
            if version != self._seen:
                self._seen = version
                self.control = read_control(self.writer.path)
                self._news.set()
            if time.monotonic() - beat > BEATS_EVERY:
                beat = time.monotonic()
                self.writer.beat()

    def wait_for_news(self) -> None:
        """Wait, for a second at most, until something else may be wanted."""
        self._news.wait(1.0)
        self._news.clear()

    def dismiss(self) -> None:
        """The run has ended."""
        self._dismissed.set()

    def _stop(self) -> None:
        if self.trainer is not None:
            self.trainer.stop_requested = True
        self._news.set()
        if not self._dismissed.wait(GRACE):
            print("stopped on request, between two epochs", flush=True)
            self.writer.end("stopped", STOPPED)

    def _version(self) -> int:
        try:
            return (self.writer.path / CONTROL_FILE).stat().st_mtime_ns
        except OSError:
            return 0
