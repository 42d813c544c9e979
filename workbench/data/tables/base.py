"""What every later step needs of the log's rows: their part of the split, time and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from workbench.data.splits import SPLITS
from workbench.data.tables.disk import DiskArray
from workbench.data.tables.draws import random_parts
from workbench.data.tables.schema_file import TableSchema
from workbench.data.tables.stage import Staged
from workbench.data.tables.staged_file import CHUNK
from workbench.errors import InputError


@dataclass(frozen=True)
class Base:
    """The log's rows, in the order in which they will be stored.

    Attributes:
        log: the staged file.
        rows: in total.
        numbers: int64 [row] in the file as it was given.
        parts: uint8 [row] 0 train, 1 valid, 2 test.
        labels: uint8 [row, label].
        time: int64 [row], ascending; None without time stamps.
        per_part: rows of each part.
    """

    log: Path
    rows: int
    numbers: DiskArray
    parts: DiskArray
    labels: DiskArray
    time: DiskArray | None
    per_part: tuple[int, int, int]

    def column(self, name: str) -> Iterator[tuple[int, Any]]:
        """A staged column of the log in chunks: (first row, values)."""
        start = 0
        for batch in staged_batches(self.log, [name]):
            yield start, batch.column(name)
            start += len(batch)


def staged_batches(path: Path, columns: list[str]) -> Iterator[Any]:
    """Record batches of a staged file."""
    with pq.ParquetFile(path) as table:
        yield from table.iter_batches(CHUNK, columns=columns, use_threads=False)


def base_of(staged: Staged, schema: TableSchema, folder: Path) -> Base:
    """Split the rows and write what belongs to them.

    Raises:
        InputError: a part of the split would be empty.
    """
    has_time = schema.time is not None
    numbers = DiskArray(folder / "numbers", np.int64)
    parts = DiskArray(folder / "parts", np.uint8)
    labels = DiskArray(folder / "labels", np.uint8, len(schema.labels))
    time = DiskArray(folder / "time", np.int64) if has_time else None
    sources = [f"l{place}" for place, label in enumerate(schema.labels) if label.column is not None]
    for batch in staged_batches(staged.log, ["row", *sources, *(["time"] if has_time else [])]):
        numbers.append(np.asarray(batch.column("row")))
        columns = [np.asarray(batch.column(name)) for name in sources]
        # A label without a column: every row is a 1.
        labels.append(np.stack(columns or [np.ones(len(batch), np.uint8)], axis=1))
        if time is not None:
            time.append(np.asarray(batch.column("time")))
    per_part = np.zeros(3, np.int64)
    borders = _time_borders(time, schema) if schema.split.by == "time" and time else None
    for start, rows in numbers.slices(CHUNK):
        if borders is not None and time is not None:
            moments = time.read(start, start + CHUNK)
            part = np.searchsorted(borders, moments, side="right").astype(np.uint8)
        else:
            part = random_parts(rows, schema.split.ratios, schema.split.seed)
        parts.append(part)
        per_part += np.bincount(part, minlength=3)
    for name, count in zip(SPLITS, per_part.tolist(), strict=True):
        if not count:
            ratios = ":".join(f"{ratio:g}" for ratio in schema.split.ratios)
            raise InputError(
                f"{name} split is empty ({ratios} of {len(numbers)} rows, by {schema.split.by}); "
                "each split needs a row"
            )
    train, valid, test = per_part.tolist()
    return Base(staged.log, len(numbers), numbers, parts, labels, time, (train, valid, test))


def _time_borders(time: DiskArray, schema: TableSchema) -> Any:
    """The first moments of valid and of test: a moment is never divided."""
    total, ratios = len(time), schema.split.ratios
    places = [round(total * ratios[0]), round(total * (ratios[0] + ratios[1]))]
    return np.array([int(time.read(p, p + 1)[0]) for p in (min(p, total - 1) for p in places)])
