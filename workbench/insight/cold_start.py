"""One user with a history cut to a few events: weights and items while the user becomes known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.encoding import made_from_log
from workbench.errors import InputError
from workbench.insight.ranking import (
    Catalogue,
    Request,
    request_of,
    score_items,
    top_items,
    vectors_of,
    with_user_id,
)
from workbench.insight.what_if import start_weight
from workbench.nn.framework import AdaF2M2

Identity = Literal["trained", "unseen"]
LENGTHS = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True)
class Past:
    """A user's training samples, oldest first where the data has time stamps.

    Attributes:
        user: index into ``Dataset.user_rows``.
        samples: int64 [event] sample indices.
    """

    user: int
    samples: Tensor

    def __len__(self) -> int:
        return len(self.samples)


def past_of(dataset: Dataset, user: int) -> Past:
    """The training samples of a user; the training split is stored in the order of time.

    Raises:
        InputError: no such user.
    """
    if not 0 <= user < len(dataset.user_rows):
        raise InputError(f"user {user}: must be from 0 to {len(dataset.user_rows) - 1}")
    train = dataset.splits["train"]
    return Past(user, train[dataset.users.index_select(0, train) == user].cpu())


def lengths_of(past: Past) -> list[int]:
    """The histories to look at: round numbers from 0 up to the user's own."""
    return [*(length for length in LENGTHS if length < len(past)), len(past)]


def shortened(
    dataset: Dataset, past: Past, request: Request, length: int, identity: Identity = "trained"
) -> Request:
    """A request as it would look if the user had only the newest `length` training samples.

    - Counts of the user are those of the samples that are left; those of items, artists and so on
      stay, because the others who made them do.
    - A sequence made from the log (the last items the user liked) holds what is left of it.
    - The user's ID is `[MASK]` where nothing is left, or always with ``identity="unseen"``. The
      trained vector has learned from all samples: with "trained", a short history looks better
      known than it would be.
    - What is known of the user from elsewhere (age, gender), the context and the item stay.

    Args:
        dataset: what the model was trained on.
        past: of the request's user.
        request: as it is, with the whole history.
        length: from 0 to ``len(past)``.
        identity: see above.

    Raises:
        InputError: a length out of range.
    """
    if not 0 <= length <= len(past):
        raise InputError(f"length = {length}: this user has 0 to {len(past)} training samples")
    kept = past.samples[len(past) - length :]
    labels = dataset.labels.index_select(0, kept)
    counts = request.counts.clone()
    for place, count in enumerate(dataset.schema.counts):
        if count.feature == dataset.schema.user:
            events = length
            if count.event is not None:
                events = int(labels[:, dataset.schema.labels.index(count.event)].sum())
            counts[place] = events
    rows = _with_sequences(dataset, request.rows, kept, labels[:, 0] == 1)
    changed = replace(request, rows=rows, counts=counts)
    unseen = length == 0 or identity == "unseen"
    return with_user_id(dataset, changed, 0) if unseen else changed


def simulate(
    model: AdaF2M2,
    dataset: Dataset,
    items: Catalogue,
    past: Past,
    sample: int,
    *,
    identity: Identity = "trained",
    lengths: Sequence[int] | None = None,
    seen: frozenset[int] = frozenset(),
    size: int = 10,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Weights and top items of one user at growing histories.

    Args:
        model: in evaluation mode.
        items: of the data set.
        past: the user's training samples.
        sample: a sample of the user: its context, and its item for the weights.
        identity: see `shortened`.
        lengths: of the histories; None: `lengths_of`.
        seen: items left out of the lists.
        size: of the lists.

    Returns:
        weights: `length`, `feature`, `is_id`, `weight`, `start`; no rows without an adapter.
        lists: `length` and the columns of `workbench.insight.ranking.top_items`.
        overlap: `length`, `overlap` (items that the list shares with the one of the whole history
            and the trained ID), `share` (overlap over the list's size), `same_first` (whether the
            first item is the same).

    Raises:
        InputError: a length out of range, or a sample of another user.
    """
    if int(dataset.users[sample]) != past.user:
        raise InputError(f"sample {sample} is not one of user {past.user}")
    request = request_of(dataset, sample)
    wanted = lengths_of(past) if lengths is None else list(lengths)
    whole = shortened(dataset, past, request, len(past))
    full = top_items(
        score_items(model, dataset, whole, items), items, seen=seen, leave_out=True, size=size
    )
    best = set(full["item"])
    weights: list[dict[str, Any]] = []
    lists, overlaps = [], []
    for length in wanted:
        cut = shortened(dataset, past, request, length, identity)
        weights += _weights(model, dataset, cut, length)
        logits = score_items(model, dataset, cut, items)
        top = top_items(logits, items, seen=seen, leave_out=True, size=size)
        shared = len(best & set(top["item"]))
        overlaps.append(
            {
                "length": length,
                "overlap": shared,
                "share": shared / max(len(best), 1),
                "same_first": bool(top["item"].iloc[0] == full["item"].iloc[0]),
            }
        )
        top.insert(0, "length", length)
        lists.append(top)
    columns = ["length", "feature", "is_id", "weight", "start"]
    return (
        pd.DataFrame(weights, columns=columns),
        pd.concat(lists, ignore_index=True),
        pd.DataFrame(overlaps),
    )


@torch.no_grad()
def _weights(
    model: AdaF2M2, dataset: Dataset, request: Request, length: int
) -> list[dict[str, Any]]:
    vectors, _ = vectors_of(model, dataset, request.rows[None], request.norm)
    weights = model.weights(vectors, request.counts[None])
    if weights is None:
        return []
    slots = dataset.layout.slots
    order = sorted(range(len(slots)), key=lambda place: not slots[place].is_id)
    values = np.asarray(weights[0], np.float64)
    start = start_weight(model)
    return [
        {
            "length": length,
            "feature": slots[place].name,
            "is_id": slots[place].is_id,
            "weight": float(values[place]),
            "start": start,
        }
        for place in order
    ]


def _with_sequences(dataset: Dataset, rows: Tensor, kept: Tensor, positive: Tensor) -> Tensor:
    """The rows with the sequences that are made from the log, from the samples that are left."""
    rows = rows.clone()
    for feature in dataset.schema.features:
        if not made_from_log(feature, dataset.schema):
            continue
        assert feature.shares is not None
        slot = dataset.layout[feature.name]
        codes = dataset.codes(feature.shares).index_select(0, kept)
        liked = codes[positive & (codes > 0)].flip(0)[: feature.max_length]
        rows[slot.start : slot.stop] = 0
        rows[slot.start] = slot.mask_row
        rows[slot.start : slot.start + len(liked)] = (liked + slot.offset).to(rows.dtype)
    return rows
