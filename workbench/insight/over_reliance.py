"""Who makes the samples, and how much does the model lean on each feature?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.insight.paired import paired_by_bucket
from workbench.nn.framework import AdaF2M2, primary_logit

Entity = Literal["user", "item"]

CURVE_POINTS = 200


def top_share(dataset: Dataset, entity: Entity = "user", share: float = 0.05) -> float:
    """Share of all samples that the most active users (or most popular items) make.

    Args:
        dataset: all splits are counted.
        entity: "user" or "item".
        share: of the users or items that have a sample, rounded up.

    Raises:
        InputError: an unknown entity, a share outside 0..1, or no samples.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share = {share}: must lie in 0..1")
    counts = _sorted_counts(dataset, entity)
    # Rounded first: 0.05 * 20 is a little above 1 in floating point.
    top = math.ceil(round(share * len(counts), 9))
    return float(counts[:top].sum() / counts.sum())


def long_tail(dataset: Dataset) -> pd.DataFrame:
    """The curve behind `top_share`, for users and items.

    Returns:
        At most 201 rows per entity: `entity` ("user", "item"), `rank_share` (share of users or
        items, the most active first), `sample_share` (of the samples they make); from (0, 0) to
        (1, 1), dense where the curve is steep.

    Raises:
        InputError: no samples.
    """
    frames = []
    entities: tuple[Entity, ...] = ("user", "item")
    for entity in entities:
        counts = _sorted_counts(dataset, entity)
        ranks = np.unique(np.geomspace(1, len(counts), CURVE_POINTS).round().astype(np.int64))
        ranks = np.concatenate(([0], ranks))
        samples = np.concatenate(([0], counts.cumsum()))[ranks]
        frames.append(
            pd.DataFrame(
                {
                    "entity": entity,
                    "rank_share": ranks / len(counts),
                    "sample_share": samples / counts.sum(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def auc_without(
    model: AdaF2M2,
    dataset: Dataset,
    features: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    split: str = "test",
    metric: str = "auc",
    batch_size: int = 16_384,
    replicates: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """AUC when features are replaced by their `[MASK]_i`, paired with the AUC of all features.

    The replaced vectors go through the whole serving path, so the adapter sees them too, as it
    would for an unseen value; the interaction counts stay as they are.

    Args:
        model: trained, on the data set's device; its mode is put back afterwards.
        dataset: what it was trained on.
        features: one at a time; or a name for each group of features that is replaced together.
        split: "train", "valid" or "test".
        metric: as in `workbench.insight.paired.paired_by_bucket`.
        batch_size: samples per step.
        replicates, seed: of the bootstrap over users.

    Returns:
        `without` (the feature or group), then the columns of `paired_by_bucket` by user activity:
        `base` is the metric with all features, `value` without, `delta` their difference.

    Raises:
        InputError: no feature, one that the data set does not have, an unknown or empty split.
    """
    groups = features if isinstance(features, Mapping) else {name: [name] for name in features}
    positions = {group: _positions(dataset, group, names) for group, names in groups.items()}
    if not positions:
        raise InputError("name at least one feature to leave out")
    if split not in dataset.splits or not len(dataset.splits[split]):
        known = ", ".join(name for name, index in dataset.splits.items() if len(index))
        raise InputError(f"split '{split}' is unknown or empty; allowed: {known}")
    full, without = _logits(model, dataset, split, batch_size, positions)
    samples = _samples(dataset, split)
    frames = []
    for group, logits in without.items():
        frame, _ = paired_by_bucket(
            [(full, logits)], samples, metric=metric, replicates=replicates, seed=seed
        )
        frame.insert(0, "without", group)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


@torch.no_grad()
def _logits(
    model: AdaF2M2, dataset: Dataset, split: str, batch_size: int, groups: dict[str, Tensor]
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """Logits [sample] with all features, and without each group."""
    was_training = model.training
    model.eval()
    try:
        full: list[Tensor] = []
        without: dict[str, list[Tensor]] = {group: [] for group in groups}
        for batch in dataset.batches(split, batch_size):
            vectors, masks = model.embedding.with_masks(batch.rows)  # [batch, feature, dim]
            full.append(primary_logit(model.serve(vectors, batch.counts)))
            for group, positions in groups.items():
                replaced = vectors.clone()
                replaced[:, positions] = masks[positions]
                without[group].append(primary_logit(model.serve(replaced, batch.counts)))
    finally:
        model.train(was_training)
    return _array(full), {group: _array(parts) for group, parts in without.items()}


def _array(parts: list[Tensor]) -> NDArray[np.float32]:
    array: NDArray[np.float32] = torch.cat(parts).float().cpu().numpy()
    return array


def _samples(dataset: Dataset, split: str) -> pd.DataFrame:
    index = dataset.splits[split]
    users = dataset.users.index_select(0, index).long()
    items = dataset.items.index_select(0, index).long()
    columns = {
        "user": users,
        "user_activity": dataset.activity()[users],
        "item_activity": dataset.popularity()[items],
        "label": dataset.labels[:, 0].index_select(0, index),
    }
    return pd.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})


def _positions(dataset: Dataset, group: str, names: Sequence[str]) -> Tensor:
    known = dataset.layout.names
    for name in names:
        if name not in known:
            raise InputError(f"feature '{name}': allowed: {', '.join(known)}")
    if not names:
        raise InputError(f"group '{group}' names no feature; allowed: {', '.join(known)}")
    return torch.tensor([known.index(name) for name in names], device=dataset.device)


def _sorted_counts(dataset: Dataset, entity: str) -> NDArray[np.int64]:
    """Samples of each user or item that has any, the most active first."""
    if entity not in ("user", "item"):
        raise InputError(f"entity '{entity}': allowed: user, item")
    index = dataset.users if entity == "user" else dataset.items
    counts = torch.bincount(index).cpu().numpy()
    counts = np.sort(counts[counts > 0])[::-1]
    if not len(counts):
        raise InputError(f"data set '{dataset.name}' has no samples")
    return counts
