"""A thread that says of many runs that they are alive."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType

from workbench.runs import RunWriter

BEATS_EVERY = 5.0
"""Seconds between two signs of life of all runs under way."""


class Heartbeat:
    """Says of all runs that they are alive, however long their common step takes.

    Args:
        writers: of the runs under way; may change meanwhile.
    """

    def __init__(self, writers: Mapping[int, RunWriter]) -> None:
        self._writers = writers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(BEATS_EVERY):
            for writer in list(self._writers.values()):
                writer.beat()
