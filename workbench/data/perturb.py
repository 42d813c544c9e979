"""What real systems do to their data: wrong labels, missing values, hashed IDs.

Every function gives a changed copy and leaves its argument alone. One seed draws one order, so a
larger share changes all that a smaller one changed, and more: points of a curve over shares differ
by the share alone. Shortened histories are `workbench.data.splits.truncate_history`, unseen users
and items `held_out_split`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from workbench.data.dataset import Batch, Dataset
from workbench.data.vocabulary import Vocabulary
from workbench.errors import InputError
from workbench.schema import plan_table


def flip_labels(
    dataset: Dataset, share: float, *, seed: int, split: str = "train", label: str | None = None
) -> Dataset:
    """Turn 0 into 1 and 1 into 0 in a share of a split's rows.

    Only the target is wrong: state counts (likes, positives), histories and the planted truth stay
    what the log said, in every split. So a difference between two shares comes from what the loss
    was told, and no row's count can give its flip away.

    Args:
        dataset: on any device.
        share: of the split's rows, in [0, 1]; exactly ``round(share * rows)`` rows are flipped.
        seed: draws the rows.
        split: "train", "valid" or "test"; other splits keep their labels.
        label: a name of ``Schema.labels``; None is the first, which is trained on and measured.

    Raises:
        InputError: a share outside 0 to 1, an unknown split or label.
    """
    _check_share(share)
    index = _split(dataset, split)
    names = dataset.schema.labels
    if label is not None and label not in names:
        raise InputError(f"label = '{label}': allowed: {', '.join(names)}")
    column = 0 if label is None else names.index(label)
    order = np.random.default_rng(seed).permutation(len(index))
    chosen = torch.from_numpy(order[: round(share * len(index))]).to(index.device)
    rows = index[chosen]
    labels = dataset.labels.clone()
    labels[rows, column] = 1 - labels[rows, column]
    return replace(dataset, labels=labels)


def hide_values(
    dataset: Dataset,
    share: float,
    *,
    seed: int,
    split: str = "test",
    features: Sequence[str] | None = None,
) -> Dataset:
    """Let values go missing: each one independently, with probability `share`.

    A missing value looks like one that training has never seen: the single-valued feature's
    `[MASK]_i` row (code 0), the empty list. A count of a missing ID is 0, as it is for every
    unseen ID. Who the user and the item are is still known to the measurement (`Dataset.users`,
    `Dataset.items`), so that users stay in their activity buckets.

    Args:
        dataset: on any device.
        share: probability in [0, 1] with which a value goes missing.
        seed: draws the values.
        split: "train", "valid" or "test"; other splits keep their values.
        features: which may go missing. None: all but the keys of the user and the item, without
            which there is no request; so meta features, other IDs and histories.

    Returns:
        A data set that hides the values in its batches; it lives in memory only, since the rows of
        a user are stored once for all of the user's samples.

    Raises:
        InputError: a share outside 0 to 1, an unknown split or feature.
    """
    _check_share(share)
    index = _split(dataset, split)
    keys = (dataset.schema.user, dataset.schema.item)
    if features is None:
        features = [name for name in dataset.layout.names if name not in keys]
    names = _features(dataset, features)
    hidden = torch.zeros(len(dataset), len(dataset.layout.slots), dtype=torch.bool)
    # A feature's draws do not depend on which others may go missing.
    draws = np.random.default_rng(seed).random((len(index), hidden.shape[1]), np.float32)
    allowed = np.isin(np.array(dataset.layout.names), names)
    hidden[index.cpu()] = torch.from_numpy((draws < np.float32(share)) & allowed)
    hidden = hidden.to(dataset.device)
    if isinstance(dataset, PartlyHidden):
        hidden |= dataset.hidden
    counted = [dataset.layout.names.index(count.feature) for count in dataset.schema.counts]
    own = {name: getattr(dataset, name) for name in Dataset.__dataclass_fields__}
    own["counts"] = dataset.counts.masked_fill(hidden[:, counted], 0.0)
    return PartlyHidden(**own, hidden=hidden)


def hash_ids(
    dataset: Dataset, buckets: int, *, features: Sequence[str] | None = None, seed: int
) -> Dataset:
    """Let the values of an ID share `buckets` embedding rows, as the hashing trick does.

    Every value falls into a bucket drawn uniformly, so two values of a feature collide with
    probability 1 / buckets. A sequence that shares the feature's rows follows. State counts,
    `Dataset.users` and `Dataset.items` still tell the values apart.

    Args:
        dataset: on any device.
        buckets: rows that the seen values share, at least 1; row 0, for the unseen ones, stays
            beside them. A feature with at most this many values keeps its rows.
        features: ID features with rows of their own. None: all with one value per sample.
        seed: of the hash function.

    Returns:
        The copy, with a smaller embedding table; the buckets are its vocabularies' values, so raw
        values can no longer be looked up in them.

    Raises:
        InputError: `buckets` below 1, an unknown feature, one that is no ID or has no own rows.
    """
    if buckets < 1:
        raise InputError(f"buckets = {buckets}: must be at least 1")
    if features is None:
        features = [feature.name for feature in dataset.schema.id_features if not feature.shares]
    names = _features(dataset, features)
    for name in names:
        if not dataset.schema[name].is_id or dataset.schema[name].shares:
            raise InputError(f"feature '{name}': only IDs with rows of their own can be hashed")
    draw = np.random.default_rng(seed)
    # Drawn for every feature in turn, so that one hash function stays where others are added.
    draws = {name: draw.integers(1, buckets + 1, len(v)) for name, v in _ids(dataset).items()}
    hashed = {name: draws[name] for name in names if len(draws[name]) - 1 > buckets}
    vocabularies = dataset.vocabularies | dict.fromkeys(hashed, _numbered(buckets))
    layout = plan_table(dataset.schema, {name: len(v) for name, v in vocabularies.items()})

    moved = np.zeros(dataset.layout.rows, np.int32)  # old table row -> new one; padding stays 0
    for old, new in zip(dataset.layout.slots, layout.slots, strict=True):
        moved[old.mask_row] = new.mask_row
        if old.offset == old.mask_row:
            codes = hashed.get(old.name, np.arange(old.size))[1:]
            moved[old.offset + 1 : old.offset + old.size] = new.offset + codes
    table = torch.from_numpy(moved).to(dataset.device)
    return replace(
        dataset,
        layout=layout,
        vocabularies=vocabularies,
        user_rows=table[dataset.user_rows.long()],
        item_rows=table[dataset.item_rows.long()],
        context_rows=table[dataset.context_rows.long()],
    )


@dataclass(frozen=True)
class PartlyHidden(Dataset):
    """A `Dataset` whose batches lack some values; made by `hide_values`.

    Attributes:
        hidden: bool [sample, feature], True where a value is missing.
    """

    hidden: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.bool))

    def to(self, device: torch.device | str) -> PartlyHidden:
        """The same data set with its tensors on `device`."""
        moved = super().to(device)
        assert isinstance(moved, PartlyHidden)  # `replace` keeps the class
        return replace(moved, hidden=self.hidden.to(device))

    def batch(self, index: Tensor) -> Batch:
        """Gather the samples `index` [batch] (int64) and take the hidden values out."""
        complete = super().batch(index)
        owner = torch.empty(self.layout.width, dtype=torch.long)  # column -> feature
        missing = torch.zeros(self.layout.width, dtype=complete.rows.dtype)
        for position, slot in enumerate(self.layout.slots):
            owner[slot.start : slot.stop] = position
            missing[slot.start] = slot.mask_row
        hidden = self.hidden.index_select(0, index)[:, owner.to(self.device)]
        rows = torch.where(hidden, missing.to(self.device), complete.rows)
        return replace(complete, rows=rows)

    def codes(self, feature: str) -> Tensor:
        """Vocabulary codes [sample] (int64) of a single-valued feature; 0 is unseen or missing."""
        column = self.hidden[:, self.layout.names.index(feature)]
        return super().codes(feature).masked_fill(column, 0)


def _check_share(share: float) -> None:
    if not (isfinite(share) and 0.0 <= share <= 1.0):
        raise InputError(f"share = {share}: must be from 0 to 1")


def _split(dataset: Dataset, split: str) -> Tensor:
    if split not in dataset.splits:
        raise InputError(f"split = '{split}': must be one of {', '.join(dataset.splits)}")
    return dataset.splits[split]


def _features(dataset: Dataset, features: Sequence[str]) -> list[str]:
    for name in features:
        if name not in dataset.layout.names:
            raise InputError(f"feature '{name}': must be one of {', '.join(dataset.layout.names)}")
    return list(features)


def _ids(dataset: Dataset) -> dict[str, Vocabulary]:
    """Vocabularies of the ID features with rows of their own, in schema order."""
    return {
        f.name: dataset.vocabularies[f.name]
        for f in dataset.schema.features
        if f.is_id and not f.shares
    }


def _numbered(buckets: int) -> Vocabulary:
    digits = len(str(buckets))
    names = [f"bucket {number:0{digits}}" for number in range(1, buckets + 1)]
    return Vocabulary(np.array(names, dtype=object))
