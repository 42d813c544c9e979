"""Every conversion by hand: what it makes of a value, and what it refuses."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from workbench.data.tables.convert import (
    as_label,
    as_list,
    as_number,
    as_text,
    as_time,
    as_whole,
)

LAST = 2**63 - 1


def _bytes(*values: str | None) -> Any:
    return pa.array([None if v is None else v.encode() for v in values], pa.binary())


def _found(converted: Any) -> tuple[list[Any], dict[str, list[int]]]:
    values, faults = converted
    return values.to_pylist(), {f.reason: f.mask.nonzero()[0].tolist() for f in faults}


def test_whole_numbers() -> None:
    texts = (
        "1",
        "12.0",
        "+5",
        " 8 ",
        "-3.",
        "007",
        str(LAST),
        None,
        "x",
        "12.5",
        "1e3",
        str(LAST + 1),
    )
    assert _found(as_whole(_bytes(*texts))) == (
        [1, 12, 5, 8, -3, 7, LAST, None, None, None, None, None],
        {"not a whole number": [8, 9, 10], "beyond 64 bits": [11]},
    )
    floats = pa.array([3.0, None, float("nan"), 2.5, 2.0**60])
    assert _found(as_whole(floats)) == ([3, None, None, None, None], {"not a whole number": [3, 4]})
    assert _found(as_whole(pa.array([LAST + 1], pa.uint64())))[1] == {"beyond 64 bits": [0]}
    assert _found(as_whole(pa.array([True, None, False]))) == ([1, None, 0], {})
    assert _found(as_whole(pa.array(["7", "7"]).dictionary_encode())) == ([7, 7], {})


def test_numbers() -> None:
    texts = ("1", "1e5", "-.5", "nan", None, "x", "1,5", "0x1", "inf", "1e999")
    assert _found(as_number(_bytes(*texts))) == (
        [1.0, 1e5, -0.5, None, None, None, None, None, None, None],
        {"not a number": [5, 6, 7], "infinite": [8, 9]},
    )
    assert _found(as_number(pa.array([2**63 + 1], pa.uint64())))[0] == [2.0**63]


def test_labels() -> None:
    texts = ("1", "0", "0.0", "True", "false", "2", None, "x")
    assert _found(as_label(_bytes(*texts), None)) == (
        [1, 0, 0, 1, 0, None, None, None],
        {"not a label": [5], "missing label": [6], "not a number": [7]},
    )
    assert _found(as_label(_bytes("3", "4", "4.5"), 4))[0] == [0, 1, 1]


# 2024-01-31T10:00:00Z in microseconds: 19,753 days of 86,400 seconds and ten hours.
MOMENT = (19_753 * 86_400 + 36_000) * 1_000_000


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("2024-01-31T10:00:00", "iso", MOMENT),
        ("2024-01-31 10:00:00.000", "iso", MOMENT),
        ("2024-01-31T10:00:00Z", "iso", MOMENT),
        ("2024-01-31T12:00:00+02:00", "iso", MOMENT),
        ("2024-01-31", "iso", MOMENT - 36_000_000_000),
        ("31.01.2024 10:00", "%d.%m.%Y %H:%M", MOMENT),
        ("01/31/2024 10:00:00", "%m/%d/%Y %H:%M:%S", MOMENT),
        ("20240131", "%Y%m%d", MOMENT - 36_000_000_000),
        ("24013110", "%y%m%d%H", MOMENT),
        ("1706695200", "epoch_s", 1_706_695_200),
        ("1706695200000", "epoch_ms", 1_706_695_200_000),
        ("-5", "order", -5),
    ],
)
def test_times(text: str, pattern: str, expected: int) -> None:
    assert _found(as_time(_bytes(text), pattern)) == ([expected], {})
    found, faults = _found(as_time(_bytes(text, "soon", None), pattern))
    assert found == [expected, None, None]
    wrong = "not a whole number" if pattern in ("epoch_s", "epoch_ms", "order") else "not a time"
    assert faults == {wrong: [1], "missing time": [2]}


def test_times_of_several_kinds_in_one_column() -> None:
    texts = ("2024-01-31", "2024-01-31T10:00:00Z", "2024-02-30", "2024-01-31T12:00:00+02:00")
    found, faults = _found(as_time(_bytes(*texts), "iso"))
    assert found == [MOMENT - 36_000_000_000, MOMENT, None, MOMENT]
    assert faults == {"not a time": [2]}


def test_milliseconds_where_seconds_are_said() -> None:
    assert _found(as_time(_bytes("1706695200000", "-1"), "epoch_s"))[1] == {"not a time": [0, 1]}


def test_dates_from_parquet() -> None:
    stamps = pa.array([MOMENT // 1_000_000], pa.timestamp("s"))
    assert _found(as_time(stamps, "iso")) == ([MOMENT], {})


def test_text() -> None:
    raw = pa.array([b"caf\xc3\xa9", b"caf\xe9", None, b"z" * 1001], pa.binary())
    assert _found(as_text(raw)) == (
        ["café", None, None, None],
        {"not UTF-8": [1], "too long": [3]},
    )
    assert _found(as_text(pa.array([1, 2])))[0] == ["1", "2"]


def test_lists() -> None:
    assert _found(as_list(_bytes("a|b|", "", None, " c | d"), "|", "text"))[0] == [
        ["a", "b"],
        [],
        [],
        ["c", "d"],
    ]
    assert _found(as_list(_bytes("1,2", "3,x,4", None), ",", "whole")) == (
        [[1, 2], [3, 4], []],
        {"not a whole number (in the list)": [1]},
    )
    assert _found(as_list(pa.array([[1, 2], None, []]), None, "whole"))[0] == [[1, 2], [], []]
    assert _found(as_list(pa.array([["a", None]]), None, "text"))[0] == [["a"]]
