"""A data set whose training rows stay on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.config import DataConfig
from workbench.data.dataset import Batch, Dataset, Keys
from workbench.data.stream.batches import StreamedBatches
from workbench.data.stream.files import PartReader
from workbench.data.stream.order import Share
from workbench.data.stream.parts import Parts, Samples
from workbench.data.stream.tally import TrainingStatistics
from workbench.errors import InputError

WINDOW_ROWS = DataConfig().shuffle_rows
HELD_OUT = ("valid", "test")
# Rows read at once where they are not shuffled.
_SEQUENTIAL_ROWS = 131_072


class Splits(dict[str, Tensor]):
    """Sample numbers of the splits in memory."""

    def __init__(self, name: str, splits: dict[str, Tensor]) -> None:
        super().__init__(splits)
        self.name = name

    def __missing__(self, split: str) -> Tensor:
        if split not in ("train", *HELD_OUT):
            raise KeyError(split)
        raise InputError(
            f"{self.name}: its {split} rows are streamed from disk, and this needs them in memory; "
            "prepare the data without --stream"
        )


@dataclass(frozen=True, kw_only=True)
class StreamedDataset(Dataset):
    """A `Dataset` that reads its training rows from Parquet files while a model trains on them.

    `users`, `items`, `context_rows`, `labels`, `counts` and the true probabilities are those of the
    held-out samples, valid before test, or of none where these are streamed too; `splits` has the
    splits in memory, and asking it for another is an `InputError`.

    Attributes:
        folder, parts: where the rows are.
        statistics: of the training rows.
        window_rows: rows that are shuffled together, see `workbench.data.stream.order`.
        share: this process's part of every training batch.
    """

    folder: Path
    parts: Parts
    statistics: TrainingStatistics
    window_rows: int = WINDOW_ROWS
    share: Share = field(default_factory=Share)

    def shared_out(self, rank: int, world: int) -> StreamedDataset:
        """The data set as process `rank` of `world` trains on it.

        Every process takes part in every training batch: ``batches("train", batch_size)`` yields
        its run of a global batch of `batch_size` rows. Runs differ by a row at most, no row is in
        two of them, and each process reads a stretch of the files of its own; `steps` is the same
        for all and for one process. Give all the same generator state. Held-out splits stay whole.

        Raises:
            InputError: no such process.
        """
        return replace(self, share=Share(rank, world))

    def to(self, device: torch.device | str) -> StreamedDataset:
        """The same data set with what is in memory on `device`; batches are made there."""
        moved = super().to(device)
        assert isinstance(moved, StreamedDataset)  # `replace` keeps the class
        return replace(moved, splits=Splits(self.name, moved.splits))

    def rows_in(self, split: str) -> int:
        """Samples of a split, of all processes."""
        return self.parts.rows(split)

    def batches(
        self,
        split: str,
        batch_size: int,
        generator: torch.Generator | None = None,
        *,
        start: int = 0,
    ) -> Iterator[Batch]:
        """Every sample of a split exactly once; of training rows, this process's.

        Args:
            split, start: as `Dataset.batches`.
            batch_size: of the global batch.
            generator: draws the number that the order is a function of; None keeps the stored one.

        Returns:
            For a split on disk a `StreamedBatches`, which also tells and takes up its position.

        Raises:
            InputError: while iterating: a file that cannot be read, or values that do not fit.
        """
        if split in self.splits:
            return super().batches(split, batch_size, generator, start=start)
        seed = None
        if generator is not None:
            drawn = torch.randint(2**62, (), generator=generator, device=generator.device)
            seed = int(drawn)
        shuffled = seed is not None
        return StreamedBatches(
            self.reader(split),
            self._gather,
            self.device,
            batch_size=batch_size,
            window_rows=self.window_rows if shuffled else min(self.window_rows, _SEQUENTIAL_ROWS),
            share=self.share if split == "train" else Share(),
            seed=seed,
            start=start,
        )

    def head(self, split: str, rows: int) -> Batch:
        """The first samples of a split in the stored order, at most `rows`."""
        if split in self.splits:
            return super().head(split, rows)
        samples = self.reader(split).read_first(rows)
        return self._gather(samples.to(self.device))

    def keys(self, split: str) -> Keys:
        """Sample numbers, users, items and first labels of a split."""
        if split in self.splits:
            return super().keys(split)
        users, items, labels = (c.to(self.device) for c in self.reader(split).read_keys())
        first = self.rows_in("valid") if split == "test" else 0
        samples = torch.arange(first, first + len(users), device=self.device)
        return Keys(samples, users, items, labels)

    def log_count_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [count] of log(1 + count) over the training rows."""
        mean, deviation = self.statistics.log_counts.float()
        return mean, deviation

    def kept_events(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Totals and recent items of the training rows, as `workbench.data.encoding` has them."""
        statistics = self.statistics
        totals = {name: total.numpy() for name, total in statistics.totals.items()}
        return totals, {name: codes.numpy() for name, codes in statistics.recent.items()}

    def training_counts(self, feature: str) -> Tensor:
        """Training samples [code] (int64) of each vocabulary code of an ID feature.

        Raises:
            InputError: another feature, whose values were not counted.
        """
        counts = self.statistics.values.get(feature)
        if counts is None:
            raise InputError(
                f"feature '{feature}': the streamed data set '{self.name}' keeps training counts "
                f"of {', '.join(self.statistics.values)}"
            )
        return counts.to(self.device)

    def activity(self) -> Tensor:
        """Training samples [user] (int64) of each user."""
        return self.statistics.activity.to(self.device)

    def popularity(self) -> Tensor:
        """Training samples [item] (int64) of each item."""
        return self.statistics.popularity.to(self.device)

    def _gather(self, samples: Samples) -> Batch:
        rows = torch.cat(
            (
                self.user_rows.index_select(0, samples.users),
                self.item_rows.index_select(0, samples.items),
                samples.context_rows,
            ),
            dim=1,
        )
        return Batch(rows=rows, counts=samples.counts, labels=samples.labels.float())

    def reader(self, split: str) -> PartReader:
        """Reads the rows of a split from disk."""
        return PartReader(
            self.folder,
            self.parts.of(split),
            self.parts.group_rows,
            self.schema,
            self.layout,
            len(self.user_rows),
            len(self.item_rows),
        )
