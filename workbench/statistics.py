"""Is a lift real: paired bootstrap over users, paired t over seeds, the smallest effect to be seen.

Lifts here are 0.001 to 0.004 AUC while a metric itself moves as much from split to split, so two
models are compared on the same rows and under the same draws of users. Users are drawn, not rows,
because the rows of one user are not independent. Everything runs on the CPU from seeded draws, so
a seed gives the same interval on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from workbench.errors import InputError
from workbench.metrics import (
    auc_by_group,
    check_integers,
    check_rows,
    rank_steps,
    row_log_loss,
    weighted_auc,
)

METRICS = ("auc", "uauc", "uauc_macro", "log_loss")

Values = Tensor | npt.ArrayLike
# [users, width] counts of how often each user was drawn -> [width] values of a metric.
Evaluate = Callable[[Tensor], Tensor]


class PairedT(NamedTuple):
    """Mean difference over seeds, its standard deviation, interval and two-sided p value."""

    mean: float
    sd: float
    ci_low: float
    ci_high: float
    p_value: float
    seeds: int


class Interval(NamedTuple):
    """A value and its bootstrap interval; nan bounds where the data cannot give one."""

    value: float
    low: float
    high: float


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
    _check_settings(replicates, seed, level)
    if metric not in METRICS:
        raise InputError(f"unknown metric '{metric}', allowed: {', '.join(METRICS)}")
    columns = {"base": _tensor(scores_base), "new": _tensor(scores_new), "labels": _tensor(labels)}
    check_rows(columns["base"], columns["labels"])
    check_rows(columns["new"], columns["labels"])
    columns["users"] = _ids("users", users, columns["labels"])
    if not len(columns["users"]):
        raise InputError("a bootstrap needs at least one row, got none")
    slices: list[tuple[str, slice | Tensor]] = [("all", slice(None))]
    if buckets is not None:
        bucket = _ids("buckets", buckets, columns["labels"])
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

    _check_settings(level=level)
    values = _finite("deltas", deltas)
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
    _check_settings(level=level)
    if not 0 < power < 1:
        raise InputError(f"power must lie between 0 and 1, got {power}")
    normal = NormalDist()
    return (normal.inv_cdf(0.5 + level / 2) + normal.inv_cdf(power)) * standard_error


def median_bootstrap(
    values: npt.ArrayLike, replicates: int = 500, seed: int = 0, level: float = 0.95
) -> Interval:
    """Median over users with a percentile bootstrap interval.

    Args:
        values: [users], one value per user.

    Raises:
        InputError: no values, values that are not finite, a count, seed or level out of range.
    """
    _check_settings(replicates, seed, level)
    ordered = np.sort(_finite("values", values))
    size, middle = len(ordered), (len(ordered) + 1) // 2
    rng = np.random.default_rng(seed)
    # A resample is ordered[floor(size * u)] for uniform u, so its median needs only the middle
    # order statistics of u, which follow Beta distributions: no resample is ever built.
    low = rng.beta(middle, size + 1 - middle, replicates)
    # For an even size the next order statistic is the least of the `middle` draws above `low`.
    high = low if size % 2 else low + (1 - low) * rng.beta(1, middle, replicates)
    places = np.minimum((np.stack([low, high]) * size).astype(np.int64), size - 1)
    return percentile_interval(float(np.median(ordered)), ordered[places].mean(0), size, level)


def slope_interval(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    users: Values | None = None,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Slope of the least-squares line of y on x, with a percentile bootstrap interval over users.

    Args:
        x: [rows].
        y: [rows].
        users: [rows] integers, whose rows are drawn together. Default: every row is a user.

    Returns:
        nan where x is constant.

    Raises:
        InputError: shapes that differ, no rows, values that are not finite, users that are not
            integers, a count, seed or level out of range.
    """
    _check_settings(replicates, seed, level)
    across, up = torch.from_numpy(_finite("x", x)), torch.from_numpy(_finite("y", y))
    if across.shape != up.shape:
        raise InputError(f"x has {len(across)} values, y has {len(up)}")
    user = torch.arange(len(across)) if users is None else _ids("users", users, across)
    user = torch.unique(user, return_inverse=True)[1]
    # Centred first: the sums below cancel less.
    across, up = across - across.mean(), up - up.mean()
    sums = _sums_by_user(
        user, torch.stack([torch.ones_like(up), across, up, across * across, across * up])
    )

    def slope(counts: Tensor) -> Tensor:
        rows, sum_x, sum_y, sum_xx, sum_xy = (sums @ counts.double()).unbind()
        spread = rows * sum_xx - sum_x**2
        # A draw with one value of x has no slope; rounding can leave its spread just above 0.
        spread[spread <= 1e-12 * rows * sum_xx] = float("nan")
        return (rows * sum_xy - sum_x * sum_y) / spread

    size = sums.shape[1]
    draws = [slope(counts) for counts in user_draws(size, replicates, np.random.default_rng(seed))]
    value = float(slope(torch.ones(size, 1)))
    return percentile_interval(value, torch.cat(draws).numpy(), size, level)


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
        parts = _sums_by_user(user, torch.stack([loss, torch.ones_like(loss)]))
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


def _sums_by_user(user: Tensor, values: Tensor) -> Tensor:
    """[columns, rows] -> [columns, users]."""
    return values.new_zeros(len(values), int(user.max()) + 1).index_add_(1, user, values)


def _tensor(values: Values) -> Tensor:
    # torch.tensor copies: a pandas column is read-only, which torch only accepts with a warning.
    return values.detach().cpu() if isinstance(values, Tensor) else torch.tensor(np.asarray(values))


def _ids(name: str, values: Values, rows: Tensor) -> Tensor:
    ids = _tensor(values)
    check_integers(name, ids, rows)
    return ids.long()


def _finite(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise InputError(f"{name} must be one-dimensional and not empty, got {list(array.shape)}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    return array


def _check_settings(replicates: int = 1, seed: int = 0, level: float = 0.5) -> None:
    if replicates < 1:
        raise InputError(f"replicates must be 1 or more, got {replicates}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}")
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}")


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
