"""How much does a model lean on each feature, and how evenly?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.insight.paired import paired_by_bucket
from workbench.nn.framework import AdaF2M2, primary_logit
from workbench.statistics import Interval, metric_of_draws, percentile_interval, user_draws

Logits = NDArray[np.float32]
REPLICATES = 200
"""Draws of users behind an interval, few enough for a page that is waited for."""
BATCH = 8192


def rows_of_users(dataset: Dataset, most: int | None = None, seed: int = 0) -> Tensor:
    """Test samples of as many drawn users as fit, or of all.

    Whole users are drawn, so that intervals over users stay honest, only wider.

    Args:
        most: at most this many samples, and at least those of one user; None: all.
        seed: of the draw.

    Returns:
        int64 [row] sample indices in the split's order.
    """
    index = dataset.splits["test"]
    if most is None or len(index) <= most:
        return index
    users = dataset.users.index_select(0, index).long()
    rows = torch.bincount(users, minlength=len(dataset.user_rows)).cpu().numpy()
    present = np.flatnonzero(rows)
    order = np.random.default_rng(seed).permutation(present)
    # A user who does not fit is passed over, not the end: few users make most of the rows.
    taken: list[int] = []
    room = most
    for user in order.tolist():
        if rows[user] <= room or not taken:
            taken.append(user)
            room -= int(rows[user])
    chosen = torch.zeros(len(dataset.user_rows), dtype=torch.bool)
    chosen[torch.tensor(taken)] = True
    return index[chosen.to(index.device)[users]]


def samples_of_rows(dataset: Dataset, rows: Tensor) -> pd.DataFrame:
    """[row] with `user`, `user_activity`, `item_activity`, `label`, as `paired_by_bucket` wants."""
    users = dataset.users.index_select(0, rows).long()
    items = dataset.items.index_select(0, rows).long()
    columns = {
        "user": users,
        "user_activity": dataset.activity()[users],
        "item_activity": dataset.popularity()[items],
        "label": dataset.labels[:, 0].index_select(0, rows),
    }
    return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})


@torch.no_grad()
def logits_without(
    model: AdaF2M2, dataset: Dataset, rows: Tensor, feature: str | None = None
) -> Logits:
    """Logits [row] on the serving path, with one feature replaced by its `[MASK]_i`.

    The adapter sees the replaced vector too; the interaction counts stay as they are, as in
    `workbench.insight.over_reliance.auc_without`.

    Raises:
        InputError: an unknown feature.
    """
    names = dataset.layout.names
    if feature is not None and feature not in names:
        raise InputError(f"feature '{feature}': allowed: {', '.join(names)}")
    parts = []
    for part in torch.split(rows, BATCH):
        batch = dataset.batch(part)
        vectors, masks = model.embedding.with_masks(batch.rows)
        if feature is not None:
            place = names.index(feature)
            vectors = vectors.clone()
            vectors[:, place] = masks[place]
        parts.append(primary_logit(model.serve(vectors, batch.counts)).float())
    logits: Logits = torch.cat(parts).cpu().numpy()
    return logits


def reliance(
    full: Logits,
    without: Mapping[str, Logits],
    samples: pd.DataFrame,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[pd.DataFrame, Interval]:
    """AUC lost without each feature, over all users, and how unevenly the loss is spread.

    Args:
        full: [row] logits with all features.
        without: feature -> [row] logits without it.
        samples: from `samples_of_rows`.
        replicates, seed: of the bootstrap over users; all features share the draws.

    Returns:
        One row per feature: `feature`, `auc` (with all), `auc_without`, `lost` (auc minus
        auc_without), `ci_low`, `ci_high`, `users`, `rows`.
        The Gini coefficient of the losses with its interval: see `gini`.

    Raises:
        InputError: no feature.
    """
    if not without:
        raise InputError("name at least one feature to leave out")
    draws, values = auc_draws([full, *without.values()], samples, replicates, seed)
    users = int(samples["user"].nunique())
    lost, lost_draws = values[0] - values[1:], draws[:, :1] - draws[:, 1:]
    records: list[dict[str, Any]] = []
    for place, feature in enumerate(without):
        interval = percentile_interval(float(lost[place]), lost_draws[:, place], users, 0.95)
        records.append(
            {
                "feature": feature,
                "auc": values[0],
                "auc_without": values[place + 1],
                "lost": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "users": users,
                "rows": len(samples),
            }
        )
    spread = percentile_interval(float(gini(lost[None])[0]), gini(lost_draws), users, 0.95)
    return pd.DataFrame(records), spread


def gini(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """How unevenly losses are spread: 0 where all are equal, 1 where one feature has them all.

    The Gini coefficient, sum over i, j of |x_i - x_j| / (2 n sum of x), times n / (n - 1), so that
    the most uneven case is 1 whatever the number of features. A feature whose loss is negative
    (the model is better without it) counts as 0.

    Args:
        losses: [draw, feature].

    Returns:
        [draw]; nan where nothing is lost at all, or with fewer than two features.
    """
    positive = np.sort(np.clip(losses, 0.0, None), axis=1)
    features = positive.shape[1]
    total = positive.sum(axis=1)
    ranks = 2 * np.arange(1, features + 1) - features - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        value: NDArray[np.float64] = positive @ ranks / (features - 1) / total
    return np.where(total > 0, value, np.nan)


def auc_draws(
    scores: Sequence[Logits], samples: pd.DataFrame, replicates: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUC of several models under the same draws of users.

    Returns:
        [replicate, model] and [model] of the rows themselves.
    """
    user = torch.unique(torch.tensor(samples["user"].to_numpy(np.int64)), return_inverse=True)[1]
    labels = torch.tensor(samples["label"].to_numpy(np.int64))
    evaluators = [metric_of_draws("auc", torch.tensor(own), labels, user) for own in scores]
    users = int(user.max()) + 1
    chunks = user_draws(users, replicates, np.random.default_rng(seed))
    draws = torch.cat([torch.stack([own(c) for own in evaluators], 1) for c in chunks])
    once = torch.ones(users, 1)
    values = np.array([float(own(once)) for own in evaluators])
    return draws.double().numpy(), values


def reliance_by_bucket(
    full: Logits,
    without: Logits,
    samples: pd.DataFrame,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> pd.DataFrame:
    """AUC lost without one feature, per bucket of user activity.

    Returns:
        The columns of `workbench.insight.paired.paired_by_bucket` with all features as `value`
        and without the feature as `base`: `delta` is what is lost.
    """
    frame, _ = paired_by_bucket([(without, full)], samples, replicates=replicates, seed=seed)
    return frame
