"""How do ID-embedding norms differ between often and rarely seen users, items and authors?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.runs import Run
from workbench.statistics import Interval

# Resampled values held in memory at once.
_BLOCK = 2**22


def id_norms(runs: Sequence[Run], feature: str) -> pd.DataFrame:
    """Norms of a feature's embedding rows by decile of activity, for each run.

    Deciles are over the values seen in training, by rank of their activity. Values of equal
    activity share the decile of their middle rank, so a decile can be large, and another empty.

    Args:
        runs: finished runs.
        feature: a single-valued ID feature.

    Returns:
        One row per run and decile that has values: `run`, `variant`, `seed`, `feature`, `decile`
        (1 to 10), `activity` (median), `median`, `p10`, `p25`, `p75`, `p90` of the norm,
        `entities`, `initial` (median norm of the same rows before training).

    Raises:
        InputError: a run without norms, or without this feature.
    """
    frames = []
    for run in runs:
        norms = _seen(run, feature)
        norms["decile"] = deciles(norms["activity"].to_numpy())
        by_decile = norms.groupby("decile")
        frame = by_decile["norm"].quantile(np.array([0.5, 0.1, 0.25, 0.75, 0.9])).unstack()
        frame.columns = pd.Index(["median", "p10", "p25", "p75", "p90"])
        frame.insert(0, "activity", by_decile["activity"].median())
        frame["entities"] = by_decile.size()
        frame["initial"] = by_decile["initial"].median()
        frame = frame.reset_index()
        frame.insert(0, "run", run.name)
        frame.insert(1, "variant", run.variant)
        frame.insert(2, "seed", run.seed)
        frame.insert(3, "feature", feature)
        frames.append(frame)
    if not frames:
        raise InputError("ID norms need at least one run")
    return pd.concat(frames, ignore_index=True)


def deciles(activity: NDArray[np.int64]) -> NDArray[np.int64]:
    """Decile [value], 1 to 10, of each value's middle rank among all activities."""
    _, value, size = np.unique(activity, return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - size / 2  # of the ranks, as a length from 0
    return 1 + np.minimum((10 * middle / len(activity)).astype(np.int64), 9)[value]


def head_tail_ratio(
    run: Run,
    feature: str,
    *,
    head_share: float = 0.05,
    tail_share: float = 0.5,
    replicates: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Median norm of the most active values over that of the least active ones.

    Values with the activity of the last one taken are taken too, on both ends.

    Args:
        run: a finished run.
        feature: a single-valued ID feature.
        head_share, tail_share: shares of the values seen in training.
        replicates: bootstrap draws; values of head and tail are drawn apart.
        seed: of the draws.
        level: of the interval.

    Returns:
        The ratio with its percentile interval; all nan where head and tail overlap, because too
        many values have the same activity.

    Raises:
        InputError: as `id_norms`, or shares that are not above 0 and together at most 1.
    """
    if not (head_share > 0 and tail_share > 0 and head_share + tail_share <= 1):
        raise InputError(
            f"head_share {head_share} and tail_share {tail_share}: both above 0, together at most 1"
        )
    norms = _seen(run, feature)
    activity, norm = norms["activity"].to_numpy(), norms["norm"].to_numpy(np.float64)
    ordered = np.sort(activity)
    head_count = max(1, round(head_share * len(ordered)))
    tail_count = max(1, round(tail_share * len(ordered)))
    is_head, is_tail = activity >= ordered[-head_count], activity <= ordered[tail_count - 1]
    nan = float("nan")
    if (is_head & is_tail).any():
        return Interval(nan, nan, nan)
    head, tail = norm[is_head], norm[is_tail]
    if np.median(tail) == 0:
        return Interval(nan, nan, nan)
    draw = np.random.default_rng(seed)
    head_medians = np.concatenate(list(_resampled_medians(head, replicates, draw)))
    tail_medians = np.concatenate(list(_resampled_medians(tail, replicates, draw)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = head_medians / tail_medians
    low, high = np.quantile(ratios[np.isfinite(ratios)], [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(np.median(head) / np.median(tail)), float(low), float(high))


def _resampled_medians(
    values: NDArray[np.float64], replicates: int, draw: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    width = max(1, _BLOCK // len(values))
    for start in range(0, replicates, width):
        size = (min(width, replicates - start), len(values))
        yield np.median(values[draw.integers(len(values), size=size)], axis=1)


def _seen(run: Run, feature: str) -> pd.DataFrame:
    norms = run.table("norms")
    names = norms["feature"].unique().tolist()
    if feature not in names:
        raise InputError(f"run '{run.name}' has no norms of '{feature}'; it has {', '.join(names)}")
    here = norms[(norms["feature"] == feature) & (norms["activity"] > 0)]
    if here.empty:
        raise InputError(f"run '{run.name}': no value of '{feature}' was seen in training")
    return here.drop(columns="feature")


def head_tail_ratios(runs: Sequence[Run], feature: str, labels: Mapping[str, str]) -> pd.DataFrame:
    """`head_tail_ratio` of several runs.

    Args:
        runs: with distinct names.
        feature: an ID feature.
        labels: run name -> label of its group.

    Returns:
        One row per run: `run`, `group`, `variant`, `seed`, `feature`, `ratio`, `ci_low`, `ci_high`.

    Raises:
        InputError: as `head_tail_ratio`.
    """
    records = []
    for run in runs:
        ratio = head_tail_ratio(run, feature)
        records.append(
            {
                "run": run.name,
                "group": labels[run.name],
                "variant": run.variant,
                "seed": run.seed,
                "feature": feature,
                "ratio": ratio.value,
                "ci_low": ratio.low,
                "ci_high": ratio.high,
            }
        )
    return pd.DataFrame(records)
