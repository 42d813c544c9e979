"""Which events of the same user (or item) came before a row, for counts and histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.data.raw import Array


@dataclass(frozen=True)
class EarlierEvents:
    """For every row, a slice of the events with the same key and a strictly smaller time.

    Attributes:
        order: [event] rows of the events, by key, then time, then row.
        start, stop: [row]: row r's earlier events are ``order[start[r]:stop[r]]``, oldest first.
    """

    order: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]


def earlier_events(
    keys: Array, time: NDArray[np.int64], events: NDArray[np.int64]
) -> EarlierEvents:
    """Find every row's earlier events. Events at the row's own time are not earlier.

    Args:
        keys: [row] integer user (or item) of each row.
        time: [row] integer time stamps.
        events: rows that count as events, each at most once.
    """
    rows = len(keys)
    by_key_and_time = np.lexsort((time, keys))
    sorted_keys, sorted_time = keys[by_key_and_time], time[by_key_and_time]
    is_event = np.zeros(rows, np.bool_)
    is_event[events] = True
    is_event = is_event[by_key_and_time]

    new_key = np.ones(rows, np.bool_)
    new_key[1:] = sorted_keys[1:] != sorted_keys[:-1]
    new_moment = new_key.copy()
    new_moment[1:] |= sorted_time[1:] != sorted_time[:-1]

    # Events ahead of a sorted position, read off where the key and where the moment begins: the
    # two ends of the slice. Rows of one moment share both, so they never see each other.
    ahead: NDArray[np.int64] = np.cumsum(is_event) - is_event
    start, stop = np.empty(rows, np.int64), np.empty(rows, np.int64)
    start[by_key_and_time] = ahead[_last_begin(new_key)]
    stop[by_key_and_time] = ahead[_last_begin(new_moment)]
    return EarlierEvents(order=by_key_and_time[is_event], start=start, stop=stop)


def _last_begin(begins: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of every position, the last position at or before it where `begins` is true."""
    return np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
