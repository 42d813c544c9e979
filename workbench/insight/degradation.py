"""How does each method hold up as the data get worse: shorter histories, noise, missing values?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.errors import InputError
from workbench.statistics import (
    METRICS,
    metric_of_draws,
    percentile_interval,
    smallest_detectable_effect,
    user_draws,
)

COLUMNS = ("user", "label", "level", "model")


def against_base(
    logits: Mapping[str, NDArray[np.float32]],
    samples: pd.DataFrame,
    *,
    base: str = "base",
    metric: str = "auc",
    replicates: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Every method against the base at every level, paired on the same rows.

    A row's logits may come from one of several trained models (one per cut of the histories, or
    per seed). Rows of different models are never ranked against each other: the metric is taken
    within each model's rows and averaged over the models.

    Args:
        logits: method -> [row], all on the rows of `samples`.
        samples: [row] `user`, `label` (0 or 1), `level` (a number: rows of history, share of noise)
            and `model` (an integer; which of a method's models scored the row).
        base: a key of `logits`; the others are compared with it.
        metric: one of `workbench.statistics.METRICS`.
        replicates: draws of users, within each model's rows; both sides share every draw.
        seed: of the draws, which depend on the rows alone and so are the same for all methods.

    Returns:
        One row per method and level: `method`, `level`, `users` (over all models), `rows`,
        `positives`, `base`, `value`, `delta` = value - base with `ci_low` and `ci_high` (95%
        percentile interval), `smallest_effect`. nan where a model's rows have one class.

    Raises:
        InputError: no such base, nothing to compare, a missing column, or lengths that differ.
    """
    _check(logits, samples, base, metric, replicates)
    scores = {name: torch.tensor(np.asarray(values)) for name, values in logits.items()}
    records = []
    for position, (level, rows) in enumerate(samples.groupby("level").indices.items()):
        places = np.asarray(rows, np.int64)
        records += _at_level(
            scores,
            samples.iloc[places],
            places,
            base,
            metric,
            replicates,
            np.random.default_rng((seed, position)),
            float(str(level)),
        )
    frame = pd.DataFrame(records)
    order = {name: place for place, name in enumerate(logits)}
    return frame.sort_values(
        ["method", "level"], key=lambda c: c.map(order) if c.name == "method" else c
    ).reset_index(drop=True)


def _at_level(
    scores: Mapping[str, Tensor],
    samples: pd.DataFrame,
    rows: NDArray[np.int64],
    base: str,
    metric: str,
    replicates: int,
    draw: np.random.Generator,
    level: float,
) -> list[dict[str, Any]]:
    """The records of one level: every method on the same draws."""
    values = dict.fromkeys(scores, 0.0)
    drawn = {name: torch.zeros(replicates) for name in scores}
    users, models = 0, samples.groupby("model").indices
    for part in models.values():
        chosen = torch.from_numpy(rows[part])
        labels = torch.tensor(samples["label"].to_numpy(np.int64)[part])
        user = torch.unique(
            torch.tensor(samples["user"].to_numpy(np.int64)[part]), return_inverse=True
        )[1]
        here = int(user.max()) + 1
        users += here
        evaluate = {
            name: metric_of_draws(metric, one[chosen], labels, user) for name, one in scores.items()
        }
        everyone = torch.ones(here, 1)
        draws = list(user_draws(here, replicates, draw))
        for name, function in evaluate.items():
            values[name] += float(function(everyone)) / len(models)
            parts = torch.cat([function(counts) for counts in draws])
            drawn[name] = drawn[name] + parts / len(models)
    records = []
    for name in scores:
        if name == base:
            continue
        deltas = (drawn[name] - drawn[base]).double().numpy()
        interval = percentile_interval(values[name] - values[base], deltas, users, 0.95)
        usable = deltas[~np.isnan(deltas)]
        error = float(usable.std(ddof=1)) if np.isfinite(interval.low) else float("nan")
        records.append(
            {
                "method": name,
                "level": level,
                "users": users,
                "rows": len(samples),
                "positives": int(samples["label"].sum()),
                "base": values[base],
                "value": values[name],
                "delta": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "smallest_effect": smallest_detectable_effect(error),
            }
        )
    return records


def _check(
    logits: Mapping[str, NDArray[np.float32]],
    samples: pd.DataFrame,
    base: str,
    metric: str,
    replicates: int,
) -> None:
    if base not in logits or len(logits) < 2:
        raise InputError(f"base = '{base}' with {', '.join(logits)}: name it and one method more")
    if metric not in METRICS:
        raise InputError(f"metric '{metric}': allowed: {', '.join(METRICS)}")
    if replicates < 1:
        raise InputError(f"replicates = {replicates}: must be 1 or more")
    for column in COLUMNS:
        if column not in samples:
            raise InputError(f"samples: no column '{column}'; needed: {', '.join(COLUMNS)}")
    for name, values in logits.items():
        if len(values) != len(samples):
            raise InputError(f"'{name}' has {len(values)} logits for {len(samples)} rows")
