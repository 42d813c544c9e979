"""A data set ready for training: contiguous tensors, three splits, batches by permuted index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.raw import Truth
from workbench.data.vocabulary import Vocabulary
from workbench.schema import Schema, Side, TableLayout

# Samples that `Dataset.batches` gathers at once. Gathering batches of 256 one by one takes a
# fourteenth of FM's step.
ROWS_GATHERED = 16_384


@dataclass(frozen=True)
class Batch:
    """What a model sees of some samples.

    Attributes:
        rows: int32 [batch, width] rows of the embedding table; feature i owns the columns
            ``slot.start:slot.stop`` of its `FeatureSlot`; 0 is padding.
        counts: float32 [batch, count] raw interaction counts without the sample itself, in the
            order of ``Schema.counts``.
        labels: float32 [batch, label], in the order of ``Schema.labels``.
    """

    rows: Tensor
    counts: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return self.rows.shape[0]

    def split(self, rows: int) -> Iterator[Batch]:
        """The same samples in batches of `rows`, views of this one; the last may be smaller."""
        columns = (self.rows, self.counts, self.labels)
        for parts in zip(*(torch.split(column, rows) for column in columns), strict=True):
            yield Batch(*parts)


class Keys(NamedTuple):
    """What scores and tables need of the samples of a split, in its order.

    Attributes:
        samples: int64 [sample] numbers that `Dataset.batch` takes.
        users, items: int32 [sample].
        labels: uint8 [sample], the first label.
    """

    samples: Tensor
    users: Tensor
    items: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Dataset:
    """Encoded columns of all samples.

    User features are stored once per user and item features once per item; a batch gathers them.
    That keeps the memory of a million samples near that of their two keys.

    Attributes:
        name: for people and run names.
        schema, layout: what the columns mean and where their rows lie in the embedding table.
        vocabularies: of every feature with rows of its own.
        user_rows: int32 [user, width of user side]; item_rows, context_rows: likewise, per item and
            per sample.
        users, items: int32 [sample] index into `user_rows` and `item_rows`.
        labels: uint8 [sample, label].
        counts: float32 [sample, count], never counting the sample itself.
        splits: "train", "valid", "test" -> int64 sample indices.
        default_counts: names of the counts the adapter uses unless told otherwise.
        card: facts for people: rows read, rows dropped and why, sizes.
        truth: planted world only.
    """

    name: str
    schema: Schema
    layout: TableLayout
    vocabularies: dict[str, Vocabulary]
    user_rows: Tensor
    item_rows: Tensor
    context_rows: Tensor
    users: Tensor
    items: Tensor
    labels: Tensor
    counts: Tensor
    splits: dict[str, Tensor]
    default_counts: tuple[str, ...]
    card: dict[str, Any] = field(default_factory=dict)
    truth: Truth | None = None

    def __len__(self) -> int:
        return self.users.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.users.device

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with its tensors on `device`."""
        tensors = ("user_rows", "item_rows", "context_rows", "users", "items", "labels", "counts")
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in tensors}
        splits = {name: index.to(device) for name, index in self.splits.items()}
        return replace(self, **moved, splits=splits)

    def batch(self, index: Tensor) -> Batch:
        """Gather the samples `index` [batch] (int64) into a `Batch`."""
        rows = torch.cat(
            (
                self.user_rows.index_select(0, self.users.index_select(0, index)),
                self.item_rows.index_select(0, self.items.index_select(0, index)),
                self.context_rows.index_select(0, index),
            ),
            dim=1,
        )
        return Batch(
            rows=rows,
            counts=self.counts.index_select(0, index),
            labels=self.labels.index_select(0, index).float(),
        )

    def rows_in(self, split: str) -> int:
        """Samples of a split."""
        return len(self.splits[split])

    def steps(self, split: str, batch_size: int) -> int:
        """Batches that `batches` yields."""
        return -(-self.rows_in(split) // batch_size)

    def batches(
        self,
        split: str,
        batch_size: int,
        generator: torch.Generator | None = None,
        *,
        start: int = 0,
    ) -> Iterator[Batch]:
        """Every sample of a split exactly once.

        Args:
            split: "train", "valid" or "test".
            batch_size: the last batch may be smaller.
            generator: draws the order (on the tensors' device); None keeps the stored order.
            start: batches to leave out at the beginning: an epoch that was broken off after so
                many goes on with the rest, given the generator's state at the epoch's start.
        """
        yield from self.gathered(self.indices(split, batch_size, generator)[start:], batch_size)

    def gathered(self, parts: Sequence[Tensor], rows: int) -> Iterator[Batch]:
        """A batch of each part; some are gathered at once.

        Args:
            parts: sample numbers int64 of any shape, `rows` of them, in the last part maybe fewer.
            rows: of a batch.
        """
        together = max(1, ROWS_GATHERED // rows)
        for first in range(0, len(parts), together):
            some = [part.reshape(-1) for part in parts[first : first + together]]
            yield from self.batch(torch.cat(some)).split(rows)

    def indices(
        self, split: str, batch_size: int, generator: torch.Generator | None
    ) -> tuple[Tensor, ...]:
        """Sample numbers int64 [batch] of each of `batches`."""
        index = self.splits[split]
        if generator is not None:
            order = torch.randperm(len(index), generator=generator, device=index.device)
            index = index[order]
        return torch.split(index, batch_size)

    def head(self, split: str, rows: int) -> Batch:
        """The first samples of a split in the stored order, at most `rows`."""
        return self.batch(self.splits[split][:rows])

    def keys(self, split: str) -> Keys:
        """Sample numbers, users, items and first labels of a split."""
        index = self.splits[split]
        return Keys(
            samples=index,
            users=self.users.index_select(0, index),
            items=self.items.index_select(0, index),
            labels=self.labels[:, 0].index_select(0, index),
        )

    def log_count_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [count] of log(1 + count) over the training rows, on the
        CPU.
        """
        if not self.counts.shape[1]:  # torch warns of a deviation of nothing
            return torch.zeros(0), torch.zeros(0)
        train = torch.log1p(self.counts.index_select(0, self.splits["train"]))
        return train.mean(0).cpu(), train.std(0, correction=0).cpu()

    def kept_events(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]] | None:
        """What `workbench.data.encoding` takes from all training rows, where it is kept beside
        them: totals and recent items. None where they are here to be counted.
        """
        return None

    def codes(self, feature: str) -> Tensor:
        """Vocabulary codes [sample] (int64) of a feature with one value per sample; 0 is unseen."""
        slot = self.layout[feature]
        width = {Side.USER: 0, Side.ITEM: self.user_rows.shape[1]}
        if slot.side is Side.USER:
            column = self.user_rows[:, slot.start].index_select(0, self.users)
        elif slot.side is Side.ITEM:
            column = self.item_rows[:, slot.start - width[Side.ITEM]].index_select(0, self.items)
        else:
            before = self.user_rows.shape[1] + self.item_rows.shape[1]
            column = self.context_rows[:, slot.start - before]
        codes = column.long() - slot.offset
        # A feature that looks values up in another's rows keeps its own row for unseen ones.
        return codes.masked_fill(column == slot.mask_row, 0)

    def training_counts(self, feature: str) -> Tensor:
        """Training samples [code] (int64) of each vocabulary code of an ID feature.

        Code 0 stands for every unseen value, so its count is 0 by definition.
        """
        codes = self.codes(feature).index_select(0, self.splits["train"])
        counts = torch.bincount(codes, minlength=self.layout[feature].size)
        counts[0] = 0
        return counts

    def activity(self) -> Tensor:
        """Training samples [user] (int64) of each user; 0 for a user seen only in valid or test."""
        train = self.users.index_select(0, self.splits["train"])
        return torch.bincount(train, minlength=self.user_rows.shape[0])

    def popularity(self) -> Tensor:
        """Training samples [item] (int64) of each item."""
        train = self.items.index_select(0, self.splits["train"])
        return torch.bincount(train, minlength=self.item_rows.shape[0])
