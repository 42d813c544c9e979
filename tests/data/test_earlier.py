from __future__ import annotations

import numpy as np

from workbench.data.earlier import earlier_events


def test_slices_by_hand() -> None:
    keys = np.array([1, 0, 1, 1, 0, 1])
    time = np.array([5, 1, 2, 5, 3, 9])
    earlier = earlier_events(keys, time, events=np.array([0, 1, 2, 3]))
    found = [
        earlier.order[start:stop].tolist()
        for start, stop in zip(earlier.start, earlier.stop, strict=True)
    ]
    # Rows 0 and 3 happen at the same moment, so neither is earlier than the other.
    assert found == [[2], [], [], [2], [1], [2, 0, 3]]


def test_no_rows_and_no_events() -> None:
    empty = np.array([], np.int64)
    assert len(earlier_events(empty, empty, empty).order) == 0
    nothing = earlier_events(np.array([1, 1]), np.array([1, 2]), empty)
    assert nothing.start.tolist() == nothing.stop.tolist()
