"""Which rows of a part come when. An epoch's order is a function of one number.

Row groups are put in a random order and cut into windows of about `window_rows` rows; the rows of a
window are then put in a random order of their own. With a window as large as the part that is an
even draw among all orders. Because nothing else enters, any batch of an epoch can be found again
without the batches before it.

Several processes share every batch: one with `total` rows is cut into `world` runs whose lengths
differ by one at most. Process r reads the rows of its runs from a stretch of the epoch's order of
its own, so no row is read for nothing and none is trained on twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.data.stream.parts import PartFile
from workbench.errors import InputError

Int = NDArray[np.int64]

_SEEDS = 2**62


class Piece(NamedTuple):
    """Rows start..stop - 1 of a row group; files and their groups are counted from 0."""

    file: int
    group: int
    start: int
    stop: int


class Window(NamedTuple):
    """Rows that are shuffled together.

    Attributes:
        rows: of all pieces.
        seed: of their order; None keeps the stored one.
    """

    pieces: tuple[Piece, ...]
    rows: int
    seed: int | None


@dataclass(frozen=True)
class Share:
    """Process `rank` of `world`."""

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.world < 1 or not 0 <= self.rank < self.world:
            raise InputError(
                f"rank {self.rank} of {self.world} processes: must be from 0 to {self.world - 1}"
            )

    def before(self, total: int) -> int:
        """Rows of a batch of `total` that belong to processes of a lower rank."""
        return self.rank * total // self.world

    def own(self, total: int) -> int:
        """Rows of a batch of `total` that are this process's."""
        return (self.rank + 1) * total // self.world - self.before(total)


class Order:
    """The order of one epoch.

    Args:
        files: of the part.
        group_rows: rows of a row group; the last of a file may have fewer.
        window_rows: rows that are shuffled together; always at least a row group.
        seed: of the order; None keeps the stored one.
    """

    def __init__(
        self, files: tuple[PartFile, ...], group_rows: int, window_rows: int, seed: int | None
    ) -> None:
        per_file = np.array([-(-file.rows // group_rows) for file in files], np.int64)
        file = np.repeat(np.arange(len(files)), per_file)
        group = np.arange(len(file)) - np.repeat(np.cumsum(per_file) - per_file, per_file)
        rows = np.minimum(np.array([f.rows for f in files])[file] - group * group_rows, group_rows)
        order = np.arange(len(rows))
        self._seeds: Int | None = None
        if seed is not None:
            generator = torch.Generator().manual_seed(seed)
            order = torch.randperm(len(rows), generator=generator).numpy()
            # One for each group, of which a window takes its first group's: windows of a process
            # then need not know how many windows the others have.
            self._seeds = torch.randint(_SEEDS, (len(rows),), generator=generator).numpy()
        self._file, self._group, self._rows = file[order], group[order], rows[order]
        self._ends = np.cumsum(self._rows)
        self._window_rows = window_rows
        self.total = int(self._ends[-1])

    def windows(self, start: int, stop: int, skip: int = 0) -> list[tuple[Window, int]]:
        """The windows of the rows start..stop - 1 of the epoch.

        Args:
            start, stop: places in the epoch's order.
            skip: rows left out at the beginning; the windows are those of the whole stretch.

        Returns:
            The windows with rows that are not left out, and how many are in each.
        """
        found: list[tuple[Window, int]] = []
        if start >= stop:
            return found
        first, last = np.searchsorted(self._ends, (start, stop - 1), side="right").tolist()
        while first <= last:
            begin = max(start, int(self._ends[first] - self._rows[first]))
            # As many whole groups as fit, at least one.
            fitting = np.searchsorted(self._ends, begin + self._window_rows, side="right")
            after = min(max(int(fitting), first + 1), last + 1)
            end = min(stop, int(self._ends[after - 1]))
            if end - start > skip:
                left_out = max(0, skip - (begin - start))
                found.append((self._window(first, after, begin, end), left_out))
            first = after
        return found

    def _window(self, first: int, after: int, begin: int, end: int) -> Window:
        pieces = []
        for place in range(first, after):
            before = int(self._ends[place] - self._rows[place])
            pieces.append(
                Piece(
                    int(self._file[place]),
                    int(self._group[place]),
                    max(0, begin - before),
                    min(int(self._rows[place]), end - before),
                )
            )
        seed = None if self._seeds is None else int(self._seeds[first])
        # In the order of the files, which disks like; the rows are shuffled anyway.
        return Window(tuple(pieces if seed is None else sorted(pieces)), end - begin, seed)


@dataclass(frozen=True)
class Cut:
    """A part of `rows` rows in batches, of which a process trains on its share.

    Attributes:
        rows: of all processes.
        batch_size: of the global batch; the last may be smaller.
        share: of this process. Its run of the last batch is empty where that has fewer rows than
            there are processes.
    """

    rows: int
    batch_size: int
    share: Share

    def __post_init__(self) -> None:
        if self.batch_size < self.share.world:
            raise InputError(
                f"a batch of {self.batch_size} rows for {self.share.world} processes: each needs "
                "a row at least"
            )

    @property
    def steps(self) -> int:
        """Batches, the same for every process."""
        return -(-self.rows // self.batch_size)

    @property
    def begin(self) -> int:
        """The first place of the epoch's order that is this process's."""
        whole, rest = divmod(self.rows, self.batch_size)
        return whole * self.share.before(self.batch_size) + self.share.before(rest)

    def until(self, step: int) -> int:
        """Rows that this process has trained on before batch `step`."""
        whole, rest = divmod(min(step * self.batch_size, self.rows), self.batch_size)
        return whole * self.share.own(self.batch_size) + self.share.own(rest)
