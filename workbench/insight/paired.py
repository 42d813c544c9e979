"""Models paired on the same samples, slice by slice, with several seeds taken together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.errors import InputError
from workbench.insight.buckets import assign
from workbench.metrics import auc_by_group, rela_impr
from workbench.statistics import (
    METRICS,
    metric_of_draws,
    percentile_interval,
    smallest_detectable_effect,
    user_draws,
)

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Logits [row] of the base model and of the other, on the same rows."""


def paired_by_bucket(
    pairs: Sequence[Pair],
    samples: pd.DataFrame,
    *,
    by: str = "user_activity",
    metric: str = "auc",
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    buckets: bool = True,
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Difference of a metric within each activity bucket, averaged over the pairs.

    Each replicate draws users with replacement, evaluates every model on the same draw, and
    averages the differences; with one pair this is `workbench.statistics.paired_bootstrap`. The
    interval therefore speaks of other users, not of other seeds: how far seeds scatter is seen in
    the single differences.

    Args:
        pairs: one per seed.
        samples: [row] with the columns user, label, user_activity and item_activity.
        by: the column that makes the buckets. By item activity a user's rows lie in several
            buckets; each bucket then draws among the users it has.
        metric: one of `workbench.statistics.METRICS`.
        replicates, seed, level: of the bootstrap.
        buckets: False leaves the buckets out; the row "all" is the same, and ready sooner.

    Returns:
        One row for "all" (order -1), then one per bucket with rows: `bucket`, `order`, `users`,
        `rows`, `positives`, `base`, `value`, `delta`, `ci_low`, `ci_high`, `standard_error`,
        `smallest_effect`, `users_left_out` (one class only; 0 for metrics that leave none out),
        `rela_impr` (value / base - 1; nan for log loss, which is no AUC).
        Single differences [row of the frame, pair].

    Raises:
        InputError: an unknown metric or column to bucket by, or fewer than one replicate.
    """
    if metric not in METRICS:
        raise InputError(f"metric '{metric}': allowed: {', '.join(METRICS)}")
    if by not in ("user_activity", "item_activity"):
        raise InputError(f"by '{by}': allowed: user_activity, item_activity")
    if replicates < 1:
        raise InputError(f"replicates = {replicates}: must be 1 or more")
    order, labels = assign(samples[by].to_numpy())
    slices = [("all", -1, np.arange(len(samples)))]
    if buckets:
        slices += [(labels[i], int(i), np.flatnonzero(order == i)) for i in np.unique(order)]
    # torch.tensor copies: a pandas column is read-only, which torch only accepts with a warning.
    users = torch.tensor(samples["user"].to_numpy(np.int64))
    targets = torch.tensor(samples["label"].to_numpy(np.int64))
    scores = [(torch.tensor(base), torch.tensor(new)) for base, new in pairs]
    records, singles = [], []
    for position, (label, number, rows) in enumerate(slices):
        chosen = torch.from_numpy(rows)
        record, deltas = paired_rows(
            [(base[chosen], new[chosen]) for base, new in scores],
            targets[chosen],
            torch.unique(users[chosen], return_inverse=True)[1],
            metric,
            replicates,
            np.random.default_rng((seed, position)),
            level,
        )
        records.append({"bucket": label, "order": number} | record)
        singles.append(deltas)
    return pd.DataFrame(records), np.array(singles)


def paired_rows(
    scores: list[tuple[Tensor, Tensor]],
    labels: Tensor,
    user: Tensor,
    metric: str,
    replicates: int,
    draw: np.random.Generator,
    level: float = 0.95,
) -> tuple[dict[str, Any], list[float]]:
    """One slice of rows: the averaged difference, and the difference of each pair.

    Args:
        scores: logits [row] of the base model and of the other, for each pair.
        labels: int64 [row], 0 or 1.
        user: int64 [row], users numbered from 0 without gaps.
        metric, replicates, level: as in `paired_by_bucket`.
        draw: of the users.

    Returns:
        The columns of `paired_by_bucket` from `users` on, and a difference per pair.
    """
    users = int(user.max()) + 1
    evaluators = [
        (metric_of_draws(metric, base, labels, user), metric_of_draws(metric, new, labels, user))
        for base, new in scores
    ]
    once = torch.ones(users, 1)
    values = [(float(base(once)), float(new(once))) for base, new in evaluators]
    base_value, value = np.mean(values, axis=0).tolist()
    deltas = torch.cat(
        [
            torch.stack([new(counts) - base(counts) for base, new in evaluators]).mean(0)
            for counts in user_draws(users, replicates, draw)
        ]
    ).numpy()
    # A draw without both classes has no AUC; it is left out.
    usable = deltas[~np.isnan(deltas)]
    interval = percentile_interval(value - base_value, usable, users, level)
    error = float(usable.std(ddof=1)) if np.isfinite(interval.low) else float("nan")
    left_out = 0
    if metric.startswith("uauc"):
        left_out = int(auc_by_group(scores[0][0], labels, user).auc.isnan().sum())
    record = {
        "users": users,
        "rows": len(labels),
        "positives": int(labels.sum()),
        "base": base_value,
        "value": value,
        "delta": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "standard_error": error,
        "smallest_effect": smallest_detectable_effect(error, level=level),
        "users_left_out": left_out,
        "rela_impr": (
            rela_impr(value, base_value) if metric != "log_loss" and base_value > 0 else np.nan
        ),
    }
    return record, [new - base for base, new in values]
