"""Which setting is best, and how sure is that: a surface of AUC with the interval of its optimum.

The best cell of a grid is the winner of a contest among noisy numbers, so its own AUC flatters it.
What can be said honestly is how often each cell wins when the users are drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.statistics import METRICS, metric_of_draws, percentile_interval, user_draws

Setting = tuple[float, float, float]
"""Effective weight of the copies (alpha * k), and the bounds of the mask range."""


class Optimum(NamedTuple):
    """The best value of one axis, and the range that holds 95% of the draws' winners."""

    value: float
    low: float
    high: float


def response_surface(
    logits: Mapping[Setting, NDArray[np.float32]],
    base: NDArray[np.float32],
    samples: pd.DataFrame,
    *,
    metric: str = "auc",
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[pd.DataFrame, dict[str, Optimum]]:
    """Difference of a metric to the base for each setting, with paired intervals over users.

    Every replicate draws users once and evaluates all settings on them, so that settings are
    compared on the same draw.

    Args:
        logits: [row] for each setting, all on the same rows.
        base: [row], of the model that the settings are compared with.
        samples: [row] with the columns user and label.
        metric: one of `workbench.statistics.METRICS`, of which more is better.
        replicates, seed, level: of the bootstrap.

    Returns:
        One row per setting: `aux_weight`, `mask_low`, `mask_high`, `value`, `delta`, `ci_low`,
        `ci_high`, `wins` (share of the draws in which this setting is the best).
        The optimum of "aux_weight" and of "mask_mean" (the middle of the mask range): the best
        setting's on all users, and an interval over the draws' best settings.

    Raises:
        InputError: no settings, an unknown metric or log loss, fewer than two replicates.
    """
    if not logits:
        raise InputError("a response surface needs at least one setting, got none")
    if metric not in METRICS or metric == "log_loss":
        allowed = ", ".join(name for name in METRICS if name != "log_loss")
        raise InputError(f"metric '{metric}': allowed: {allowed}")
    if replicates < 2:
        raise InputError(f"replicates = {replicates}: must be 2 or more")
    values, draws, users = drawn_values([base, *logits.values()], samples, metric, replicates, seed)
    settings = np.array(list(logits), dtype=np.float64)  # [setting, 3]
    return summary(settings, values[1:], values[1:] - values[0], draws[1:] - draws[0], users, level)


def drawn_values(
    scores: Sequence[NDArray[np.float32]],
    samples: pd.DataFrame,
    metric: str,
    replicates: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """A metric of some models on all users, and on the same draws of users.

    Args:
        scores: [row] of each model, on the rows of `samples`.
        samples, metric, replicates, seed: as in `response_surface`.

    Returns:
        values: [model].
        draws: [model, replicate]; a draw without both classes has no AUC and is left out.
        users: how many there are.
    """
    # torch.tensor copies: a pandas column is read-only, which torch only accepts with a warning.
    labels = torch.tensor(samples["label"].to_numpy(np.int64))
    user = torch.unique(torch.tensor(samples["user"].to_numpy(np.int64)), return_inverse=True)[1]
    users = int(user.max()) + 1
    evaluators = [metric_of_draws(metric, torch.tensor(own), labels, user) for own in scores]
    once = torch.ones(users, 1)
    values = np.array([float(evaluate(once)) for evaluate in evaluators])
    draws = torch.cat(
        [
            torch.stack([evaluate(counts).double() for evaluate in evaluators])
            for counts in user_draws(users, replicates, np.random.default_rng(seed))
        ],
        dim=1,
    ).numpy()
    return values, draws[:, ~np.isnan(draws).any(axis=0)], users


def summary(
    settings: NDArray[np.float64],
    value: NDArray[np.float64],
    delta: NDArray[np.float64],
    drawn: NDArray[np.float64],
    users: int,
    level: float,
) -> tuple[pd.DataFrame, dict[str, Optimum]]:
    """The frame and the optima of `response_surface`.

    Args:
        settings: [setting, 3], see `Setting`.
        value, delta: [setting] on all users.
        drawn: [setting, replicate] difference to the base on each draw.
        users, level: of the bootstrap.
    """
    frame = pd.DataFrame(settings, columns=["aux_weight", "mask_low", "mask_high"])
    frame["value"], frame["delta"] = value, delta
    intervals = [
        percentile_interval(point, draws, users, level)
        for point, draws in zip(delta, drawn, strict=True)
    ]
    frame["ci_low"] = [interval.low for interval in intervals]
    frame["ci_high"] = [interval.high for interval in intervals]
    winners = drawn.argmax(axis=0)
    frame["wins"] = np.bincount(winners, minlength=len(settings)) / max(len(winners), 1)
    best = int(delta.argmax())
    axes = {"aux_weight": settings[:, 0], "mask_mean": settings[:, 1:].mean(axis=1)}
    return frame, {
        name: Optimum(float(axis[best]), *_range(axis[winners], level))
        for name, axis in axes.items()
    }


def _range(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Percentiles that are values of the grid, so that no setting is named that nobody tried."""
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low = np.quantile(values, tail, method="inverted_cdf")
    high = np.quantile(values, 1 - tail, method="inverted_cdf")
    return float(low), float(high)
