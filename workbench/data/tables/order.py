"""Puts a staged log in the order of time, without ever holding all of it.

Rows are first dealt out to files by time, at borders taken from a sample, then each file is sorted
by itself. A moment with very many rows gets a file of its own, which needs no sorting.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench.data.tables.stage import Staged
from workbench.data.tables.staged_file import CHUNK, staged_writer

BUCKET_BYTES = 64 << 20
MOST_BUCKETS = 200
"""Files open at a time; systems allow 256 and more."""


def sort_by_time(staged: Staged) -> None:
    """Replace the staged log by one in ascending time; rows of one moment keep their order."""
    if staged.in_order:
        return
    borders = time_borders(np.concatenate(staged.times), _buckets(staged))
    folder = staged.log.parent / "buckets"
    folder.mkdir()
    _deal_out(staged.log, folder, borders)
    ordered = staged.log.with_name("log.ordered.parquet")
    writer: pq.ParquetWriter | None = None
    for bucket in range(len(borders) + 1):
        path = folder / str(bucket)
        if not path.exists():
            continue
        one_moment = 0 < bucket < len(borders) and borders[bucket] - borders[bucket - 1] == 1
        for table in _bucket_tables(path, one_moment):
            if writer is None:
                writer = staged_writer(ordered, table.schema)
            writer.write_table(table, row_group_size=CHUNK)
        path.unlink()
    folder.rmdir()
    if writer is not None:
        writer.close()
    ordered.replace(staged.log)
    staged.in_order = True


def time_borders(sample: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """Ascending times; bucket b holds what is at least border b - 1 and below border b.

    A moment that more than one border falls on is fenced in on both sides.
    """
    ordered = np.sort(sample)
    places = (np.arange(1, buckets) * len(ordered)) // buckets
    cuts, times = np.unique(ordered[places], return_counts=True)
    return np.union1d(cuts, cuts[times > 1] + 1).astype(np.int64)


def _buckets(staged: Staged) -> int:
    return min(MOST_BUCKETS // 2, staged.bytes // BUCKET_BYTES + 1)


def _deal_out(path: Path, folder: Path, borders: NDArray[np.int64]) -> None:
    writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(CHUNK, use_threads=False):
            bucket = np.searchsorted(borders, np.asarray(batch.column("time")), side="right")
            order = np.argsort(bucket, kind="stable")
            edges = np.searchsorted(bucket[order], np.arange(len(borders) + 2))
            dealt = batch.take(pa.array(order))
            for number in np.unique(bucket).tolist():
                start, stop = int(edges[number]), int(edges[number + 1])
                if number not in writers:
                    # The writer closes the file that it was given a path for.
                    writers[number] = pa.ipc.new_stream(str(folder / str(number)), batch.schema)
                writers[number].write_batch(dealt.slice(start, stop - start))
    for writer in writers.values():
        writer.close()


def _bucket_tables(path: Path, one_moment: bool) -> Iterator[Any]:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
        if one_moment:
            for batch in stream:
                yield pa.Table.from_batches([batch])
            return
        table = stream.read_all()
    # Batches came in the file's order, so a stable sort keeps it within a moment.
    order = np.argsort(np.asarray(table.column("time")), kind="stable")
    yield table.take(pa.array(order))
