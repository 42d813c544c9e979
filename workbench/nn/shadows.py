"""Shadows: second embeddings of an ID feature, each trained on a short history of its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.data.dataset import Batch, Dataset
from workbench.nn.embedding import FeatureEmbedding
from workbench.schema import FeatureSlot, Kind, Schema, Side

Int = NDArray[np.int64]


class Simulated(NamedTuple):
    """Samples with cold states, or support rows.

    Attributes:
        vectors: [sample, feature, dim].
        counts: [sample, count], raw.
        labels: [sample, label].
        shown: bool [sample], whether a sample shows a shadow or `[MASK]_i`.
    """

    vectors: Tensor
    counts: Tensor
    labels: Tensor
    shown: Tensor


@dataclass(frozen=True)
class Histories:
    """The shadows' histories of one ID feature, on the data set's device.

    Attributes:
        length: int64 [code], rows of each shadow's history.
        counts: float32 [code, own count], its events, one column for each count of the feature.
        support: the rows of all histories; of the feature's counts each holds its shadow's, itself
            left out.
        pairs: int64 [support], the users and items of those rows, ascending.
    """

    length: Tensor
    counts: Tensor
    support: Batch
    pairs: Tensor


class Shadows(nn.Module):
    """The shadows of one ID feature.

    Args:
        schema, embedding: of the model.
        name: of the ID feature.

    Attributes:
        weight: float [code, dim], a parameter, so that a stopped run goes on with it.
        histories: set by `prepare`.
    """

    masked: Tensor

    def __init__(self, schema: Schema, embedding: FeatureEmbedding, name: str) -> None:
        super().__init__()
        slots = embedding.layout.slots
        self.position = embedding.layout.names.index(name)
        self.slot: FeatureSlot = slots[self.position]
        keys = (embedding.layout[schema.user], embedding.layout[schema.item])
        self.keys = (keys[0].start, keys[1].start)
        # New shadows are as large as new embeddings.
        std = embedding.scale * (2.0 / (self.slot.size + embedding.dim)) ** 0.5
        self.weight = nn.Parameter(std * torch.randn(self.slot.size, embedding.dim))
        own = [(i, count.event) for i, count in enumerate(schema.counts) if count.feature == name]
        self.columns = [i for i, _ in own]
        self.events = [None if event is None else schema.labels.index(event) for _, event in own]
        masked = [self.slot.side is Side.USER and _is_history(slot) for slot in slots]
        self.register_buffer("masked", torch.tensor(masked), persistent=False)
        self.histories: Histories | None = None

    def codes(self, rows: Tensor) -> Tensor:
        """int64 [batch]: the feature's codes; 0 is unseen."""
        column = rows[:, self.slot.start].long()
        return (column - self.slot.offset).masked_fill(column == self.slot.mask_row, 0)

    def prepare(self, dataset: Dataset, allowed: tuple[int, ...], rng: np.random.Generator) -> None:
        """Draw the history of every shadow from the training rows."""
        train = dataset.splits["train"]
        codes = dataset.codes(self.slot.name).index_select(0, train).cpu().numpy()
        length = draw_lengths(np.bincount(codes, minlength=self.slot.size), allowed, rng)
        chosen = torch.from_numpy(draw_rows(codes, length, rng)).to(train.device)
        batch = dataset.batch(train[chosen])
        owners = self.codes(batch.rows)
        events = self._events(batch)
        counts = events.new_zeros(self.slot.size, len(self.columns)).index_add_(0, owners, events)
        support = Batch(
            batch.rows, self._with_counts(batch.counts, counts[owners] - events), batch.labels
        )
        self.histories = Histories(
            length=torch.from_numpy(length).to(train.device),
            counts=counts,
            support=support,
            pairs=self._pairs(batch.rows).sort().values,
        )

    def show(
        self, batch: Batch, drawn: Tensor, simulated: Simulated, mask_vectors: Tensor
    ) -> Simulated:
        """Turn samples into query rows.

        Args:
            batch: the samples as they are.
            drawn: bool [batch], which of them to turn; those of the shadow's own history and
                those of unseen values stay as they are.
            simulated: what has become of the batch so far.
            mask_vectors: [feature, dim].
        """
        histories = self._prepared()
        codes = self.codes(batch.rows)
        shown = drawn & (codes > 0) & ~_contains(histories.pairs, self._pairs(batch.rows))
        vectors = torch.where(
            (shown.unsqueeze(1) & self.masked).unsqueeze(-1), mask_vectors, simulated.vectors
        )
        # Asked about rows they were not trained on, and not trained on these either.
        shadow = self.weight.detach()[codes]
        empty = (histories.length[codes] == 0).unsqueeze(1)
        shadow = torch.where(empty, mask_vectors[self.position], shadow)
        vector = torch.where(shown.unsqueeze(1), shadow, vectors[:, self.position])
        cut = self._with_counts(simulated.counts, histories.counts[codes])
        return simulated._replace(
            vectors=self._with_vector(vectors, vector),
            counts=torch.where(shown.unsqueeze(1), cut, simulated.counts),
            shown=simulated.shown | shown,
        )

    def support(
        self,
        rate: float,
        embedding: FeatureEmbedding,
        generator: torch.Generator | None,
        *,
        alone: bool = False,
    ) -> Simulated:
        """Draw that share of the support rows, with repetition.

        Args:
            rate: support rows to draw, as a share of all.
            embedding: looks the other features up.
            generator: draws them.
            alone: whether they train no embedding but the shadows.
        """
        rows = self._prepared().support
        device = rows.counts.device
        size = (round(rate * len(rows)),)
        chosen = torch.randint(max(len(rows), 1), size, device=device, generator=generator)
        table_rows = rows.rows[chosen]
        vectors, mask_vectors = embedding.with_masks(table_rows)
        vectors = torch.where(self.masked.view(1, -1, 1), mask_vectors, vectors)
        if alone:
            vectors = vectors.detach()
        shadow = self.weight[self.codes(table_rows)]
        return Simulated(
            self._with_vector(vectors, shadow),
            rows.counts[chosen],
            rows.labels[chosen],
            torch.ones_like(chosen, dtype=torch.bool),
        )

    def _prepared(self) -> Histories:
        if self.histories is None:
            raise RuntimeError("simulated cold states have no histories yet: call prepare first")
        return self.histories

    def _pairs(self, rows: Tensor) -> Tensor:
        """int64 [batch]: one number for each pair of a user and an item."""
        user, item = (rows[:, column].long() for column in self.keys)
        return user * 2**31 + item

    def _events(self, batch: Batch) -> Tensor:
        """float [batch, own count]: which of the feature's counted events each row is."""
        ones = torch.ones(len(batch), device=batch.counts.device)
        columns = [ones if label is None else batch.labels[:, label] for label in self.events]
        return torch.stack(columns, 1) if columns else ones.new_zeros(len(batch), 0)

    def _with_counts(self, counts: Tensor, own: Tensor) -> Tensor:
        counts = counts.clone()
        counts[:, self.columns] = own
        return counts

    def _with_vector(self, vectors: Tensor, vector: Tensor) -> Tensor:
        before, after = vectors[:, : self.position], vectors[:, self.position + 1 :]
        return torch.cat((before, vector.unsqueeze(1), after), dim=1)


def joined(parts: Sequence[Simulated]) -> Simulated:
    """Samples one after the other."""
    return Simulated(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def draw_lengths(rows: Int, allowed: tuple[int, ...], rng: np.random.Generator) -> Int:
    """A history's length for every code: evenly drawn among the allowed ones below its rows.

    A code for which none is short enough has a history of 0 rows.

    Args:
        rows: [code] training rows.
        allowed: lengths.
        rng: draws.
    """
    lengths = np.unique(np.asarray(allowed, np.int64))
    choices = np.searchsorted(lengths, rows)  # how many lie below
    drawn = (rng.random(len(rows)) * choices).astype(np.int64)
    return np.where(choices > 0, lengths[np.minimum(drawn, len(lengths) - 1)], 0)


def draw_rows(codes: Int, length: Int, rng: np.random.Generator) -> Int:
    """Draw ``length[code]`` rows of every code above 0.

    Args:
        codes: [row].
        length: [code].
        rng: draws.

    Returns:
        Positions in `codes`, ascending.
    """
    order = np.lexsort((rng.permutation(len(codes)), codes))
    ordered = codes[order]
    first = np.searchsorted(ordered, ordered)
    rank = np.arange(len(codes)) - first
    return np.sort(order[(rank < length[ordered]) & (ordered > 0)])


def _is_history(slot: FeatureSlot) -> bool:
    """Whether a feature lists IDs of the user's past."""
    return slot.is_id and slot.kind is Kind.SEQUENCE and slot.side is not Side.ITEM


def _contains(ascending: Tensor, values: Tensor) -> Tensor:
    """bool [value]: which of them occur."""
    if not len(ascending):
        return torch.zeros_like(values, dtype=torch.bool)
    place = torch.searchsorted(ascending, values).clamp_max(len(ascending) - 1)
    return ascending[place] == values
