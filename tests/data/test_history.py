from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.data import history
from workbench.data.history import fill_recent


def _brute_force(
    keys: np.ndarray, values: np.ndarray, time: np.ndarray, events: np.ndarray, length: int
) -> list[list[int]]:
    filled = []
    for row in range(len(keys)):
        earlier = [e for e in events if keys[e] == keys[row] and time[e] < time[row]]
        newest_first = sorted(earlier, key=lambda e: (time[e], e), reverse=True)[:length]
        found = [int(values[e]) for e in newest_first]
        filled.append(found + [0] * (length - len(found)))
    return filled


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(0, 6), st.booleans()),
        max_size=30,
    ),
    st.integers(1, 4),
)
def test_equals_brute_force(rows: list[tuple[int, int, int, bool]], length: int) -> None:
    table = np.array(rows, np.int64).reshape(-1, 4)
    keys, values, time = table[:, 0], table[:, 1].astype(np.int32), table[:, 2]
    events = np.flatnonzero(table[:, 3])
    target = np.full((len(rows), length), 77, np.int32)
    fill_recent(target, keys, values, time, events)
    assert target.tolist() == _brute_force(keys, values, time, events, length)


def test_chunks_do_not_show(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    keys, time = rng.integers(0, 5, 100), rng.integers(0, 40, 100)
    values = rng.integers(1, 50, 100).astype(np.int32)
    events = np.flatnonzero(rng.random(100) < 0.5)
    whole, parts = np.empty((100, 3), np.int32), np.empty((100, 3), np.int32)
    fill_recent(whole, keys, values, time, events)
    monkeypatch.setattr(history, "_CHUNK", 7)
    fill_recent(parts, keys, values, time, events)
    assert np.array_equal(whole, parts)
