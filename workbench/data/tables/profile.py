"""What the first rows of a column look like, as far as guesses need to know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data.raw import Array
from workbench.data.tables.convert import as_list, as_number, as_text, as_time, as_whole

FITS = 0.95
"""Share of a column's values that must fit a guess; the others are defects to be reported."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LIST_SEPARATORS = ("|", ";", ",", " ")
_DATES = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d-%m-%Y",
)
_DIGITS = {"%Y%m%d%H%M%S": 14, "%Y%m%d%H%M": 12, "%Y%m%d%H": 10, "%Y%m%d": 8, "%y%m%d%H": 8}
# From 2001 to 2100, in seconds; smaller numbers are counts of something else.
_EPOCH = (978_307_200, 4_102_444_800)
_SCALES = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}


@dataclass(frozen=True)
class Profile:
    """A column's first rows.

    Attributes:
        name: of the column.
        words: of its name, lower case: ``userId`` is user, id.
        rows, present, distinct: in all, with a value, and how many different ones.
        whole, number: whether (nearly) all values are whole numbers; numbers.
        zeros: whether one begins with a needless 0, which a whole number would lose.
        binary: whether all values are 0 and 1 (or true and false).
        low, high: smallest and largest number; NaN where it is none.
        codes: [row] which distinct value each row has; -1 where missing.
        separator: of a list, or None. is_list: from Parquet or with a separator.
        pieces: distinct values of the lists. length: of all but the longest 5%.
        raw: the column as read.
    """

    name: str
    words: frozenset[str]
    rows: int
    present: int
    distinct: int
    whole: bool
    number: bool
    zeros: bool
    binary: bool
    low: float
    high: float
    codes: Array
    separator: str | None
    is_list: bool
    pieces: int
    length: int
    raw: Any


def profile(name: str, raw: Any) -> Profile | None:
    """Look at a column; None for a type that no feature can have."""
    words = frozenset(word.lower() for word in _WORDS.findall(name))
    if isinstance(raw, pa.ChunkedArray):
        raw = raw.combine_chunks()
    if pa.types.is_list(raw.type) or pa.types.is_large_list(raw.type):
        return _list_profile(name, words, raw)
    try:
        text, _ = as_text(raw)
        whole, _ = as_whole(raw)
        numbers, _ = as_number(raw)
    except (pa.ArrowException, ValueError):
        return None
    present = len(text) - text.null_count
    coded = text.dictionary_encode()
    codes = np.asarray(pc.fill_null(coded.indices, -1))
    enough = FITS * max(present, 1)
    is_whole = present > 0 and len(whole) - whole.null_count >= enough
    is_number = present > 0 and len(numbers) - numbers.null_count >= enough
    found = numbers.drop_null().to_numpy(zero_copy_only=False)
    labels = np.isin(found, (0, 1)).sum() if len(found) else 0
    spelled = pc.utf8_lower(coded.dictionary).to_pylist() if len(coded.dictionary) <= 8 else []
    binary = labels >= enough and len(set(np.unique(found)) & {0.0, 1.0}) > 0
    binary |= set(spelled) == {"true", "false"}
    zeros = pc.any(pc.match_substring_regex(coded.dictionary, r"^[+-]?0[0-9]")).as_py() or False
    separator, pieces, length = (None, 0, 1)
    if not is_number:
        separator, pieces, length = _list_in(coded.dictionary, codes)
    return Profile(
        name,
        words,
        len(text),
        present,
        len(coded.dictionary),
        is_whole,
        is_number,
        bool(zeros),
        bool(binary and present),
        float(found.min()) if is_number and len(found) else float("nan"),
        float(found.max()) if is_number and len(found) else float("nan"),
        codes,
        separator,
        separator is not None,
        pieces,
        length,
        raw,
    )


def time_format(column: Profile) -> str | None:
    """The format of a column of times, or None."""
    if column.is_list or not column.present:
        return None
    kind = column.raw.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "iso"
    if column.whole:
        return _number_format(column)
    if column.number:
        return None
    return next((f for f in ("iso", *_DATES) if _parses(column, f)), None)


def _number_format(column: Profile) -> str | None:
    # Dates written as digits: between the smallest and the largest of the years we believe in.
    digits = len(str(int(column.high))) if np.isfinite(column.high) else 0
    for pattern, length in _DIGITS.items():
        if digits == length and _parses(column, pattern):
            year = str(int(column.low))[:4]
            if pattern.startswith("%Y") and not "1970" <= year <= "2100":
                continue
            if pattern == "%y%m%d%H" and not column.words & {"hour", "time", "date", "ts"}:
                continue
            return pattern
    for unit, scale in _SCALES.items():
        if _EPOCH[0] * scale <= column.low and column.high <= _EPOCH[1] * scale:
            return unit
    # A few wrong entries must not hide it: look at the middle.
    numbers = as_number(column.raw)[0].drop_null().to_numpy(zero_copy_only=False)
    for unit, scale in _SCALES.items():
        inside = (numbers >= _EPOCH[0] * scale) & (numbers <= _EPOCH[1] * scale)
        if inside.mean() >= FITS:
            return unit
    return None


def _parses(column: Profile, pattern: str) -> bool:
    sample = column.raw[:2000]
    try:
        found, _ = as_time(sample, pattern)
    except (pa.ArrowException, ValueError):
        return False
    present = len(sample) - sample.null_count
    return bool(present > 0 and len(found) - found.null_count >= FITS * present)


def _list_in(values: Any, codes: Array) -> tuple[str | None, int, int]:
    """The separator of lists in a text column, the distinct pieces, and the usual length."""
    if not len(values):
        return None, 0, 1
    rows = np.bincount(codes[codes >= 0], minlength=len(values))
    for separator in _LIST_SEPARATORS:
        counts = np.asarray(pc.count_substring(values, separator)) + 1
        several = rows[counts > 1].sum() / rows.sum()
        if several < (0.5 if separator == " " else 0.05):
            continue
        pieces = len(pc.unique(pc.list_flatten(pc.split_pattern(values, separator))))
        # Lists are made of few pieces over and over; names and dates are not.
        if separator in ("|", ";") or pieces < 0.5 * counts.sum():
            lengths = np.repeat(counts, np.minimum(rows, 1000))
            return separator, pieces, int(np.quantile(lengths, 0.95))
    return None, 0, 1


def _list_profile(name: str, words: frozenset[str], raw: Any) -> Profile | None:
    try:
        lists, _ = as_list(raw, None, "text")
    except (pa.ArrowException, ValueError, TypeError):
        return None
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    flat = pc.list_flatten(lists)
    whole = len(flat) > 0 and not as_whole(flat)[1]
    return Profile(
        name,
        words,
        len(lists),
        int((lengths > 0).sum()),
        len(lists),
        whole,
        whole,
        False,
        False,
        float("nan"),
        float("nan"),
        np.arange(len(lists)),
        None,
        True,
        len(pc.unique(flat)),
        max(1, int(np.quantile(lengths, 0.95)) if len(lengths) else 1),
        raw,
    )


def pieces_of(column: Profile) -> set[str]:
    """The distinct values in the lists of a column, as text."""
    lists, _ = as_list(column.raw, column.separator, "text")
    return set(pc.unique(pc.list_flatten(lists)).to_pylist())


def values_of(column: Profile) -> set[str]:
    """The distinct values of a column, as text."""
    return set(pc.unique(as_text(column.raw)[0]).drop_null().to_pylist())
