"""Draws of users with replacement, a metric under each, and the interval of what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workbench.metrics import auc_by_group, rank_steps, row_log_loss, weighted_auc

# [users, width] counts of how often each user was drawn -> [width] values of a metric.
Evaluate = Callable[[Tensor], Tensor]


class Interval(NamedTuple):
    """A value and its bootstrap interval; nan bounds where the data cannot give one."""

    value: float
    low: float
    high: float


def user_draws(users: int, replicates: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Resamples of `users` users with replacement, as counts: float32 [users, width] at a time.

    The counts are the same however many replicates one chunk holds.
    """
    width = max(1, min(64, 2**22 // users))
    for start in range(0, replicates, width):
        columns = min(width, replicates - start)
        drawn = rng.integers(users, size=(columns, users))
        drawn += users * np.arange(columns)[:, None]  # each replicate counts in a range of its own
        counts = np.bincount(drawn.ravel(), minlength=users * columns).reshape(columns, users)
        yield torch.from_numpy(counts.T.astype(np.float32, order="C"))


def metric_of_draws(metric: str, scores: Tensor, labels: Tensor, user: Tensor) -> Evaluate:
    """Do once for a model what every replicate shares: sort it, or sum it up per user."""
    if metric == "auc":
        steps = rank_steps(scores, labels, user)
        largest = steps.largest()

        def pooled(counts: Tensor) -> Tensor:
            # float32 holds whole numbers exactly only below 2**24.
            exact = float(counts.max()) * largest < 2**24
            return weighted_auc(steps, counts if exact else counts.double())

        return pooled
    if metric == "log_loss":
        loss = row_log_loss(scores, labels)
        parts = sums_by_user(user, torch.stack([loss, torch.ones_like(loss)]))
    else:
        per_user = auc_by_group(scores, labels, user)
        rows = per_user.rows.double() if metric == "uauc" else torch.ones_like(per_user.auc)
        weight = rows.masked_fill(per_user.auc.isnan(), 0.0)
        parts = torch.stack([per_user.auc.nan_to_num(0.0) * weight, weight])

    def averaged(counts: Tensor) -> Tensor:
        numerator, denominator = (parts @ counts.double()).unbind()
        return numerator / denominator

    return averaged


def percentile_interval(
    value: float, draws: npt.NDArray[Any], users: int, level: float
) -> Interval:
    """Percentile interval of the draws that are not nan; one user alone tells no spread."""
    usable = draws[~np.isnan(draws)]
    if users < 2 or len(usable) < 2:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(usable, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(value, float(low), float(high))


def sums_by_user(user: Tensor, values: Tensor) -> Tensor:
    """[columns, rows] -> [columns, users]."""
    return values.new_zeros(len(values), int(user.max()) + 1).index_add_(1, user, values)
