"""Columns as read -> columns as meant. Nothing is guessed: what does not fit is named and missing.

Each function returns the converted column and its faults; a faulty entry is missing in the column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.data.raw import Array

LONGEST_TEXT = 1000
"""Bytes of a categorical value."""
LONGEST_LIST = 65_536
"""Bytes of a list in CSV."""
_WHOLE = r"^[+-]?[0-9]+(\.0*)?$"
_EXACT = 2.0**53
_LAST_INT = 2**63 - 1
WHOLE_ALLOWED = f"a whole number from {-_LAST_INT - 1} to {_LAST_INT}"
_LATEST = 4_102_444_800
"""Seconds from 1970 to 2100."""
_PER_SECOND = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}


@dataclass(frozen=True)
class Fault:
    """Entries that do not fit: a mask [entry], why, and what would."""

    mask: NDArray[np.bool_]
    reason: str
    allowed: str


Converted = tuple[Any, list[Fault]]


def as_text(values: Any, longest: int = LONGEST_TEXT) -> Converted:
    """Text [entry]; bytes must be UTF-8."""
    values = _plain(values)
    kind = values.type
    faults: list[Fault] = []
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values, faults = _decoded(values)
    elif not pa.types.is_string(kind):
        values = values.cast(pa.string())
    too_long = _mask(pc.greater(pc.binary_length(values), longest))
    if too_long.any():
        faults.append(Fault(too_long, "too long", f"at most {longest:,} bytes"))
        values = _without(values, too_long)
    return values, faults


def as_whole(values: Any) -> Converted:
    """Whole numbers [entry] (int64); ``12.0`` is 12."""
    values = _plain(values)
    kind = values.type
    if pa.types.is_boolean(kind):
        return values.cast(pa.int64()), []
    if pa.types.is_floating(kind):
        return _whole_floats(values.cast(pa.float64()))
    if not pa.types.is_integer(kind) or pa.types.is_uint64(kind):
        values, faults = as_text(values)
        values = pc.utf8_trim_whitespace(values)
        try:
            return values.cast(pa.int64()), faults
        except pa.ArrowInvalid:
            whole, more = _whole_texts(values)
            return whole, faults + more
    return values.cast(pa.int64()), []


def as_number(values: Any) -> Converted:
    """Finite numbers [entry] (float64); NaN is missing."""
    values = _plain(values)
    faults: list[Fault] = []
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        numbers = values.cast(pa.float64(), safe=False)
    else:
        text, faults = as_text(values)
        text = pc.utf8_trim_whitespace(text)
        try:
            numbers = text.cast(pa.float64())
        except pa.ArrowInvalid:
            bad = ~_mask(pc.match_substring_regex(text, _NUMBER), missing=True)
            faults.append(Fault(bad, "not a number", "a number such as 3.5, with a point"))
            numbers = _without(text, bad).cast(pa.float64())
    infinite = _mask(pc.is_inf(numbers))
    if infinite.any():
        faults.append(Fault(infinite, "infinite", "a finite number"))
    return _without(numbers, infinite | _mask(pc.is_nan(numbers))), faults


_NUMBER = (
    r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?|[nN][aA][nN]|[+-]?[iI][nN][fF])$"
)


def as_label(values: Any, at_least: float | None) -> Converted:
    """0 and 1 [entry] (float64, missing where faulty)."""
    values = _plain(values)
    if pa.types.is_binary(values.type):
        values, faults = as_text(values)
        spelled = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        for word, number in (("true", "1"), ("false", "0")):
            values = pc.if_else(pc.fill_null(pc.equal(spelled, word), False), number, values)
    else:
        faults = []
    missing = _mask(values.is_null())
    numbers, more = as_number(values)
    faults += more
    if missing.any():
        faults.append(Fault(missing, "missing label", "a value in every row"))
    if at_least is not None:
        return pc.greater_equal(numbers, at_least).cast(pa.float64()), faults
    other = _mask(pc.and_(pc.not_equal(numbers, 0.0), pc.not_equal(numbers, 1.0)))
    if other.any():
        faults.append(Fault(other, "not a label", "0 or 1, or name the border with at_least"))
    return _without(numbers, other), faults


def as_time(values: Any, pattern: str) -> Converted:
    """Time stamps [entry] (int64): microseconds for dates, else the column's own unit."""
    values = _plain(values)
    missing = _mask(values.is_null())
    absent = [Fault(missing, "missing time", "a time in every row")] if missing.any() else []
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return values.cast(pa.timestamp("us"), safe=False).cast(pa.int64()), absent
    if pattern in _PER_SECOND or pattern == "order":
        whole, faults = as_whole(values)
        if pattern != "order":
            latest = _LATEST * _PER_SECOND[pattern]
            beyond = _mask(pc.or_(pc.less(whole, 0), pc.greater(whole, latest)))
            if beyond.any():
                allowed = f"{pattern} from 1970 to 2100 (0 to {latest})"
                faults.append(Fault(beyond, "not a time", allowed))
                whole = _without(whole, beyond)
        return whole, faults + absent
    text, faults = as_text(values)
    text = pc.utf8_trim_whitespace(text)
    stamps = _iso(text) if pattern == "iso" else _by_pattern(text, pattern)
    bad = _mask(stamps.is_null()) & ~_mask(text.is_null())
    if bad.any():
        wanted = "a date such as 2024-01-31 or 2024-01-31T18:30:00" if pattern == "iso" else pattern
        faults.append(Fault(bad, "not a time", wanted))
    return stamps, faults + absent


def as_list(values: Any, separator: str | None, kind: str) -> Converted:
    """Lists [entry] of text or whole numbers; empty where missing.

    Args:
        values: lists from Parquet, or texts that `separator` divides.
        separator: of the texts.
        kind: "whole" or "text".
    """
    values = _plain(values)
    faults: list[Fault] = []
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        lists = values.cast(pa.list_(values.type.value_type))
    else:
        text, faults = as_text(values, LONGEST_LIST)
        lists = pc.split_pattern(text, separator or "|")
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    owners = np.repeat(np.arange(len(lists)), lengths)
    flat = pc.list_flatten(lists)
    if not len(flat):
        flat = flat.cast(pa.string())
    texts = pa.types.is_string(flat.type)
    if texts:
        flat = pc.utf8_trim_whitespace(flat)
        flat = _without(flat, _mask(pc.equal(flat, "")))
    pieces, more = as_whole(flat) if kind == "whole" else as_text(flat)
    for fault in more:
        mask = np.zeros(len(lists), np.bool_)
        mask[owners[fault.mask]] = True
        faults.append(Fault(mask, f"{fault.reason} (in the list)", fault.allowed))
    present = ~_mask(pieces.is_null())
    lengths = np.bincount(owners[present], minlength=len(lists))
    offsets = np.concatenate(((0,), np.cumsum(lengths))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pieces.filter(pa.array(present))), faults


def _plain(values: Any) -> Any:
    """One array, dictionaries and large types taken apart."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_large_string(kind):
        return values.cast(pa.string())
    if pa.types.is_decimal(kind):
        return values.cast(pa.string())
    if pa.types.is_null(kind):
        return values.cast(pa.string())
    return values


def _mask(values: Any, missing: bool = False) -> NDArray[np.bool_]:
    """A Boolean column as a mask; `missing` where it is null."""
    return np.asarray(pc.fill_null(values, missing).to_numpy(zero_copy_only=False), np.bool_)


def _without(values: Any, mask: NDArray[np.bool_]) -> Any:
    """The column with the entries of `mask` missing."""
    if not mask.any():
        return values
    return pc.if_else(pa.array(~mask), values, pa.scalar(None, values.type))


def _decoded(values: Any) -> tuple[Any, list[Fault]]:
    try:
        return values.cast(pa.string()), []
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        bad = np.zeros(len(values), np.bool_)
        for place, value in enumerate(values.to_pylist()):
            try:
                texts.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                texts.append(None)
                bad[place] = True
        return pa.array(texts, pa.string()), [Fault(bad, "not UTF-8", "text in UTF-8")]


def _whole_floats(values: Any) -> Converted:
    numbers: Array = values.to_numpy(zero_copy_only=False)
    present = ~np.isnan(numbers)
    whole = (np.abs(numbers) <= _EXACT) & (np.floor(numbers) == numbers)
    bad = present & ~whole
    faults = [Fault(bad, "not a whole number", WHOLE_ALLOWED)] if bad.any() else []
    return pa.array(np.where(whole, numbers, 0).astype(np.int64), mask=~whole), faults


def _whole_texts(values: Any) -> Converted:
    bad = ~_mask(pc.match_substring_regex(values, _WHOLE), missing=True)
    faults = []
    if bad.any():
        allowed = f"{WHOLE_ALLOWED}; or take the column's values as text"
        faults.append(Fault(bad, "not a whole number", allowed))
    digits = pc.replace_substring_regex(_without(values, bad), r"^\+|\.0*$", "")
    # Only numbers of 19 digits and more can be too large; there are few of them, if any.
    large = np.flatnonzero(_mask(pc.greater(pc.utf8_length(digits), 18)))
    beyond = np.zeros(len(values), np.bool_)
    for place in large.tolist():
        text = digits[place].as_py().lstrip("-0")
        beyond[place] = len(text) > 19 or (len(text) == 19 and int(text) > _LAST_INT)
    if beyond.any():
        allowed = f"{WHOLE_ALLOWED}; or take the column's values as text"
        faults.append(Fault(beyond, "beyond 64 bits", allowed))
    return _without(digits, beyond).cast(pa.int64()), faults


def _iso(text: Any) -> Any:
    """ISO 8601, with or without a zone (then UTC), as microseconds; null where it is not a date."""
    try:
        return text.cast(pa.timestamp("us")).cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    try:
        return text.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    import pandas as pd

    # Dates of both kinds in one column, or wrong ones among them.
    stamps = pd.to_datetime(text.to_pandas(), format="ISO8601", utc=True, errors="coerce")
    found = stamps.to_numpy("datetime64[us]")
    return pa.array(found.astype(np.int64), mask=np.isnat(found))


def _by_pattern(text: Any, pattern: str) -> Any:
    stamps = pc.strptime(text, format=pattern, unit="us", error_is_null=True)
    return stamps.cast(pa.int64())
