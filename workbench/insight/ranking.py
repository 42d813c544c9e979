"""All items scored for one request: what a user would get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.encoding import encoding_of
from workbench.errors import InputError
from workbench.insight.people import item_table
from workbench.nn.framework import AdaF2M2, primary_logit
from workbench.schema import Side

AT_ONCE = 16_384
"""Items scored in one step."""


@dataclass(frozen=True)
class Request:
    """One sample as the model sees it, to be changed at will.

    Attributes:
        rows: int32 [width] table rows.
        counts: float32 [count] raw interaction counts, in the schema's order.
        norm: factor on the user ID's vector after the lookup; 1 leaves it as trained.
    """

    rows: Tensor
    counts: Tensor
    norm: float = 1.0


class Catalogue(NamedTuple):
    """The items to choose from: those with a training sample.

    Attributes:
        table: `item`, `code`, `key`, `popularity` of each.
        rows: int32 [item, width of the item side].
        counts: float32 [item, count] training totals, as a test sample has them; 0 in columns that
            count events of the user or the context.
        of_item: bool [count], True where a column counts events of the item's side.
    """

    table: pd.DataFrame
    rows: Tensor
    counts: Tensor
    of_item: Tensor


def catalogue(dataset: Dataset) -> Catalogue:
    """Collect the items of a data set; once per data set, it goes over all training samples."""
    table = item_table(dataset)
    table = table[table["popularity"] > 0].reset_index(drop=True)
    chosen = torch.from_numpy(table["item"].to_numpy(np.int64).copy())
    rows = dataset.item_rows.cpu().index_select(0, chosen)
    schema, before = dataset.schema, dataset.user_rows.shape[1]
    totals = encoding_of(dataset).totals
    counts = torch.zeros(len(rows), len(schema.counts))
    of_item = torch.zeros(len(schema.counts), dtype=torch.bool)
    for place, count in enumerate(schema.counts):
        slot = dataset.layout[count.feature]
        if slot.side is not Side.ITEM:
            continue
        of_item[place] = True
        column = rows[:, slot.start - before].long()
        codes = (column - slot.offset).masked_fill(column == slot.mask_row, 0)
        counts[:, place] = torch.from_numpy(totals[count.name])[codes].float()
    return Catalogue(table, rows, counts, of_item)


def request_of(dataset: Dataset, sample: int) -> Request:
    """A sample of the data set.

    Raises:
        InputError: no such sample.
    """
    if not 0 <= sample < len(dataset):
        raise InputError(f"sample {sample}: must be from 0 to {len(dataset) - 1}")
    batch = dataset.batch(torch.tensor([sample], device=dataset.device))
    return Request(batch.rows[0].cpu(), batch.counts[0].cpu())


def with_item(dataset: Dataset, request: Request, items: Catalogue, place: int) -> Request:
    """The same request for another item.

    Args:
        place: position of the item in the catalogue.
    """
    rows, counts = _with_items(dataset, request, items, slice(place, place + 1))
    return replace(request, rows=rows[0], counts=counts[0])


def with_counts(dataset: Dataset, request: Request, counts: Mapping[str, float]) -> Request:
    """The same request with other interaction counts.

    Args:
        counts: name, as ``StateCount.name`` -> value, 0 or more.

    Raises:
        InputError: an unknown name or a negative value.
    """
    names = [count.name for count in dataset.schema.counts]
    changed = request.counts.clone()
    for name, value in counts.items():
        if name not in names:
            raise InputError(f"count '{name}': allowed: {', '.join(names)}")
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name} = {value}: must be 0 or more")
        changed[names.index(name)] = value
    return replace(request, counts=changed)


def with_user_id(dataset: Dataset, request: Request, code: int) -> Request:
    """The same request with the ID of another user; 0 is the unseen user, `[MASK]` of the user ID.

    Counts, history and all other features stay.

    Raises:
        InputError: no such code.
    """
    slot = dataset.layout[dataset.schema.user]
    if not 0 <= code < slot.size:
        raise InputError(f"user code {code}: must be from 0 to {slot.size - 1}")
    rows = request.rows.clone()
    rows[slot.start] = slot.mask_row if code == 0 else slot.offset + code
    return replace(request, rows=rows)


def vectors_of(
    model: AdaF2M2, dataset: Dataset, rows: Tensor, norm: float
) -> tuple[Tensor, Tensor]:
    """Vectors [batch, feature, dim] and `[MASK]_i` [feature, dim], the user ID's vector scaled."""
    vectors, masks = model.embedding.with_masks(rows)
    if norm != 1.0:
        vectors = vectors.clone()
        vectors[:, dataset.layout.names.index(dataset.schema.user)] *= norm
    return vectors, masks


@torch.no_grad()
def score(model: AdaF2M2, dataset: Dataset, request: Request) -> float:
    """The logit of a request on the serving path."""
    vectors, _ = vectors_of(model, dataset, request.rows[None], request.norm)
    return float(primary_logit(model.serve(vectors, request.counts[None])))


@torch.no_grad()
def score_items(
    model: AdaF2M2, dataset: Dataset, request: Request, items: Catalogue
) -> NDArray[np.float32]:
    """Logits [item] of all items of the catalogue for one request.

    Each item comes with its own features and counts; user, context and the user's counts are the
    request's. The picked sample's own item therefore gets that sample's logit, where it is a test
    sample.
    """
    parts = []
    for first in range(0, len(items.rows), AT_ONCE):
        rows, counts = _with_items(dataset, request, items, slice(first, first + AT_ONCE))
        vectors, _ = vectors_of(model, dataset, rows, request.norm)
        parts.append(primary_logit(model.serve(vectors, counts)).float())
    logits: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return logits


def top_items(
    logits: NDArray[np.float32],
    items: Catalogue,
    *,
    seen: set[int] | frozenset[int] = frozenset(),
    leave_out: bool = False,
    size: int = 10,
) -> pd.DataFrame:
    """The best items.

    Args:
        logits: [item], from `score_items`.
        items: the catalogue.
        seen: items that the user has in training.
        leave_out: whether those are left out, or only marked.
        size: of the list.

    Returns:
        `rank` from 1, `item`, `code`, `key`, `popularity`, `seen`, `logit`, `probability`; equal
        logits in the catalogue's order.
    """
    known = items.table["item"].isin(seen).to_numpy()
    values = np.where(known & leave_out, -np.inf, logits.astype(np.float64))
    order = np.argsort(-values, kind="stable")[:size]
    order = order[np.isfinite(values[order])]
    frame = items.table.iloc[order].reset_index(drop=True)
    frame.insert(0, "rank", np.arange(1, len(order) + 1))
    frame["seen"] = known[order]
    frame["logit"] = values[order]
    frame["probability"] = 1 / (1 + np.exp(-values[order]))
    return frame


def seen_items(dataset: Dataset, user: int) -> frozenset[int]:
    """The items of a user's training samples."""
    train = dataset.splits["train"]
    own = train[dataset.users.index_select(0, train) == user]
    return frozenset(dataset.items.index_select(0, own).tolist())


def _with_items(
    dataset: Dataset, request: Request, items: Catalogue, chosen: slice
) -> tuple[Tensor, Tensor]:
    """Rows [item, width] and counts [item, count] of a request for some items."""
    own = items.rows[chosen]
    start = dataset.user_rows.shape[1]
    rows = request.rows.expand(len(own), -1).clone()
    rows[:, start : start + own.shape[1]] = own
    counts = torch.where(items.of_item, items.counts[chosen], request.counts)
    return rows, counts
