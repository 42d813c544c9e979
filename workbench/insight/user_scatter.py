"""Single users: how active each is, and how long the vector of its ID has become."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.runs import Run

MOST = 600
Z = 1.959964
"""Of a 95% interval."""
FIELLER = 1.06
"""Variance of the z-transformed rank correlation times (n - 3); Fieller, Hartley and Pearson, 1957,
Biometrika 44."""


def user_scatter(run: Run, feature: str, *, most: int = MOST) -> tuple[pd.DataFrame, pd.Series]:
    """Users of a run, and the rank correlation of activity and norm over all of them.

    Args:
        run: with the table ``norms``.
        feature: the user ID.
        most: users that are kept: spread evenly over the ranks of activity, the least and the most
            active among them.

    Returns:
        One row per user that is kept: `code`, `activity` (training interactions, at least 1),
        `norm` (Euclidean); and `correlation` (Spearman), `ci_low`, `ci_high` (95%, Fisher's z),
        `users`. Correlation and interval are nan where too few users differ.

    Raises:
        InputError: no norms, or none of this feature.
    """
    norms = run.table("norms", ["feature", "code", "activity", "norm"])
    rows = norms[(norms["feature"] == feature) & (norms["activity"] > 0)]
    if rows.empty:
        raise InputError(f"{run.name}: no norms of the feature '{feature}'")
    ordered = rows.sort_values(["activity", "code"], ignore_index=True)
    places = np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round())
    kept = ordered.loc[places.astype(int), ["code", "activity", "norm"]]
    return kept.reset_index(drop=True), rank_correlation(ordered["activity"], ordered["norm"])


def rank_correlation(first: pd.Series, second: pd.Series) -> pd.Series:
    """Spearman's rank correlation of two columns with its 95% interval; see `user_scatter`."""
    users = len(first)
    value = math.nan
    if first.nunique() > 1 and second.nunique() > 1:
        value = float(np.corrcoef(first.rank(), second.rank())[0, 1])
    low = high = math.nan
    if users > 3 and abs(value) < 1:
        reach = Z * math.sqrt(FIELLER / (users - 3))
        low, high = math.tanh(math.atanh(value) - reach), math.tanh(math.atanh(value) + reach)
    return pd.Series({"correlation": value, "ci_low": low, "ci_high": high, "users": users})
