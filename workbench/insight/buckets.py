"""Activity buckets: how often a user or item was seen in training, in steps of about three."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InputError

ACTIVITY_EDGES = (0, 1, 3, 10, 30, 100, 300, 1000)
"""Least activity of each bucket; the last is open above."""

_SMALL_EDGES = (0, 1, 2, 3, 5, 10, 17, 30, 56, 100, 178, 316, 562)
FINE_EDGES = (*_SMALL_EDGES, *(round(10 ** (quarter / 4)) for quarter in range(12, 37)))
"""A finer grid for curves: about four bins per factor of ten, up to a billion."""


def bucket_labels(edges: tuple[int, ...] = ACTIVITY_EDGES) -> tuple[str, ...]:
    """Names of the buckets: "0", "1-2", "3-9", ..., "1000+"."""
    closed = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)]
    return (*closed, f"{edges[-1]}+")


def assign(
    activity: ArrayLike, edges: tuple[int, ...] = ACTIVITY_EDGES
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Put activities into buckets.

    Args:
        activity: [...] training interactions, 0 or more.
        edges: least activity of each bucket, ascending from 0.

    Returns:
        index: [...] position of each activity's bucket.
        labels: name of every bucket, in order.

    Raises:
        InputError: a negative activity.
    """
    values = np.asarray(activity)
    if values.size and values.min() < 0:
        raise InputError(f"activity {values.min()}: must be 0 or more")
    index = np.searchsorted(np.asarray(edges), values, side="right") - 1
    return index.astype(np.int64), bucket_labels(edges)
