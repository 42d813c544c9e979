"""How does the adapter weigh features as a user becomes active?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.config import ExperimentConfig
from workbench.insight.buckets import FINE_EDGES, assign
from workbench.insight.samples import Quantity, check_rows, read_predictions, read_weights
from workbench.runs import Run
from workbench.statistics import Interval, median_bootstrap, slope_interval

ENOUGH_USERS = 30
"""A bin with fewer users is shown greyed."""


def adapter_weights(
    run: Run, *, quantity: Quantity = "weight", replicates: int = 500, seed: int = 0
) -> pd.DataFrame:
    """The adapter's weight of every feature against user activity, over the test samples.

    A user's values are averaged first, so that a bin shows its users and not its busiest user; the
    statistics are then over users. A raw weight compares across the states of one feature, not
    across features, because the vectors' lengths differ; the contribution w*|v| does.

    Args:
        run: a finished run of variant adapter or full.
        quantity: "weight" for w, "contribution" for w*|v|.
        replicates: bootstrap draws of users.
        seed: of the draws.

    Returns:
        One row per feature and activity bin that has users: `feature`, `is_id`, `bin` (text),
        `order`, `low`, `high` (least and most activity of the bin), `activity` (median of its
        users), `median`, `q25`, `q75`, `ci_low`, `ci_high` (95% interval of the median), `users`,
        `rows`, `enough` (at least 30 users), `start` (the weight before training, nan for
        contributions and for a gate that starts nowhere in particular). ID features first, bins
        ascending.

    Raises:
        InputError: a run without adapter weights, or damaged tables.
    """
    names, activity, rows, means = _user_means(run, quantity)
    is_id = {slot.name: slot.is_id for slot in run.layout()[1].slots}
    start = _start(run.config) if quantity == "weight" else float("nan")
    index, labels = assign(activity, FINE_EDGES)
    highs = [*(edge - 1 for edge in FINE_EDGES[1:]), int(activity.max())]
    records: list[dict[str, Any]] = []
    for position, name in enumerate(names):
        for order in np.unique(index):
            here = index == order
            values = means[here, position]
            interval = median_bootstrap(values, replicates, seed)
            q25, q75 = np.quantile(values, [0.25, 0.75])
            records.append(
                {
                    "feature": name,
                    "is_id": is_id[name],
                    "bin": labels[order],
                    "order": int(order),
                    "low": FINE_EDGES[order],
                    "high": highs[order],
                    "activity": float(np.median(activity[here])),
                    "median": interval.value,
                    "q25": q25,
                    "q75": q75,
                    "ci_low": interval.low,
                    "ci_high": interval.high,
                    "users": len(values),
                    "rows": int(rows[here].sum()),
                    "enough": len(values) >= ENOUGH_USERS,
                    "start": start,
                }
            )
    return pd.DataFrame(records)


def adapter_weight_slope(
    run: Run,
    feature: str,
    *,
    quantity: Quantity = "weight",
    replicates: int = 1000,
    seed: int = 0,
) -> Interval:
    """Slope of a feature's weight on log(1 + user activity), one point per user.

    Returns:
        Change of the weight per unit of log(1 + activity) with a 95% bootstrap interval over users.

    Raises:
        InputError: as `adapter_weights`; also an unknown feature.
    """
    _, activity, _, means = _user_means(run, quantity, [feature])
    return slope_interval(np.log1p(activity), means[:, 0], replicates=replicates, seed=seed)


def adapter_heatmap(run: Run, feature: str, *, quantity: Quantity = "weight") -> pd.DataFrame:
    """A feature's mean weight by user activity and item popularity, over the test samples.

    Returns:
        One row per pair of buckets that has samples: `user_bucket`, `user_order`, `item_bucket`,
        `item_order`, `weight` (mean over samples), `rows`, `users`.

    Raises:
        InputError: as `adapter_weight_slope`.
    """
    predictions = read_predictions(run)
    _, values = read_weights(run, quantity, [feature])
    check_rows(run, predictions, values)
    user_order, labels = assign(predictions["user_activity"])
    item_order, _ = assign(predictions["item_activity"])
    cells = pd.DataFrame(
        {
            "user_order": user_order,
            "item_order": item_order,
            "weight": values[:, 0],
            "user": predictions["user"],
        }
    )
    cells = cells.groupby(["user_order", "item_order"], as_index=False).agg(
        weight=("weight", "mean"), rows=("weight", "size"), users=("user", "nunique")
    )
    names = np.asarray(labels, dtype=object)
    cells.insert(0, "user_bucket", names[cells["user_order"]])
    cells.insert(2, "item_bucket", names[cells["item_order"]])
    return cells


def _start(config: ExperimentConfig) -> float:
    """The weight of every feature before training; nan for a gate whose layers are all drawn."""
    rival = config.rival
    if rival.name == "senet" and rival.senet.activation == "relu":
        return float("nan")
    return config.framework.weight_scale / 2


def _user_means(
    run: Run, quantity: Quantity, features: list[str] | None = None
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Feature names, and per user: activity [user], rows [user], mean values [user, feature]."""
    predictions = read_predictions(run)
    names, values = read_weights(run, quantity, features)
    check_rows(run, predictions, values)
    user = predictions["user"].to_numpy()
    order = np.argsort(user, kind="stable")
    new_user = user[order][1:] != user[order][:-1]
    first = np.flatnonzero(np.concatenate(([True], new_user)))
    rows = np.diff(first, append=len(user))
    means = np.add.reduceat(values[order], first, axis=0) / rows[:, None]
    activity = predictions["user_activity"].to_numpy()[order][first].astype(np.int64)
    return names, activity, rows, means
