"""State counts and histories from a log that passes by in chunks, in the order of time.

Both are what `workbench.data.state` and `workbench.data.history` compute with all rows at hand; the
rows of one moment never see each other, also where a chunk ends in the middle of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.data.earlier import earlier_events
from workbench.data.raw import Array

Int = NDArray[np.int64]
Codes = NDArray[np.int32]


class EarlierCounts:
    """Training events of a key at strictly smaller times, for splits by time.

    Args:
        keys: vocabulary codes, code 0 included.
        events: kinds of events that are counted.
    """

    def __init__(self, keys: int, events: int) -> None:
        self._before = np.zeros((keys, events), np.int32)
        # Events at the last moment of the chunks so far: not yet earlier for its other rows.
        self._now = np.zeros((keys, events), np.int32)
        self._changed = np.zeros(0, np.int64)
        self._moment: int | None = None

    def count(self, keys: Codes, events: NDArray[np.uint8], time: Int, train: Int) -> Array:
        """Counts [row, event] (float32) of the next rows, which must not lie before earlier ones.

        Args:
            keys: [row] codes.
            events: [row, event] 1 where it happened.
            time: [row] ascending.
            train: rows whose events are counted.
        """
        found = np.zeros(events.shape, np.float32)
        same = np.zeros(len(time), np.bool_) if self._moment is None else time == self._moment
        later = ~same
        found += self._before[keys]
        found[later] += self._now[keys[later]]
        earlier = earlier_events(keys, time, train)
        for column in range(events.shape[1]):
            running = np.concatenate(((0,), np.cumsum(events[earlier.order, column])))
            found[:, column] += running[earlier.stop] - running[earlier.start]
        self._remember(keys[train], events[train], time[train], int(time[-1]))
        found[keys == 0] = 0
        return found

    def _remember(self, keys: Codes, events: NDArray[np.uint8], time: Int, last: int) -> None:
        if last != self._moment:
            self._before[self._changed] += self._now[self._changed]
            self._now[self._changed] = 0
            self._changed = self._changed[:0]
            self._moment = last
        now = time == last
        np.add.at(self._before, keys[~now], events[~now])
        np.add.at(self._now, keys[now], events[now])
        self._changed = np.union1d(self._changed, keys[now])


class LeaveOneOut:
    """Training events of a key without the row's own, for random splits.

    Args:
        keys: vocabulary codes, code 0 included.
        events: kinds of events that are counted.
    """

    def __init__(self, keys: int, events: int) -> None:
        self._total = np.zeros((keys, events), np.int64)

    def add(self, keys: Codes, events: NDArray[np.uint8]) -> None:
        """Count the training rows [row] first: all of them, in any order."""
        for column in range(events.shape[1]):
            weights = events[:, column].astype(np.float64)
            total = np.bincount(keys, weights, minlength=len(self._total))
            self._total[:, column] += total.astype(np.int64)

    def count(self, keys: Codes, own: NDArray[np.uint8]) -> Array:
        """Counts [row, event] (float32); `own` are the row's own events, 0 outside training."""
        found = (self._total[keys] - own).astype(np.float32)
        found[keys == 0] = 0
        return found


class RecentItems:
    """The user's last positive training items strictly before each row, newest first.

    Args:
        users: entities.
        length: items remembered of each.
    """

    def __init__(self, users: int, length: int) -> None:
        self._recent = np.zeros((users, length), np.int32)
        self._now_users = np.zeros(0, np.int32)
        self._now_items = np.zeros(0, np.int32)
        self._moment: int | None = None

    def next(self, users: Codes, items: Codes, time: Int, events: Int) -> Codes:
        """Histories [row, length] of the next rows, as item codes; 0 where there were fewer.

        Args:
            users: [row].
            items: [row] item codes, above 0 in `events`.
            time: [row] ascending, from the last chunk's end on.
            events: rows that are remembered, ascending.
        """
        # Rows up to `split` belong to the moment in which the last chunk ended.
        split = 0
        if self._moment is not None:
            split = int(np.searchsorted(time, self._moment, side="right"))
        first = self._recent[users[:split]]
        own = events[events < split]
        self._now_users = np.concatenate((self._now_users, users[own]))
        self._now_items = np.concatenate((self._now_items, items[own]))
        if split == len(time):
            return first
        self._settle()
        rest = slice(split, None)
        later = events[events >= split] - split
        second = self._look_back(users[rest], items[rest], time[rest], later)
        last = int(time[-1])
        now = time[rest][later] == last
        self._push(users[rest][later[~now]], items[rest][later[~now]])
        self._now_users = users[rest][later[now]]
        self._now_items = items[rest][later[now]]
        self._moment = last
        return np.concatenate((first, second))

    def _settle(self) -> None:
        """The last moment is over: its events become history."""
        self._push(self._now_users, self._now_items)
        self._now_users, self._now_items = self._now_users[:0], self._now_items[:0]

    def _look_back(self, users: Codes, items: Codes, time: Int, events: Int) -> Codes:
        earlier = earlier_events(users, time, events)
        length = self._recent.shape[1]
        here = np.minimum(earlier.stop - earlier.start, length)
        place = earlier.stop[:, None] - np.arange(1, length + 1)
        inside = np.arange(length) < here[:, None]
        values = items[earlier.order]
        new = (
            values[np.where(inside, place, 0)] if len(values) else np.zeros(inside.shape, np.int32)
        )
        return self._joined(new, inside, here, self._recent[users])

    def _push(self, users: Codes, items: Codes) -> None:
        """Put events, oldest first, in front of what is remembered of their users."""
        if not len(users):
            return
        length = self._recent.shape[1]
        order = np.argsort(users, kind="stable")
        who, start, count = np.unique(users[order], return_index=True, return_counts=True)
        here = np.minimum(count, length)
        place = (start + count)[:, None] - np.arange(1, length + 1)
        inside = np.arange(length) < here[:, None]
        new = items[order][np.where(inside, place, 0)]
        self._recent[who] = self._joined(new, inside, here, self._recent[who])

    @staticmethod
    def _joined(new: Codes, inside: NDArray[np.bool_], here: Int, old: Codes) -> Codes:
        """The `here` newest entries of `new`, then as many of `old` as there is room for."""
        place = np.arange(old.shape[1]) - here[:, None]
        return np.where(inside, new, np.take_along_axis(old, np.maximum(place, 0), axis=1)).astype(
            np.int32
        )
