"""From codes on disk to the tensors of a prepared data set, in one pass over the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.data.raw import Array
from workbench.data.splits import SPLITS
from workbench.data.tables.base import Base
from workbench.data.tables.column_store import Encoded
from workbench.data.tables.disk import DiskArray, SampleSink, TensorFile, TensorSink
from workbench.data.tables.moments import RecentItems
from workbench.data.tables.schema_file import TableSchema
from workbench.data.tables.state_counts import CountStream
from workbench.errors import InputError
from workbench.schema import FeatureSlot, Kind, Schema, Side, TableLayout

Codes = NDArray[np.int32]
Int = NDArray[np.int64]

_CHUNK_BYTES = 16 << 20
_SMALLEST_CHUNK = 1024
_ENTITY_CHUNK = 65_536


@dataclass(frozen=True)
class Samples:
    """Consecutive samples: rows of the log, each followed by the negatives drawn for it.

    Attributes:
        rows: [sample] row of the log, counted from the chunk's first.
        users, items: [sample] entities.
        labels: uint8 [sample, label].
        parts: uint8 [sample].
        time: [sample] or None.
    """

    rows: Int
    users: Codes
    items: Codes
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    time: Int | None


@dataclass
class Tally:
    """What the pass counts for the card.

    Attributes:
        per_part: samples of train, valid, test.
        positives: [part, label].
        users, users_positive: int64 [part, user] samples, and those whose first label is 1.
        items: int64 [item] samples.
    """

    users: Int
    users_positive: Int
    items: Int
    labels: int
    per_part: Int = field(default_factory=lambda: np.zeros(3, np.int64))
    positives: Int = field(init=False)

    def __post_init__(self) -> None:
        self.positives = np.zeros((3, self.labels), np.int64)

    def add(self, samples: Samples) -> None:
        """Count some samples."""
        for part in range(3):
            here = samples.parts == part
            self.per_part[part] += int(here.sum())
            self.positives[part] += samples.labels[here].sum(axis=0, dtype=np.int64)
            who, users = samples.users[here], self.users.shape[1]
            self.users[part] += np.bincount(who, minlength=users)
            liked = who[samples.labels[here, 0] == 1]
            self.users_positive[part] += np.bincount(liked, minlength=users)
        self.items += np.bincount(samples.items, minlength=len(self.items))


class Assembler:
    """Writes the tensors.

    Args:
        table, schema, layout: what the columns mean and where their rows lie.
        base, encoded: the log, split and encoded.
        negatives: int32 [row, drawn] items, or None.
    """

    def __init__(
        self,
        table: TableSchema,
        schema: Schema,
        layout: TableLayout,
        base: Base,
        encoded: Encoded,
        negatives: DiskArray | None,
    ) -> None:
        self.table, self.schema, self.layout = table, schema, layout
        self.base, self.encoded, self.negatives = base, encoded, negatives
        each = 1 + (negatives.width if negatives is not None else 0)
        width = sum(slot.stop - slot.start for slot in layout.slots) + 2 * len(schema.counts) + 16
        self.chunk = max(_SMALLEST_CHUNK, _CHUNK_BYTES // (4 * width * each))

    def tensor_file(self, path: Path, empty: int) -> TensorSink:
        """A file with room for the data set.

        Args:
            path: of the tensors.
            empty: places of `negatives` without an item.
        """
        drawn = self.negatives.width if self.negatives is not None else 0
        samples = self.base.rows * (1 + drawn) - empty
        return TensorSink(TensorFile(path, self._shapes(samples, self._samples_per_part())))

    def write(self, sink: SampleSink) -> Tally:
        """Write the data set.

        Raises:
            InputError: a split in which the label has one class.
        """
        tally = Tally(
            np.zeros((3, self.encoded.users.count), np.int64),
            np.zeros((3, self.encoded.users.count), np.int64),
            np.zeros(self.encoded.items.count, np.int64),
            len(self.schema.labels),
        )
        try:
            for side, name in ((Side.USER, "user_rows"), (Side.ITEM, "item_rows")):
                for rows in self._side_rows(side):
                    sink.entities(name, rows)
            self._write_samples(sink, tally)
            self._check_classes(tally)
            sink.close()
        finally:
            sink.abandon()
        return tally

    def _shapes(self, samples: int, per_part: list[int]) -> dict[str, tuple[str, tuple[int, ...]]]:
        widths = {
            side: sum(s.stop - s.start for s in self.layout.slots if s.side is side)
            for side in Side
        }
        return {
            "user_rows": ("int32", (self.encoded.users.count, widths[Side.USER])),
            "item_rows": ("int32", (self.encoded.items.count, widths[Side.ITEM])),
            "context_rows": ("int32", (samples, widths[Side.CONTEXT])),
            "users": ("int32", (samples,)),
            "items": ("int32", (samples,)),
            "labels": ("uint8", (samples, len(self.schema.labels))),
            "counts": ("float32", (samples, len(self.schema.counts))),
            **{
                f"split.{name}": ("int64", (count,))
                for name, count in zip(SPLITS, per_part, strict=True)
            },
        }

    def _samples_per_part(self) -> list[int]:
        if self.negatives is None:
            return list(self.base.per_part)
        per_part = np.zeros(3, np.int64)
        for start, drawn in self.negatives.slices(_ENTITY_CHUNK):
            parts = self.base.parts.read(start, start + len(drawn))
            per_part += np.bincount(parts, 1 + (drawn >= 0).sum(axis=1), minlength=3).astype(
                np.int64
            )
        return per_part.tolist()

    def _side_rows(self, side: Side) -> Iterator[Codes]:
        """Table rows [entity, width of the side], some entities at a time."""
        entities = self.encoded.of_side(side).count
        slots = [slot for slot in self.layout.slots if slot.side is side]
        for start in range(0, entities, _ENTITY_CHUNK):
            stop = min(start + _ENTITY_CHUNK, entities)
            parts = [
                _table_rows(slot, self.encoded.codes[slot.name].read(start, stop)) for slot in slots
            ]
            yield np.concatenate(parts, axis=1) if parts else np.zeros((stop - start, 0), np.int32)

    def _write_samples(self, sink: SampleSink, tally: Tally) -> None:
        counts = CountStream(self.table, self.schema, self.base, self.encoded)
        histories = {
            feature.name: RecentItems(self.encoded.users.count, self.schema[feature.name].width)
            for feature in self.table.features_of("history")
        }
        slots = [slot for slot in self.layout.slots if slot.side is Side.CONTEXT]
        for start in range(0, self.base.rows, self.chunk):
            samples = self._samples(start)
            columns = [
                _table_rows(slot, self._context(slot, start, samples, histories)) for slot in slots
            ]
            empty = np.zeros((len(samples.rows), 0), np.int32)
            found: dict[str, Array] = {
                "context_rows": np.concatenate(columns, axis=1) if columns else empty,
                "users": samples.users,
                "items": samples.items,
                "labels": samples.labels,
                "counts": counts.next(start, samples),
            }
            sink.samples(found, samples.parts)
            tally.add(samples)

    def _samples(self, start: int) -> Samples:
        stop = min(start + self.chunk, self.base.rows)
        users = self.encoded.users.index.read(start, stop)
        items = self.encoded.items.index.read(start, stop)
        labels = self.base.labels.read(start, stop)
        parts = self.base.parts.read(start, stop)
        time = None if self.base.time is None else self.base.time.read(start, stop)
        rows = np.arange(stop - start)
        if self.negatives is None:
            return Samples(rows, users, items, labels, parts, time)
        every = np.concatenate((items[:, None], self.negatives.read(start, stop)), axis=1)
        there = (every >= 0).ravel()
        rows = np.repeat(rows, every.shape[1])[there]
        positive = np.zeros(every.shape, np.uint8)
        positive[:, 0] = 1
        return Samples(
            rows,
            users[rows],
            every.ravel()[there],
            positive.ravel()[there][:, None],
            parts[rows],
            None if time is None else time[rows],
        )

    def _context(
        self, slot: FeatureSlot, start: int, samples: Samples, histories: dict[str, RecentItems]
    ) -> Codes:
        """Codes [sample, width] of a feature of the sample."""
        if slot.name == self.table.item:
            # A drawn item is not the one in the log's row.
            return self.encoded.items.codes[samples.items][:, None]
        stop = min(start + self.chunk, self.base.rows)
        if slot.name not in histories:
            return self.encoded.codes[slot.name].read(start, stop)[samples.rows]
        assert self.base.time is not None
        items = self.encoded.items.codes[self.encoded.items.index.read(start, stop)]
        liked = self.base.labels.read(start, stop)[:, 0] == 1
        in_train = self.base.parts.read(start, stop) == 0
        found = histories[slot.name].next(
            self.encoded.users.index.read(start, stop),
            items,
            self.base.time.read(start, stop),
            np.flatnonzero(liked & in_train & (items > 0)),
        )
        return found[samples.rows]

    def _check_classes(self, tally: Tally) -> None:
        label = self.schema.labels[0]
        for part, name in enumerate(SPLITS):
            rows, positives = int(tally.per_part[part]), int(tally.positives[part, 0])
            if positives in (0, rows):
                raise InputError(
                    f"{name} split: all {rows} rows have {label} = {int(positives > 0)}; "
                    "both classes are needed"
                )


def _table_rows(slot: FeatureSlot, codes: Codes) -> Codes:
    """Rows of the embedding table [row, width] for codes [row, width]."""
    rows = np.where(codes > 0, codes + np.int32(slot.offset), np.int32(0))
    if slot.kind in (Kind.SINGLE, Kind.NUMERIC):
        return np.where(codes > 0, rows, np.int32(slot.mask_row))
    first = rows[:, 0]
    first[first == 0] = slot.mask_row
    return rows
