"""Samples of label 0 for a log that holds positives only.

For every event of the log, items are drawn that its user is not known to have chosen: train knows
training events, valid those of train and valid, test all of them. Nothing of a later part of the
split is used for an earlier one, neither the items that can be drawn nor the events that keep an
item from being drawn; and the same seed gives the same draw.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.data.tables.base import Base
from workbench.data.tables.column_store import Entities
from workbench.data.tables.disk import DiskArray
from workbench.data.tables.draws import mixed
from workbench.data.tables.schema_file import Negatives

ROUNDS = 30
"""Draws for a place that keeps meeting the user's own items, before it stays empty."""
_CHUNK = 65_536
_LARGEST_FILTER = 1 << 30


class SeenPairs:
    """Which user chose which item: a Bloom filter, so that memory has an upper end.

    It never forgets a pair. It takes about one pair in a thousand for seen that is not (16 bits and
    4 hashes a pair), so as many items are passed over without need, which biases nothing.

    Args:
        pairs: that will be added.
    """

    def __init__(self, pairs: int) -> None:
        size = 1 << 10
        while size < min(2 * pairs, _LARGEST_FILTER):
            size *= 2
        self._bits = np.zeros(size, np.uint8)
        self._last = np.uint64(8 * size - 1)

    def add(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> None:
        """Remember pairs [pair]."""
        for place in self._places(users, items):
            byte, bit = place >> np.uint64(3), (place & np.uint64(7)).astype(np.uint8)
            np.bitwise_or.at(self._bits, byte, np.uint8(1) << bit)

    def has(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether pairs [pair] were added; True for a few that were not."""
        found = np.ones(len(users), np.bool_)
        for place in self._places(users, items):
            byte, bit = place >> np.uint64(3), (place & np.uint64(7)).astype(np.uint8)
            found &= (self._bits[byte] >> bit & np.uint8(1)).astype(np.bool_)
        return found

    def _places(
        self, users: NDArray[np.int32], items: NDArray[np.int32]
    ) -> list[NDArray[np.uint64]]:
        pair = (users.astype(np.uint64) << np.uint64(32)) | items.astype(np.uint64)
        first = mixed(pair)
        step = mixed(first) | np.uint64(1)
        with np.errstate(over="ignore"):
            return [(first + np.uint64(k) * step) & self._last for k in range(4)]


def draw_negatives(
    base: Base, users: Entities, items: Entities, config: Negatives, folder: Path
) -> tuple[DiskArray, int]:
    """Draw for every row of the log.

    Args:
        base, users, items: of the log.
        config: how many, how, and the seed.
        folder: for the file.

    Returns:
        int32 [row, per_positive] item entities, -1 where none was found; and how many such places.
    """
    drawn = DiskArray(folder / "negatives", np.int32, config.per_positive)
    for start in range(0, base.rows, _CHUNK):
        rows = min(_CHUNK, base.rows - start)
        drawn.append(np.full((rows, config.per_positive), -1, np.int32))
    seen = SeenPairs(base.rows)
    events = np.zeros(items.count, np.int64)
    empty = 0
    for part in range(3):
        for start, own in users.index.slices(_CHUNK):
            chosen = base.parts.read(start, start + len(own)) == part
            item = items.index.read(start, start + len(own))[chosen]
            seen.add(own[chosen], item)
            events += np.bincount(item, minlength=items.count)
        pool = np.flatnonzero(events)
        weights = events[pool] if config.by == "popularity" else np.ones(len(pool), np.int64)
        up_to = np.cumsum(weights)
        for start, own in users.index.slices(_CHUNK):
            chosen = np.flatnonzero(base.parts.read(start, start + len(own)) == part)
            if not len(chosen):
                continue
            # A generator per chunk: the draw does not depend on what was drawn before.
            generator = np.random.default_rng([config.seed, part, start])
            places = drawn.read(start, start + len(own))
            found = _draw(own[chosen], config.per_positive, pool, up_to, seen, generator)
            empty += int((found < 0).sum())
            places[chosen] = found
            drawn.write(start, places)
    return drawn, empty


def _draw(
    users: NDArray[np.int32],
    each: int,
    pool: NDArray[np.int64],
    up_to: NDArray[np.int64],
    seen: SeenPairs,
    generator: np.random.Generator,
) -> NDArray[np.int32]:
    """Items [user, each] from `pool`, drawn in proportion to the steps of `up_to`."""
    owner = np.repeat(users, each)
    found = np.full(len(owner), -1, np.int32)
    open_ = np.arange(len(owner))
    for _ in range(ROUNDS):
        ticket = generator.integers(0, up_to[-1], len(open_))
        item = pool[np.searchsorted(up_to, ticket, side="right")].astype(np.int32)
        good = ~seen.has(owner[open_], item)
        found[open_[good]] = item[good]
        open_ = open_[~good]
        if not len(open_):
            break
    return found.reshape(-1, each)
