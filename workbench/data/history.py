"""What a user liked most recently, as of each row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.data.earlier import earlier_events
from workbench.data.raw import Array

# Rows handled at a time: bounds the temporary positions of 8 bytes per value.
_CHUNK = 65_536


def fill_recent(
    target: NDArray[np.int32],
    keys: Array,
    values: NDArray[np.int32],
    time: NDArray[np.int64],
    events: NDArray[np.int64],
) -> None:
    """Write the key's last events strictly before each row, newest first.

    Args:
        target: [row, length] is filled from the left; 0 where there were fewer events. It is
            written in place, because on a million rows it is the largest array of the data set.
        keys: [row] integer user of each row.
        values: [row] what is remembered of a row: its item's table row, above 0.
        time: [row] integer time stamps; an event at the row's own time is not before it.
        events: rows that are remembered: positives of the training split.
    """
    target[:] = 0
    if not len(events):
        return
    earlier = earlier_events(keys, time, events)
    event_values = values[earlier.order]
    back = np.arange(1, target.shape[1] + 1)
    for begin in range(0, len(keys), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        position = earlier.stop[part, None] - back
        exists = position >= earlier.start[part, None]
        target[part] = np.where(exists, event_values[np.where(exists, position, 0)], 0)
