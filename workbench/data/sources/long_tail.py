"""Long-tailed activity and popularity: a few hold most of the samples."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray

# The head whose share of the samples the tail parameter fixes.
HEAD = 0.05
# No user and no item holds more of the samples than this, where the head is wide enough. A bare
# log-normal gives the top one of 8,000 users 12%, and every per-user average would hang on it.
LARGEST = 0.01


def head_share(tail: float, head: float = HEAD) -> float:
    """Share of the samples held by the top `head` of a log-normal activity with log-sd `tail`.

    It is Phi(tail - z), z the normal quantile of 1 - `head`: weighting a log-normal by itself
    shifts its logarithm by the variance.
    """
    z = torch.special.ndtri(torch.tensor(1 - head, dtype=torch.float64))
    return float(torch.special.ndtr(tail - z))


def long_tail_counts(total: int, entities: int, tail: float) -> NDArray[np.int64]:
    """Samples of each entity, ascending; they sum to `total`.

    The counts follow the quantiles of a log-normal with log standard deviation `tail`. The top 5%
    hold `head_share(tail)` of the samples whatever the size of the world; nobody in the head holds
    more than 1% (or twice the head's mean, in a world too small for that), and everybody below
    has at least one sample where there are enough to go round.
    """
    edges = torch.special.ndtri(torch.linspace(0, 1, entities + 1, dtype=torch.float64))
    # Share of the samples between two quantiles: the log-normal weighted by itself.
    shares = torch.diff(torch.special.ndtr(edges - tail)).numpy()
    head = ceil(round(entities * HEAD, 9))
    head_total = total * head_share(tail) if entities > head else float(total)
    head_mean = head_total / head
    expected = np.empty(entities)
    expected[-head:] = _fill(
        shares[-head:], head_total, low=0.0, high=max(LARGEST * total, 2 * head_mean)
    )
    if entities > head:
        rest, rest_total = entities - head, total - head_total
        expected[:-head] = _fill(
            shares[:-head],
            rest_total,
            low=min(1.0, rest_total / rest),
            high=max(head_mean, rest_total / rest),  # a weak tail leaves the head below the rest
        )
    # Rounding the running total keeps the sum exact.
    return np.diff(np.rint(np.cumsum(np.sort(expected))), prepend=0).astype(np.int64)


def _fill(
    shares: NDArray[np.float64], total: float, low: float, high: float
) -> NDArray[np.float64]:
    """Scale `shares` so that, clipped to low..high, they sum to `total` (by bisection)."""
    shares = np.maximum(shares, 1e-250)
    smallest, largest = 0.0, 2 * high / float(shares.min())
    for _ in range(200):
        # Geometric, because the scale may lie anywhere in many orders of magnitude.
        middle = float(np.sqrt(max(smallest, 1e-9) * largest))
        if np.clip(middle * shares, low, high).sum() < total:
            smallest = middle
        else:
            largest = middle
    return np.clip(largest * shares, low, high)
