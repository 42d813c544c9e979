"""Reads MovieLens-1M's ``::`` files: fast where they are good, exactly where they are not."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import InputError

Int = NDArray[np.int64]

COLUMNS = ("UserID", "MovieID", "Rating", "Timestamp")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class Ratings:
    """The columns of ratings.dat, [rating] int64 each; `time` in seconds, None without it."""

    users: Int
    movies: Int
    ratings: Int
    time: Int | None


def read_ratings(content: bytes, place: str) -> Ratings:
    """Parse ratings.dat with three columns or four.

    Args:
        content: the file, one ``UserID::MovieID::Rating[::Timestamp]`` per line.
        place: its path, for errors.

    Raises:
        InputError: the first line with a wrong column count, a value that is not a whole number, or
            a rating outside 1..5; or an empty file.
    """
    if not content or content.isspace():
        raise InputError(f"{place}: the file is empty")
    columns = content.count(b"::", 0, content.find(b"\n") if b"\n" in content else None) + 1
    if columns not in (3, 4):
        _refuse_columns(place, 1, columns)
    table = _parse_fast(content, columns)
    if table is None:
        table = _parse_exactly(content, columns, place)
    ratings = table[2]
    outside = np.flatnonzero((ratings < 1) | (ratings > 5))
    if len(outside):
        line = int(outside[0])
        raise InputError(f"{place}: line {line + 1}: rating {ratings[line]} is outside 1..5")
    return Ratings(table[0], table[1], ratings, table[3] if columns == 4 else None)


def read_table(content: bytes, place: str, columns: int) -> list[list[str]]:
    """Parse a small ``::`` file (users.dat, movies.dat) into rows of text.

    Args:
        content: the file in latin-1.
        place: its path, for errors.
        columns: columns per line.

    Raises:
        InputError: an empty file, or the first line with another number of columns.
    """
    rows = [line.split("::") for line in _lines(content)]
    if not rows:
        raise InputError(f"{place}: the file is empty")
    for number, row in enumerate(rows, start=1):
        if len(row) != columns:
            raise InputError(
                f"{place}: line {number}: {len(row)} columns; {columns} are allowed (split by '::')"
            )
    return rows


def identifiers(rows: list[list[str]], place: str, name: str) -> Int:
    """The first column of a table as distinct whole numbers.

    Raises:
        InputError: the first line with something else, or with an identifier seen before.
    """
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if not _WHOLE.fullmatch(row[0]):
            _refuse_number(place, number, name, row[0])
        if row[0] in seen:
            raise InputError(f"{place}: line {number}: {name} {row[0]} appears twice")
        seen.add(row[0])
    return np.array([int(row[0]) for row in rows], np.int64)


def positions(values: Int, known: Int, place: str, name: str, known_place: str) -> Int:
    """Where each value [row] stands in `known`.

    Raises:
        InputError: the first value that is not there, with its line.
    """
    found = np.asarray(pd.Index(known).get_indexer(pd.Index(values)), np.int64)
    unknown = np.flatnonzero(found < 0)
    if len(unknown):
        line = int(unknown[0])
        raise InputError(f"{place}: line {line + 1}: {name} {values[line]} is not in {known_place}")
    return found


def _parse_fast(content: bytes, columns: int) -> list[Int] | None:
    """All columns, or None where the file is anything but plain.

    Splitting at single colons leaves an empty column between two values, which is skipped. The
    counts make that safe: all colons come in pairs, there are `columns` - 1 pairs per line on
    average, and the parser refuses a line with fewer values, so no line has more.
    """
    pairs = content.count(b"::")
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if content.count(b":") != 2 * pairs or pairs != (columns - 1) * lines:
        return None
    try:
        frame = pd.read_csv(
            io.BytesIO(content),
            sep=":",
            header=None,
            names=range(2 * columns - 1),
            usecols=range(0, 2 * columns - 1, 2),
            dtype=np.int64,
            quoting=csv.QUOTE_NONE,
            engine="c",
        )
    except (ValueError, OverflowError):
        return None
    if len(frame) != lines:
        return None
    return [frame[column].to_numpy() for column in frame.columns]


def _parse_exactly(content: bytes, columns: int, place: str) -> list[Int]:
    """Line by line, slow: finds the first fault; reads what is only unusual (blank last lines)."""
    rows = []
    for number, line in enumerate(_lines(content), start=1):
        row = line.split("::")
        if len(row) != columns:
            _refuse_columns(place, number, len(row), columns)
        for name, value in zip(COLUMNS, row, strict=False):
            if not _WHOLE.fullmatch(value):
                _refuse_number(place, number, name, value)
        rows.append([int(value) for value in row])
    return list(np.array(rows, np.int64).T)


def _lines(content: bytes) -> list[str]:
    text = content.decode("latin-1").rstrip()
    return [line.removesuffix("\r") for line in text.split("\n")] if text else []


def _refuse_columns(place: str, line: int, found: int, expected: int | None = None) -> NoReturn:
    allowed = "3 or 4" if expected is None else f"{expected}, as in line 1,"
    raise InputError(
        f"{place}: line {line}: {found} columns; {allowed} are allowed (split by '::')"
    )


def _refuse_number(place: str, line: int, name: str, value: str) -> NoReturn:
    raise InputError(f"{place}: line {line}: {name} {value[:40]!r} is not a whole number")
