"""Two models on the same rows: a paired bootstrap over users, a paired t test over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from workbench.errors import InputError
from workbench.metrics import auc_by_group, check_rows
from workbench.statistics.checks import Values, as_tensor, check_settings, finite, ids_of
from workbench.statistics.draws import metric_of_draws, percentile_interval, user_draws

METRICS = ("auc", "uauc", "uauc_macro", "log_loss")


class PairedT(NamedTuple):
    """Mean difference over seeds, its standard deviation, interval and two-sided p value."""

    mean: float
    sd: float
    ci_low: float
    ci_high: float
    p_value: float
    seeds: int


def paired_bootstrap(
    scores_base: Values,
    scores_new: Values,
    labels: Values,
    users: Values,
    *,
    buckets: Values | None = None,
    metric: str = "auc",
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Difference of a metric between two models on the same rows, with percentile intervals.

    Each replicate draws as many users as there are, with replacement, and evaluates both models
    exactly on the rows of those users: sharing the draw is the pairing. Within a bucket only its
    own users are drawn, so its number of users is fixed.

    Args:
        scores_base: [rows], logits (any score in the order of the logits, except for log loss).
        scores_new: [rows], the other model's.
        labels: [rows], 0 or 1.
        users: [rows], the user of each row, any integers.
        buckets: [rows], an integer for each row; all rows of a user must lie in one bucket.
        metric: one of `METRICS`. A lower log loss is better, so there a good delta is negative.
        replicates: draws of users.
        seed: of the draws; they depend on nothing else but the users of the slice.
        level: confidence level of the interval.

    Returns:
        One row for "all", then one per bucket in ascending order, with the columns
        `bucket` (text), `users`, `rows`, `positives`, `base`, `new`, `delta` = new - base,
        `ci_low`, `ci_high`, `standard_error`, `smallest_effect` (see
        `smallest_detectable_effect`), `replicates` (those with both classes, the only ones used)
        and, for both UAUCs, `users_left_out` (one class only). The metric is nan in a bucket with
        one class, the interval is nan too where the bucket has a single user.

    Raises:
        InputError: what `metrics.auc` refuses, no rows, ids that are not integers, a user in two
            buckets, an unknown metric, a count, seed or level out of range.
    """
    check_settings(replicates, seed, level)
    if metric not in METRICS:
        raise InputError(f"unknown metric '{metric}', allowed: {', '.join(METRICS)}")
    columns = {
        "base": as_tensor(scores_base),
        "new": as_tensor(scores_new),
        "labels": as_tensor(labels),
    }
    check_rows(columns["base"], columns["labels"])
    check_rows(columns["new"], columns["labels"])
    columns["users"] = ids_of("users", users, columns["labels"])
    if not len(columns["users"]):
        raise InputError("a bootstrap needs at least one row, got none")
    slices: list[tuple[str, slice | Tensor]] = [("all", slice(None))]
    if buckets is not None:
        bucket = ids_of("buckets", buckets, columns["labels"])
        _check_one_bucket(columns["users"], bucket)
        slices += [(str(number), bucket == number) for number in torch.unique(bucket).tolist()]
    records = [
        {"bucket": name}
        | _compare(
            {key: value[chosen] for key, value in columns.items()},
            metric,
            replicates,
            np.random.default_rng((seed, position)),
            level,
        )
        for position, (name, chosen) in enumerate(slices)
    ]
    return pd.DataFrame(records)


def paired_t(deltas: npt.ArrayLike, level: float = 0.95) -> PairedT:
    """Paired t test over seeds: is the mean of new - base different from 0?

    Args:
        deltas: [seeds], the difference of a metric for each seed.
        level: confidence level of the interval.

    Returns:
        With one seed everything but the mean is nan. Equal deltas have an interval of width 0
        and p = 0, or p = 1 where they are all 0.

    Raises:
        InputError: no deltas, deltas that are not finite, a level outside 0..1.
    """
    # Imported here: it takes about 0.4 s, and nothing else in the package needs it.
    from scipy.special import stdtr, stdtrit

    check_settings(level=level)
    values = finite("deltas", deltas)
    seeds, mean = len(values), float(values.mean())
    if seeds == 1:
        nan = float("nan")
        return PairedT(mean, nan, nan, nan, nan, seeds)
    # All equal is asked of the values: their computed spread can be a rounding error above 0.
    sd = float(values.std(ddof=1)) if np.ptp(values) else 0.0
    error = sd / seeds**0.5
    half = float(stdtrit(seeds - 1, 0.5 + level / 2)) * error
    p_value = 2 * float(stdtr(seeds - 1, -abs(mean) / error)) if error else float(mean == 0)
    return PairedT(mean, sd, mean - half, mean + half, p_value, seeds)


def smallest_detectable_effect(
    standard_error: float, power: float = 0.8, level: float = 0.95
) -> float:
    """The true difference that a two-sided test finds with the given power: (z_a + z_b) * error.

    Raises:
        InputError: a power or level outside 0..1.
    """
    check_settings(level=level)
    if not 0 < power < 1:
        raise InputError(f"power must lie between 0 and 1, got {power}")
    normal = NormalDist()
    return (normal.inv_cdf(0.5 + level / 2) + normal.inv_cdf(power)) * standard_error


def _compare(
    columns: Mapping[str, Tensor],
    metric: str,
    replicates: int,
    rng: np.random.Generator,
    level: float,
) -> dict[str, Any]:
    """One row of `paired_bootstrap` for the rows of one slice."""
    labels = columns["labels"]
    user = torch.unique(columns["users"], return_inverse=True)[1]
    users = int(user.max()) + 1
    base = metric_of_draws(metric, columns["base"], labels, user)
    new = metric_of_draws(metric, columns["new"], labels, user)
    everyone = torch.ones(users, 1)
    base_value, new_value = float(base(everyone)), float(new(everyone))
    deltas = torch.cat(
        [new(counts) - base(counts) for counts in user_draws(users, replicates, rng)]
    )
    usable = deltas[~deltas.isnan()].numpy()
    value, low, high = percentile_interval(new_value - base_value, usable, users, level)
    error = float(usable.std(ddof=1)) if np.isfinite(low) else float("nan")
    record: dict[str, Any] = {
        "users": users,
        "rows": len(labels),
        "positives": int((labels == 1).sum()),
        "base": base_value,
        "new": new_value,
        "delta": value,
        "ci_low": low,
        "ci_high": high,
        "standard_error": error,
        "smallest_effect": smallest_detectable_effect(error, level=level),
        "replicates": len(usable),
    }
    if metric.startswith("uauc"):
        left_out = auc_by_group(columns["base"], labels, user).auc.isnan()
        record["users_left_out"] = int(left_out.sum())
    return record


def _check_one_bucket(users: Tensor, buckets: Tensor) -> None:
    names, user = torch.unique(users, return_inverse=True)
    empty = buckets.new_empty(len(names))
    least = empty.scatter_reduce(0, user, buckets, "amin", include_self=False)
    most = empty.scatter_reduce(0, user, buckets, "amax", include_self=False)
    split = (least != most).nonzero()[:, 0]
    if len(split):
        first = split[0]
        raise InputError(
            f"user {names[first]} lies in buckets {least[first]} and {most[first]}; "
            "all rows of a user must lie in one bucket"
        )
