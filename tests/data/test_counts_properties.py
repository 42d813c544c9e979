"""State counts of any log against counting by hand, and that a row never counts itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.data.state import earlier_counts, leave_one_out_counts


class Log(NamedTuple):
    keys: NDArray[np.int64]
    event: NDArray[np.int64]
    time: NDArray[np.int64]
    train: NDArray[np.int64]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Up to 25 rows of 4 keys at 5 moments, two events, any part of it for training."""
    rows = draw(st.integers(1, 25))
    keys, time = (
        np.array(draw(st.lists(st.integers(0, most), min_size=rows, max_size=rows)))
        for most in (3, 4)
    )
    event = np.array(
        draw(st.lists(st.tuples(*[st.integers(0, 1)] * 2), min_size=rows, max_size=rows))
    )
    train = np.array(sorted(draw(st.sets(st.integers(0, rows - 1)))), np.int64)
    return Log(keys, event, time, train)


def by_hand(log: Log, *, earlier: bool) -> list[list[float]]:
    """Row by row, as the definition says."""
    return [
        [
            float(
                sum(
                    log.event[other, column]
                    for other in log.train
                    if log.keys[other] == log.keys[row]
                    and (log.time[other] < log.time[row] if earlier else other != row)
                )
            )
            for column in range(log.event.shape[1])
        ]
        for row in range(len(log.keys))
    ]


@settings(max_examples=60, deadline=None)
@given(logs())
def test_counts_equal_counting_by_hand(log: Log) -> None:
    found = leave_one_out_counts(log.keys, log.event, log.train)
    assert found.tolist() == by_hand(log, earlier=False)
    found = earlier_counts(log.keys, log.event, log.time, log.train)
    assert found.tolist() == by_hand(log, earlier=True)


@settings(max_examples=60, deadline=None)
@given(logs(), st.data())
def test_a_rows_own_event_never_shows_in_its_own_count(log: Log, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(log.keys) - 1))
    turned = log.event.copy()
    turned[row] = 1 - turned[row]
    for first, second in (
        (
            leave_one_out_counts(log.keys, log.event, log.train),
            leave_one_out_counts(log.keys, turned, log.train),
        ),
        (
            earlier_counts(log.keys, log.event, log.time, log.train),
            earlier_counts(log.keys, turned, log.time, log.train),
        ),
    ):
        assert first[row].tolist() == second[row].tolist()


@settings(max_examples=60, deadline=None)
@given(logs(), st.data())
def test_rows_outside_training_are_never_counted(log: Log, data: st.DataObject) -> None:
    outside = np.setdiff1d(np.arange(len(log.keys)), log.train)
    changed = log.event.copy()
    changed[outside] = 1 - changed[outside]
    keys, time, train = log.keys, log.time, log.train
    first = leave_one_out_counts(keys, log.event, train)
    assert first.tolist() == leave_one_out_counts(keys, changed, train).tolist()
    second = earlier_counts(keys, log.event, time, train)
    assert second.tolist() == earlier_counts(keys, changed, time, train).tolist()
