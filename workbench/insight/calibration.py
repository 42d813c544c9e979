"""Are predicted probabilities right? Observed rates beside them, and by user activity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.insight.buckets import assign
from workbench.insight.samples import check_same_samples, read_predictions
from workbench.runs import Run
from workbench.serving.calibration import calibration_by_group

BINS = 10


def reliability(
    runs: Sequence[Run], *, bins: int = BINS, replicates: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Observed share of positives against the predicted probability, in bins of equal size.

    Args:
        runs: finished.
        bins: by quantiles of a run's own predictions, so that each has as many samples.
        replicates, seed: of the bootstrap over users.

    Returns:
        One row per run and bin: `run`, `variant`, `bin`, `predicted` and `observed` (means),
        `ci_low`, `ci_high` (95%, of `observed`; users are drawn with replacement), `rows`, `users`.

    Raises:
        InputError: damaged tables.
    """
    return pd.concat([_of_run(run, bins, replicates, seed) for run in runs], ignore_index=True)


def calibration_by_activity(
    base: Run, runs: Sequence[Run], *, replicates: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Calibration of runs on the same test samples, per bucket of user activity.

    Returns:
        The columns of `workbench.serving.calibration.calibration_by_group`, with `group` "all" or
        the bucket, `order` (-1 for "all"), `model` (the run's name) and `variant`; differences are
        to the base.

    Raises:
        InputError: runs whose test samples differ, or damaged tables.
    """
    samples = read_predictions(base)
    probabilities = {base.name: _probability(samples["logit"])}
    for run in runs:
        rows = read_predictions(run)
        check_same_samples(base, samples, run, rows)
        probabilities[run.name] = _probability(rows["logit"])
    order, labels = assign(samples["user_activity"].to_numpy())
    groups = {"all": np.ones(len(samples), bool)}
    groups |= {labels[place]: order == place for place in np.unique(order)}
    frame = calibration_by_group(
        dict(probabilities),
        samples["label"].to_numpy(),
        samples["user"].to_numpy(),
        groups,
        replicates=replicates,
        seed=seed,
    )
    places = {name: place - 1 for place, name in enumerate(groups)}
    variants = {run.name: run.variant for run in (base, *runs)}
    return frame.assign(order=frame["group"].map(places), variant=frame["model"].map(variants))


def _of_run(run: Run, bins: int, replicates: int, seed: int) -> pd.DataFrame:
    rows = read_predictions(run)
    probability = _probability(rows["logit"])
    label = rows["label"].to_numpy(np.float64)
    user = np.unique(rows["user"].to_numpy(), return_inverse=True)[1]
    ranks = np.argsort(np.argsort(probability, kind="stable"), kind="stable")
    place = ranks * bins // len(ranks)
    users = int(user.max()) + 1
    cell = user * bins + place

    def sums(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(cell, weights, users * bins).astype(np.float64).reshape(users, bins)

    count, positives = sums(np.ones_like(probability)), sums(label)
    draws = np.random.default_rng(seed).multinomial(users, np.full(users, 1 / users), replicates)
    with np.errstate(invalid="ignore"):
        spread = (draws @ positives) / (draws @ count)
    low, high = np.nanquantile(spread, (0.025, 0.975), axis=0)
    return pd.DataFrame(
        {
            "run": run.name,
            "variant": run.variant,
            "bin": np.arange(bins),
            "predicted": sums(probability).sum(0) / count.sum(0),
            "observed": positives.sum(0) / count.sum(0),
            "ci_low": low,
            "ci_high": high,
            "rows": count.sum(0).astype(np.int64),
            "users": (count > 0).sum(0),
        }
    )


def _probability(logit: pd.Series) -> NDArray[np.float64]:
    values = logit.to_numpy(np.float64)
    result: NDArray[np.float64] = 1 / (1 + np.exp(-values))
    return result
