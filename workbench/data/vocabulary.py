"""From raw values to codes: what is not among the training values has code 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workbench.data.raw import Array
from workbench.errors import InputError

# Up to here every whole float64 is exactly one integer.
_EXACT = 2.0**53


class Vocabulary:
    """The sorted distinct training values of a categorical feature.

    Code ``c > 0`` is ``values[c - 1]``; code 0 is every other value, and a missing one (None, NaN).

    Attributes:
        values: [value] int64, float64 or object (of str), strictly ascending.
    """

    def __init__(self, values: Array) -> None:
        self.values: Array = values
        self._index = pd.Index(values, dtype=values.dtype)

    @staticmethod
    def build(
        values: ArrayLike, min_count: int = 1, weights: NDArray[np.int64] | None = None
    ) -> Vocabulary:
        """Collect the values seen in training.

        Args:
            values: [entry] raw values; missing ones are left out.
            min_count: a value with fewer training rows than this is left out.
            weights: [entry] training rows that each entry stands for (a user's value counts once
                per training row of the user); entries of weight 0 are left out. None: 1 each.

        Raises:
            InputError: the values mix types that have no common order.
        """
        keys, present = _typed(values)
        if weights is not None:
            present = present & (weights > 0)
            weights = weights[present]
        codes, distinct = pd.factorize(keys[present])
        rows = np.bincount(codes, weights=weights, minlength=len(distinct))
        return Vocabulary(np.sort(np.asarray(distinct)[rows >= min_count]))

    def __len__(self) -> int:
        """Codes, code 0 included."""
        return len(self.values) + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def encode(self, values: ArrayLike) -> NDArray[np.int32]:
        """Codes [entry] (int32) of raw values [entry]; 0 for unseen and missing ones."""
        keys, present = _typed(values)
        mine = self.values.dtype.kind
        if not len(self.values) or (keys.dtype.kind == "O") != (mine == "O"):
            return np.zeros(len(keys), np.int32)
        if mine == "i" and keys.dtype.kind == "f":
            # A fraction, or a float too large to be one certain integer, was never an int value.
            present = present & (np.abs(keys) <= _EXACT) & (np.floor(keys) == keys)
            keys = np.where(present, keys, 0).astype(np.int64)
        codes = np.asarray(
            self._index.get_indexer(pd.Index(keys, dtype=keys.dtype)), np.int32
        ) + np.int32(1)
        codes[~present] = 0
        return codes

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form that `from_dict` reads back."""
        return {"kind": "values", "values": self.values.tolist()}

    @staticmethod
    def from_dict(content: Any, place: str = "vocabulary") -> Vocabulary:
        """Read what `to_dict` wrote, for this class and for `QuantileBuckets`.

        Args:
            content: parsed JSON; it is not trusted.
            place: where it came from, for the error.

        Raises:
            InputError: anything that `to_dict` cannot have written.
        """
        if not isinstance(content, dict) or len(content) != 2:
            raise InputError(f"{place}: a vocabulary needs the keys 'kind' and its values")
        if content.get("kind") == "values":
            values = content.get("values")
            typed = _one_type(values, (int, float, str))
            if typed is None:
                raise InputError(f"{place}: 'values' must be a list of int, of float or of str")
            if not _ascending(typed, strictly=True):
                raise InputError(f"{place}: 'values' must be finite, distinct and ascending")
            return Vocabulary(typed)
        if content.get("kind") == "quantiles":
            bounds = _one_type(content.get("bounds"), (float,))
            if bounds is None or len(bounds) == 1 or not _ascending(bounds, strictly=False):
                raise InputError(f"{place}: 'bounds' must be an ascending list of finite floats")
            return QuantileBuckets(bounds)
        raise InputError(
            f"{place}: kind = {content.get('kind')!r}: must be 'values' or 'quantiles'"
        )


class QuantileBuckets(Vocabulary):
    """A number, cut at the quantiles of the training rows.

    Bucket ``c`` holds what is above ``bounds[c - 1]`` and at most ``bounds[c]``; the first bucket
    also takes everything below and the last everything above, so a number beyond the training range
    still has a trained bucket. Code 0 is a missing number.

    Attributes:
        bounds: [bucket + 1] float64: the training minimum, the cuts, the training maximum; empty
            where training holds no number at all.
        values: [bucket] the intervals in words.
    """

    def __init__(self, bounds: NDArray[np.float64]) -> None:
        self.bounds = bounds
        low, high = bounds[:-1], bounds[1:]
        names = [f"{a:.6g} to {b:.6g}" for a, b in zip(low, high, strict=True)]
        super().__init__(np.array(names, dtype=object))

    @staticmethod
    def at_quantiles(
        values: ArrayLike, buckets: int, weights: NDArray[np.int64] | None = None
    ) -> QuantileBuckets:
        """Cut so that the buckets hold training rows as evenly as ties allow.

        A cut is the smallest value that at least j of `buckets` equal parts of the training rows
        do not exceed; equal cuts are merged, so there may be fewer buckets than asked for.

        Args:
            values: [entry] numbers; NaN and infinities are left out.
            buckets: at most this many.
            weights: [entry] training rows of each entry, as in `Vocabulary.build`.
        """
        numbers = np.asarray(values, np.float64)
        rows = np.ones(len(numbers), np.int64) if weights is None else weights
        keep = np.isfinite(numbers) & (rows > 0)
        numbers, rows = numbers[keep], rows[keep]
        if not len(numbers):
            return QuantileBuckets(np.empty(0))
        order = np.argsort(numbers, kind="stable")
        numbers, up_to = numbers[order], np.cumsum(rows[order])
        # Whole numbers on both sides, so that no rounding moves a cut: rows * buckets >= j * total.
        parts = np.arange(1, buckets) * up_to[-1]
        cuts = np.unique(numbers[np.searchsorted(up_to * buckets, parts)])
        cuts = cuts[cuts < numbers[-1]]
        return QuantileBuckets(np.concatenate((numbers[:1], cuts, numbers[-1:])))

    def encode(self, values: ArrayLike) -> NDArray[np.int32]:
        """Bucket codes [entry] (int32) of numbers [entry]; 0 for NaN."""
        numbers = np.asarray(values, np.float64)
        if not len(self.bounds):
            return np.zeros(len(numbers), np.int32)
        codes = np.searchsorted(self.bounds[1:-1], numbers, side="left").astype(np.int32) + 1
        codes[np.isnan(numbers)] = 0
        return codes.astype(np.int32, copy=False)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form that `Vocabulary.from_dict` reads back."""
        return {"kind": "quantiles", "bounds": self.bounds.tolist()}


def _typed(values: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Values as int64, float64 or object-of-str, and which of them are present.

    Whole floats become int64: a column of integers with gaps arrives as float.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        return array.astype(np.int64, copy=False), np.ones(len(array), np.bool_)
    if array.dtype.kind == "f":
        present = ~np.isnan(array)
        whole = (np.abs(array) <= _EXACT) & (np.floor(array) == array)
        if bool(np.all(whole | ~present)):
            return np.where(present, array, 0).astype(np.int64), present
        return array.astype(np.float64, copy=False), present
    array = array.astype(object, copy=False)
    present = ~np.asarray(pd.isna(array), np.bool_)
    found = pd.api.types.infer_dtype(array[present], skipna=False)
    if found in ("string", "empty"):
        return array, present
    if found in ("integer", "boolean"):
        return np.where(present, array, 0).astype(np.int64), present
    if found in ("floating", "mixed-integer-float"):
        return _typed(np.where(present, array, np.nan).astype(np.float64))
    raise InputError(f"categorical values must be all numbers or all text, not {found}")


def _one_type(values: Any, types: tuple[type, ...]) -> Array | None:
    """A JSON list of one of `types` as an array (of int64, float64 or object), else None."""
    if not isinstance(values, list):
        return None
    found = {type(value) for value in values}
    if len(found) > 1 or not found <= set(types):
        return None
    if found == {str}:
        return np.array(values, dtype=object)
    try:
        return np.array(values, dtype=np.int64 if found == {int} else np.float64)
    except OverflowError:
        return None


def _ascending(values: Array, *, strictly: bool) -> bool:
    """Whether neighbours ascend; NaN and infinities do not count as ascending."""
    if values.dtype.kind == "f" and not bool(np.all(np.isfinite(values))):
        return False
    lower, upper = values[:-1], values[1:]
    return bool(np.all(lower < upper if strictly else lower <= upper))
