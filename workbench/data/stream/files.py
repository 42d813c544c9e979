"""Rows from the Parquet files of a streamable folder, checked like every other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from workbench.data.store_checks import check_samples
from workbench.data.stream.order import Order, Piece
from workbench.data.stream.parts import PartFile, Samples, arrow_schema
from workbench.errors import InputError
from workbench.schema import Schema, Side, TableLayout


class PartReader:
    """Reads rows of one part of a folder.

    Args:
        folder: holds the files.
        files: of the part, as ``stream.json`` lists them.
        group_rows: rows of a row group.
        schema, layout: what the columns mean.
        users, items: rows of the side tables that users and items point to.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[PartFile],
        group_rows: int,
        schema: Schema,
        layout: TableLayout,
        users: int,
        items: int,
    ) -> None:
        self.folder, self.files, self.group_rows = folder, tuple(files), group_rows
        self.schema, self.layout = schema, layout
        self.users, self.items = users, items
        self._columns = arrow_schema(schema, layout)
        self._bounds = _bounds(schema, layout, users, items)

    @property
    def rows(self) -> int:
        """Rows of the part."""
        return sum(file.rows for file in self.files)

    def read(self, pieces: Sequence[Piece]) -> Samples:
        """The rows of some pieces, end to end.

        Raises:
            InputError: a file that cannot be read or is not what ``stream.json`` says, or values
                that do not fit the data set; names the file.
        """
        rows = sum(piece.stop - piece.start for piece in pieces)
        samples = Samples.empty(rows, self.schema, self.layout)
        # [sample, column] without a copy of its own: a column of a file is one of these.
        targets = [
            *(samples.users.numpy()[:, None], samples.items.numpy()[:, None]),
            *(column.numpy() for column in samples[2:]),
        ]
        columns = [target[:, place] for target in targets for place in range(target.shape[1])]
        written = 0
        for piece in pieces:
            place = self.folder / self.files[piece.file].file
            group = self._group(place, piece, None)
            stop = written + piece.stop - piece.start
            plain = True
            for column, target, bounds in zip(group.columns, columns, self._bounds, strict=True):
                values = column.to_numpy()[piece.start : piece.stop]
                target[written:stop] = values
                plain = plain and bounds is not None and _within(values, *bounds)
            if not plain:
                check_samples(
                    samples.part(written, stop)._asdict(),
                    self.layout,
                    self.users,
                    self.items,
                    f"{place}: row group {piece.group}",
                )
            written = stop
        return samples

    def read_first(self, rows: int) -> Samples:
        """The first `rows` rows in the stored order, or all where there are fewer.

        Raises:
            InputError: as `read`.
        """
        stop = min(rows, self.rows)
        order = Order(self.files, self.group_rows, stop, None)
        return self.read([p for window, _ in order.windows(0, stop) for p in window.pieces])

    def read_keys(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Users [row], items [row] and first labels [row], in the stored order; nothing else.

        Raises:
            InputError: as `read`.
        """
        label = self._columns.names.index(f"label:{self.schema.labels[0]}")
        kinds = (np.int32, np.int32, np.uint8)
        found = [np.empty(self.rows, kind) for kind in kinds]
        written = 0
        order = Order(self.files, self.group_rows, self.group_rows, None)
        for window, _ in order.windows(0, self.rows):
            for piece in window.pieces:
                place = self.folder / self.files[piece.file].file
                group = self._group(place, piece, [0, 1, label])
                for column, target in zip(group.columns, found, strict=True):
                    target[written : written + piece.stop] = column.to_numpy()
                written += piece.stop
        bounds = {"user": self.users, "item": self.items, "label": 2}
        for keys, (name, bound) in zip(found, bounds.items(), strict=True):
            if len(keys) and (keys.min() < 0 or keys.max() >= bound):
                raise InputError(f"{self.folder}: a {name} is not within 0..{bound - 1}")
        users, items, labels = (torch.from_numpy(column) for column in found)
        return users, items, labels

    def _group(self, place: Path, piece: Piece, columns: list[int] | None) -> Any:
        """A row group as a table."""
        total = self.files[piece.file].rows
        expected = min(total - piece.group * self.group_rows, self.group_rows)
        try:
            with pq.ParquetFile(place) as file:
                if not file.schema_arrow.equals(self._columns):
                    raise InputError(f"{place}: its columns are not those of the data set")
                if file.metadata.num_rows != total:
                    rows = file.metadata.num_rows
                    raise InputError(f"{place}: has {rows} rows; needed: {total}")
                rows = file.metadata.row_group(piece.group).num_rows
                if rows != expected:
                    raise InputError(
                        f"{place}: row group {piece.group} has {rows} rows; needed: {expected}"
                    )
                # One thread: reading is twenty times as fast as training, which needs the others.
                group = file.reader.read_row_group(
                    piece.group, column_indices=columns, use_threads=False
                )
        except (OSError, IndexError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{place}: cannot be read ({reason})") from None
        if len(group) != expected:  # its footer says otherwise
            raise InputError(f"{place}: row group {piece.group} has {len(group)} rows")
        return group


def _bounds(
    schema: Schema, layout: TableLayout, users: int, items: int
) -> list[tuple[float, float] | None]:
    """Smallest and largest value of each column where they say all; None for a list or a feature
    that looks its values up in another's rows.

    What lies within needs no closer look, which takes as long as reading does.
    """
    largest = float(np.finfo(np.float32).max)
    slots = sorted(layout.slots, key=lambda slot: slot.start)
    rows: list[tuple[float, float] | None] = []
    for slot in slots:
        if slot.side is Side.CONTEXT:
            plain = slot.stop - slot.start == 1 and slot.offset == slot.mask_row
            own = (slot.offset, slot.offset + slot.size - 1) if plain else None
            rows += [own] * (slot.stop - slot.start)
    labels, counts = len(schema.labels), len(schema.counts)
    return [(0, users - 1), (0, items - 1), *rows, *[(0, 1)] * labels, *[(0, largest)] * counts]


def _within(values: Any, low: float, high: float) -> bool:
    # A NaN is the smallest and the largest of its array, and not within anything.
    return bool(values.min() >= low and values.max() <= high)
