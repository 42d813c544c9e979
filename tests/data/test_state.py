from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.state import earlier_counts, leave_one_out_counts

Row = tuple[int, int, int, bool]
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 4), st.booleans()),
    min_size=1,
    max_size=30,
)


def _columns(rows: list[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    keys, event, time, is_train = (np.array(column) for column in zip(*rows, strict=True))
    return keys, event, time, np.flatnonzero(is_train)


@given(ROWS)
def test_leave_one_out_equals_brute_force(rows: list[Row]) -> None:
    keys, event, _, train = _columns(rows)
    expected = [
        sum(event[j] for j in train if keys[j] == keys[i] and j != i) for i in range(len(rows))
    ]
    counts = leave_one_out_counts(keys, event, train)
    assert counts.dtype == np.float32
    assert counts.tolist() == expected


@given(ROWS)
def test_earlier_equals_brute_force(rows: list[Row]) -> None:
    keys, event, time, train = _columns(rows)
    expected = [
        sum(event[j] for j in train if keys[j] == keys[i] and time[j] < time[i])
        for i in range(len(rows))
    ]
    counts = earlier_counts(keys, event, time, train)
    assert counts.dtype == np.float32
    assert counts.tolist() == expected


@given(ROWS)
def test_a_row_never_counts_itself(rows: list[Row]) -> None:
    keys, event, time, train = _columns(rows)
    for row in range(len(rows)):
        flipped = event.copy()
        flipped[row] = 1 - flipped[row]
        for before, after in (
            (leave_one_out_counts(keys, event, train), leave_one_out_counts(keys, flipped, train)),
            (earlier_counts(keys, event, time, train), earlier_counts(keys, flipped, time, train)),
        ):
            assert before[row] == after[row]


@given(ROWS)
def test_rows_outside_training_are_never_counted(rows: list[Row]) -> None:
    keys, event, time, train = _columns(rows)
    flipped = 1 - event
    flipped[train] = event[train]
    assert np.array_equal(
        leave_one_out_counts(keys, event, train), leave_one_out_counts(keys, flipped, train)
    )
    assert np.array_equal(
        earlier_counts(keys, event, time, train), earlier_counts(keys, flipped, time, train)
    )


def test_several_events_at_once_equal_one_by_one() -> None:
    rng = np.random.default_rng(0)
    keys, time = rng.integers(0, 9, 200), rng.integers(0, 50, 200)
    events = rng.integers(0, 2, (200, 3)).astype(np.uint8)
    train = np.flatnonzero(rng.random(200) < 0.6)
    together = leave_one_out_counts(keys, events, train)
    ordered = earlier_counts(keys, events, time, train)
    for column in range(3):
        event = events[:, column]
        assert np.array_equal(together[:, column], leave_one_out_counts(keys, event, train))
        assert np.array_equal(ordered[:, column], earlier_counts(keys, event, time, train))


def test_by_time_valid_and_test_count_all_training_events() -> None:
    keys = np.array([0, 0, 1, 0, 0, 1])
    event = np.ones(6, np.uint8)
    counts = earlier_counts(keys, event, np.arange(6), train=np.array([0, 1, 2, 3]))
    assert counts.tolist() == [0, 1, 0, 2, 3, 1]


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_no_rows(rows: int) -> None:
    keys, event = np.zeros(rows, np.int64), np.ones(rows, np.uint8)
    train = np.arange(rows)
    assert leave_one_out_counts(keys, event, train).tolist() == [0] * rows
    assert earlier_counts(keys, event, keys, train).tolist() == [0] * rows
