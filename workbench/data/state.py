"""Empirical state counts r_count that never contain the row itself.

A count that contains its own row gives the label away: where a user's only like is this row's,
"likes of this user = 1" says it all. So training rows either leave themselves out (random splits)
or count strictly earlier events (by-time splits); valid and test rows count training events only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.data.earlier import earlier_events
from workbench.data.raw import Array

Counts = NDArray[np.float32]


def leave_one_out_counts(keys: Array, event: Array, train: NDArray[np.int64]) -> Counts:
    """Training events of the row's key, the row's own event left out. For random splits.

    Args:
        keys: [row] codes >= 0 of one ID feature.
        event: [row] or [row, event], 1 where the counted event happened and 0 elsewhere.
        train: training rows; events of other rows are not counted.

    Returns:
        float32 counts in the shape of `event`.
    """
    columns = event if event.ndim == 2 else event[:, None]
    counts = np.empty(columns.shape, np.float32)
    train_keys = keys[train]
    for column in range(columns.shape[1]):
        own = columns[train, column].astype(np.float32)
        total = np.bincount(train_keys, weights=own, minlength=int(keys.max(initial=0)) + 1)
        counts[:, column] = total[keys]
        counts[train, column] -= own
    return counts.reshape(event.shape)


def earlier_counts(
    keys: Array, event: Array, time: NDArray[np.int64], train: NDArray[np.int64]
) -> Counts:
    """Training events of the row's key at a strictly smaller time. For by-time splits.

    Args:
        keys: [row] codes >= 0 of one ID feature.
        event: [row] or [row, event], 1 where the counted event happened and 0 elsewhere.
        time: [row] integer time stamps; an event at the row's own time is not earlier.
        train: training rows; events of other rows are not counted.

    Returns:
        float32 counts in the shape of `event`.
    """
    columns = event if event.ndim == 2 else event[:, None]
    counts = np.empty(columns.shape, np.float32)
    earlier = earlier_events(keys, time, train)
    for column in range(columns.shape[1]):
        running = np.concatenate(((0,), np.cumsum(columns[earlier.order, column], dtype=np.int64)))
        counts[:, column] = running[earlier.stop] - running[earlier.start]
    return counts.reshape(event.shape)
