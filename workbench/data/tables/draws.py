"""Random numbers that depend on a row's number only, so that they are the same in any order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SPLIT = 0x5370_6C69_74
_SAMPLE = 0x5361_6D70


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit depends on every bit."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def uniform(rows: NDArray[np.int64], seed: int, purpose: int) -> NDArray[np.float64]:
    """Numbers [row] in [0, 1) for row numbers [row]."""
    start = mixed(np.array([seed * 1_000_003 + purpose], np.uint64))
    bits = mixed(rows.astype(np.uint64) ^ start) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def random_parts(
    rows: NDArray[np.int64], ratios: tuple[float, float, float], seed: int
) -> NDArray[np.uint8]:
    """0, 1 or 2 (train, valid, test) [row], drawn for each row on its own.

    The shares are those of `ratios` up to chance. A row keeps its part when others come or go.
    """
    drawn = uniform(rows, seed, _SPLIT)
    borders = np.array([ratios[0], ratios[0] + ratios[1]])
    return np.searchsorted(borders, drawn, side="right").astype(np.uint8)


def in_sample(rows: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Whether a row belongs to a sample of about `share` of all rows."""
    return uniform(rows, 0, _SAMPLE) < share
