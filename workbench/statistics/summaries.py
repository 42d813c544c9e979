"""Medians and slopes over users, with bootstrap intervals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workbench.errors import InputError
from workbench.statistics.checks import Values, check_settings, finite, ids_of
from workbench.statistics.draws import Interval, percentile_interval, sums_by_user, user_draws


def median_bootstrap(
    values: npt.ArrayLike, replicates: int = 500, seed: int = 0, level: float = 0.95
) -> Interval:
    """Median over users with a percentile bootstrap interval.

    Args:
        values: [users], one value per user.

    Raises:
        InputError: no values, values that are not finite, a count, seed or level out of range.
    """
    check_settings(replicates, seed, level)
    ordered = np.sort(finite("values", values))
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
    check_settings(replicates, seed, level)
    across, up = torch.from_numpy(finite("x", x)), torch.from_numpy(finite("y", y))
    if across.shape != up.shape:
        raise InputError(f"x has {len(across)} values, y has {len(up)}")
    user = torch.arange(len(across)) if users is None else ids_of("users", users, across)
    user = torch.unique(user, return_inverse=True)[1]
    # Centred first: the sums below cancel less.
    across, up = across - across.mean(), up - up.mean()
    sums = sums_by_user(
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
