"""Parquet files for checked rows: typed, in chunks, read back a column at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 131_072
"""Most rows of a staged chunk; wide tables have smaller ones."""
CHUNK_BYTES = 32 << 20


class StagedWriter:
    """Collects checked batches into row groups of a Parquet file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.bytes = 0
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        self._waiting_bytes += batch.nbytes
        self.rows += len(batch)
        self.bytes += batch.nbytes
        if self._waiting_rows >= CHUNK or self._waiting_bytes >= CHUNK_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting)
        if self._writer is None:
            self._writer = staged_writer(self.path, table.schema)
        self._writer.write_table(table, row_group_size=len(table))
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0


def staged_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer for files that live for minutes: fast, without statistics."""
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    return pq.ParquetWriter(
        path, schema, compression="lz4", use_dictionary=text or False, write_statistics=False
    )
