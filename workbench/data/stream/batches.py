"""Batches from Parquet files, read ahead in a thread; the position can be kept and taken up."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from workbench.data.dataset import Batch
from workbench.data.stream.files import PartReader
from workbench.data.stream.order import Cut, Order, Share, Window
from workbench.data.stream.parts import Samples
from workbench.errors import InputError


class StreamedBatches(Iterator[Batch]):
    """Every row of a part exactly once, or the rest of them.

    Two windows are in memory: the one that batches are taken from, and the next, which a thread
    reads. The thread ends with the iterator: at its end, with `close` or when it is let go.

    Args:
        reader: of the part.
        gather: samples -> batch.
        device: where the windows lie while batches are taken from them.
        batch_size: of the global batch.
        window_rows: rows that are shuffled together.
        share: this process's part of every batch.
        seed: of the epoch's order; None keeps the stored one.
        start: batches that are left out at the beginning.
    """

    def __init__(
        self,
        reader: PartReader,
        gather: Callable[[Samples], Batch],
        device: torch.device,
        *,
        batch_size: int,
        window_rows: int,
        share: Share,
        seed: int | None,
        start: int = 0,
    ) -> None:
        cut = Cut(reader.rows, batch_size, share)
        self._epoch = _Epoch(reader, gather, device, cut, window_rows, seed)
        self._step = start
        self._running = self._epoch.batches(start)

    def __len__(self) -> int:
        """Batches that are still to come."""
        return max(0, self._epoch.cut.steps - self._step)

    def __next__(self) -> Batch:
        batch = next(self._running)
        self._step += 1
        return batch

    def close(self) -> None:
        """Stop reading."""
        self._running.close()

    def state_dict(self) -> dict[str, Any]:
        """The position, as JSON values; `load_state_dict` of an iterator like this one takes it."""
        return {"seed": self._epoch.seed, "step": self._step} | self._place()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position: the next batch is the one that would have come next there.

        Raises:
            InputError: the position is of other data, batches or shares, or no position at all.
        """
        for key, value in self._place().items():
            if state.get(key) != value:
                raise InputError(f"position in a stream: {key} = {state.get(key)}; here: {value}")
        seed, step = state.get("seed"), state.get("step")
        if type(step) is not int or not 0 <= step <= self._epoch.cut.steps:
            raise InputError(
                f"position in a stream: step = {step}: must be from 0 to {self._epoch.cut.steps}"
            )
        if seed is not None and (type(seed) is not int or not 0 <= seed < 2**63):
            raise InputError(f"position in a stream: seed = {seed}: must be from 0 to 2^63 - 1")
        self.close()
        self._epoch, self._step = replace(self._epoch, seed=seed), step
        self._running = self._epoch.batches(step)

    def _place(self) -> dict[str, Any]:
        epoch = self._epoch
        return {
            "rows": epoch.reader.rows,
            "group_rows": epoch.reader.group_rows,
            "batch_size": epoch.cut.batch_size,
            "window_rows": epoch.window_rows,
            "rank": epoch.cut.share.rank,
            "world": epoch.cut.share.world,
        }


@dataclass(frozen=True)
class _Epoch:
    """An epoch's batches, without a place in it.

    The iterator holds a generator of it and not the other way round, so that both go, and the
    thread with them, as soon as the iterator is let go.
    """

    reader: PartReader
    gather: Callable[[Samples], Batch]
    device: torch.device
    cut: Cut
    window_rows: int
    seed: int | None

    def batches(self, start: int) -> Generator[Batch]:
        """From batch `start` on."""
        windows = self._windows(start)
        try:
            window = None
            for step in range(start, self.cut.steps):
                needed = self.cut.until(step + 1) - self.cut.until(step)
                taken: list[Samples] = []
                while needed:
                    if window is None or not window.left:
                        window = None  # let go of before the thread begins another
                        window = next(windows)
                    taken.append(window.take(needed))
                    needed -= taken[-1].rows
                yield self.gather(Samples.joined(taken) if taken else self._none())
        finally:
            windows.close()

    def _windows(self, start: int) -> Generator[_Window]:
        order = Order(self.reader.files, self.reader.group_rows, self.window_rows, self.seed)
        begin, stop = self.cut.begin, self.cut.until(self.cut.steps)
        coming = iter(order.windows(begin, begin + stop, self.cut.until(start)))
        with ThreadPoolExecutor(1, "read-ahead") as thread:
            ahead = [thread.submit(self._load, *window) for window in islice(coming, 1)]
            while ahead:
                window = ahead.pop().result()
                ahead = [thread.submit(self._load, *later) for later in islice(coming, 1)]
                yield window
                del window

    def _load(self, window: Window, left_out: int) -> _Window:
        """In the thread: read, check, draw the order and take it all to the device."""
        samples = self.reader.read(window.pieces).to(self.device)
        if window.seed is None:
            return _Window(samples, None, left_out)
        generator = torch.Generator().manual_seed(window.seed)
        order = torch.randperm(window.rows, generator=generator).to(self.device)
        return _Window(samples, order, left_out)

    def _none(self) -> Samples:
        empty = Samples.empty(0, self.reader.schema, self.reader.layout)
        return empty.to(self.device)


class _Window:
    """Rows in memory, of which the first `taken` were handed out."""

    def __init__(self, samples: Samples, order: Tensor | None, taken: int) -> None:
        self.samples, self.order, self.taken = samples, order, taken

    @property
    def left(self) -> int:
        return self.samples.rows - self.taken

    def take(self, rows: int) -> Samples:
        """The next rows, as many as there are."""
        start, self.taken = self.taken, min(self.taken + rows, self.samples.rows)
        if self.order is None:
            # Copies: a batch that is kept must not keep the window.
            return Samples(*(c[start : self.taken].clone() for c in self.samples))
        return self.samples.select(self.order[start : self.taken])
