"""Rows of a Parquet file, the first one numbered 1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.data.tables.table_rows import Rows
from workbench.errors import InputError

BATCH = 65_536
"""Most rows read at a time."""
LARGEST_ROW_GROUP = 2 << 30
"""Bytes that a row group may have unpacked; common writers stay below a quarter of it."""


def parquet_names(path: Path) -> list[str]:
    """Names of all columns."""
    with _opened(path) as table:
        return list(table.schema_arrow.names)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as table:
            for place in range(table.metadata.num_row_groups):
                size = table.metadata.row_group(place).total_byte_size
                if not 0 <= size <= LARGEST_ROW_GROUP:
                    raise InputError(
                        f"{path.name}: row group {place + 1} has {size:,} bytes; at most "
                        f"{LARGEST_ROW_GROUP:,} are allowed: write it with smaller row groups"
                    )
            yield table
    except (pa.ArrowException, OSError, RecursionError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"{path.name}: not a readable Parquet file ({line})") from None


def read_parquet(path: Path, columns: list[str]) -> Iterator[Rows]:
    """All rows of some columns, see `workbench.data.tables.reading.read_rows`."""
    number = 1
    with _opened(path) as table:
        for batch in table.iter_batches(BATCH, columns=columns, use_threads=False):
            numbers = np.arange(number, number + len(batch))
            number += len(batch)
            yield Rows({name: batch.column(name) for name in columns}, numbers)
