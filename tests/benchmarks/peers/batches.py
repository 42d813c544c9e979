"""Batches of a library's own loader, some steps at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Endless:
    """Batches of a loader without end; a block of steps goes on where the last one stopped.

    Starting an epoch costs a library its shuffle; with blocks shorter than an epoch that cost is
    met as often per step as in whole epochs.
    """

    def __init__(self, loader: Iterable[Any]) -> None:
        self.loader = loader
        self._running: Iterator[Any] = iter(())

    def take(self, steps: int) -> Iterator[Any]:
        """The next `steps` batches."""
        for _ in range(steps):
            batch = next(self._running, None)
            if batch is None:
                self._running = iter(self.loader)
                batch = next(self._running)
            yield batch


class Counted:
    """Batches that pass by, and how many samples they had.

    Args:
        batches: as the library's loader gives them.
        label: finds the labels in one of them.
    """

    def __init__(self, batches: Iterable[Any], label: Callable[[Any], Any]) -> None:
        self.batches = batches
        self.label = label
        self.samples = 0

    def __iter__(self) -> Iterator[Any]:
        for batch in self.batches:
            self.samples += len(self.label(batch))
            yield batch
