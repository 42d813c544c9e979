"""Who is trained on, who is tuned on, who is measured: train, valid and test rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.data.raw import Array
from workbench.errors import InputError

SPLITS = ("train", "valid", "test")

Index = NDArray[np.int64]
Splits = dict[str, Index]
"""Split name -> ascending sample indices (int64)."""


def random_split(rows: int, ratios: tuple[float, float, float], seed: int) -> Splits:
    """Draw the split of every row independently of everything else.

    Args:
        rows: samples in total.
        ratios: shares of train, valid and test; they sum to 1.
        seed: the same seed gives the same split.

    Raises:
        InputError: a split would be empty.
    """
    order = np.random.default_rng(seed).permutation(rows)
    parts = np.empty(rows, np.uint8)
    for part, (start, stop) in enumerate(pairwise(_boundaries(rows, ratios))):
        parts[order[start:stop]] = part
    return _indices(parts, f"ratios {_words(ratios)} of {rows} rows")


def time_split(time: NDArray[np.int64], ratios: tuple[float, float, float]) -> Splits:
    """Train on the past, tune on what follows, test on the end.

    Rows with the same time stay together, so a boundary moves back to the start of its moment.

    Args:
        time: [row] integer time stamps.
        ratios: shares of train, valid and test; they sum to 1.

    Raises:
        InputError: a split would be empty.
    """
    ordered = np.sort(time)
    moments = 1 + np.count_nonzero(np.diff(ordered))
    _, valid_from, test_from, _ = _boundaries(len(time), ratios)
    parts = np.zeros(len(time), np.uint8)
    for boundary in (valid_from, test_from):
        if boundary < len(time):
            parts += (time >= ordered[boundary]).astype(np.uint8)
    return _indices(parts, f"ratios {_words(ratios)} of {len(time)} rows at {moments} moments")


def held_out_split(keys: Array, ratios: tuple[float, float, float], seed: int) -> Splits:
    """Split by user (or item): every key has its rows in one split only.

    Valid and test then hold only users (or items) that training has never seen.

    Args:
        keys: [row] the user or item of each row.
        ratios: shares of the *keys* that go to train, valid and test; they sum to 1.
        seed: the same seed gives the same split.

    Raises:
        InputError: a split would be empty.
    """
    distinct, codes = np.unique(keys, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    part_of_key = np.empty(len(distinct), np.uint8)
    for part, (start, stop) in enumerate(pairwise(_boundaries(len(distinct), ratios))):
        part_of_key[order[start:stop]] = part
    return _indices(part_of_key[codes], f"ratios {_words(ratios)} of {len(distinct)} keys")


def truncate_history(
    train: Index, keys: Array, keep: int, *, seed: int = 0, time: NDArray[np.int64] | None = None
) -> Index:
    """Leave every user (or item) at most `keep` training rows, as if it were less active.

    Args:
        train: training rows, as in the splits.
        keys: [row] the user or item of each row of the data set.
        keep: rows kept per key; 0 makes every key unseen.
        seed: chooses the rows that stay, where `time` is None.
        time: [row] time stamps; with them the newest rows stay.

    Returns:
        The training rows that stay, ascending.
    """
    if keep < 0:
        raise InputError(f"keep = {keep}: rows kept per key must be at least 0")
    drawn = np.random.default_rng(seed).permutation(len(train))
    rank = drawn if time is None else -time[train]
    _, codes = np.unique(keys[train], return_inverse=True)
    order = np.lexsort((rank, codes))
    sizes = np.bincount(codes)
    position = np.arange(len(train)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(train[order[position < keep]])


def check_classes(label: Array, name: str, splits: Splits) -> None:
    """Refuse a split in which the label has one class: nothing can be learnt or measured there.

    Args:
        label: [row] 0 or 1.
        name: of the label, for the error.
        splits: as made by the functions above.

    Raises:
        InputError: names the split, the label and its only class.
    """
    for split, index in splits.items():
        positives = int(np.count_nonzero(label[index]))
        if positives in (0, len(index)):
            raise InputError(
                f"{split} split: all {len(index)} rows have {name} = {int(positives > 0)}; "
                "both classes are needed"
            )


def _boundaries(total: int, ratios: tuple[float, float, float]) -> tuple[int, int, int, int]:
    return 0, round(total * ratios[0]), round(total * (ratios[0] + ratios[1])), total


def _words(ratios: tuple[float, float, float]) -> str:
    return ":".join(f"{ratio:g}" for ratio in ratios)


def _indices(parts: NDArray[np.uint8], place: str) -> Splits:
    splits = {name: np.flatnonzero(parts == part) for part, name in enumerate(SPLITS)}
    for name, index in splits.items():
        if not len(index):
            raise InputError(f"{name} split is empty ({place}); each split needs a row")
    return splits
