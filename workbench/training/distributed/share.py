"""Every process draws the same global batches and trains on its share of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from workbench.data.dataset import Batch, Dataset
from workbench.data.stream.dataset import StreamedDataset


@dataclass
class Share:
    """This process's part of the global batch that is trained on at the moment.

    The rows of a batch are cut into ``size`` runs whose lengths differ by one at most. A run may be
    empty, where the last batch has fewer rows than there are processes: its process then takes part
    with a row that weighs nothing.

    Attributes:
        rank, size: of the process group.
        total: rows of the global batch; 0 outside training.
    """

    rank: int
    size: int
    total: int = 0

    def take(self, total: int) -> None:
        """Begin a global batch of `total` rows; 0 ends training."""
        self.total = total

    @property
    def own(self) -> int:
        """Rows of the global batch that are this process's."""
        return self._bound(self.rank + 1) - self._bound(self.rank)

    @property
    def first(self) -> int:
        """The first row that this process trains on."""
        return min(self._bound(self.rank), self.total - 1)

    @property
    def rows(self) -> slice:
        """The rows that this process trains on: its own, or one that weighs nothing."""
        return slice(self.first, self.first + max(self.own, 1))

    @property
    def longest(self) -> int:
        """Rows that the process with the most rows trains on."""
        return -(-self.total // self.size)

    @property
    def weight(self) -> float:
        """What the mean over this process's rows counts for.

        The mean over processes of weight times loss is the mean loss of the global batch.
        """
        return self.size * self.own / self.total

    def _bound(self, rank: int) -> int:
        return rank * self.total // self.size


def shared_out(dataset: Dataset, share: Share) -> Dataset:
    """The data set as one of several processes trains on it.

    Its training batches are the process's shares of the global ones, in the order that one process
    would draw. Everything but training sees the data set as it is.

    Args:
        dataset: in memory, where every process holds it; or streamed, where each reads a stretch of
            the files of its own.
        share: is told of every global batch; `Share.total` is 0 again after the last.
    """
    content = _content(dataset, type(dataset))
    if isinstance(dataset, StreamedDataset):
        return SharedStream(**content, training=share)
    return SharedDataset(**content, training=share)


@dataclass(frozen=True)
class SharedDataset(Dataset):
    """A data set in memory, shared out; see `shared_out`."""

    training: Share = field(default_factory=lambda: Share(0, 1))

    def batches(
        self,
        split: str,
        batch_size: int,
        generator: torch.Generator | None = None,
        *,
        start: int = 0,
    ) -> Iterator[Batch]:
        """As `Dataset.batches`; of training rows, this process's share of every batch."""
        if split != "train":
            yield from super().batches(split, batch_size, generator, start=start)
            return
        try:
            for index in self.indices(split, batch_size, generator)[start:]:
                self.training.take(len(index))
                yield self.batch(index[self.training.rows])
        finally:
            self.training.take(0)


@dataclass(frozen=True, kw_only=True)
class SharedStream(StreamedDataset):
    """A streamed data set, shared out; see `shared_out`."""

    training: Share

    def batches(
        self,
        split: str,
        batch_size: int,
        generator: torch.Generator | None = None,
        *,
        start: int = 0,
    ) -> Iterator[Batch]:
        """As `StreamedDataset.batches`, which cuts batches into the same runs as `Share`."""
        if split != "train":
            yield from super().batches(split, batch_size, generator, start=start)
            return
        whole = StreamedDataset(**_content(self, StreamedDataset))
        own = whole.shared_out(self.training.rank, self.training.size)
        total = self.rows_in("train")
        try:
            for step, batch in enumerate(own.batches(split, batch_size, generator, start=start)):
                self.training.take(min(batch_size, total - (start + step) * batch_size))
                yield batch if len(batch) else own.head(split, 1)
        finally:
            self.training.take(0)


def _content(dataset: Dataset, kind: type[Dataset]) -> dict[str, Any]:
    """The fields of a data set that `kind` has too, to make one of another kind from."""
    return {one.name: getattr(dataset, one.name) for one in fields(kind)}
