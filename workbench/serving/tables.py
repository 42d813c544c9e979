"""Tables of any size, CSV or Parquet by their ending, read and written a part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from workbench.errors import InputError
from workbench.runs.files import replacing

SUFFIXES = (".csv", ".parquet")
# Bytes of CSV text that are parsed at once.
_BLOCK = 4 << 20


class Sink(Protocol):
    """Where parts of a table go, one after the other."""

    def write_table(self, table: pa.Table) -> None:
        """Append rows."""


def check_suffix(path: Path, option: str) -> str:
    """The path's ending, ``.csv`` or ``.parquet``.

    Raises:
        InputError: another one.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{option} {path}: must end in {' or '.join(SUFFIXES)}")
    return suffix


@contextmanager
def table_parts(path: Path, batch_size: int) -> Iterator[tuple[pa.Schema, Iterator[pa.Table]]]:
    """Open a table.

    Args:
        path: CSV with a header (every column is read as text, an empty field is missing), or
            Parquet.
        batch_size: rows of a part; the last may have fewer.

    Yields:
        The columns, and the parts in the table's order; memory is that of a few parts.

    Raises:
        InputError: a file that cannot be read, or an ending that is not known.
    """
    parquet = check_suffix(path, "table") == ".parquet"
    with ExitStack() as stack:
        # Only opening is guarded here: what fails in the caller's block is not this file's fault.
        parts: Iterator[pa.Table]
        try:
            if parquet:
                file = stack.enter_context(pq.ParquetFile(path))
                schema = file.schema_arrow
                parts = (pa.Table.from_batches([b]) for b in file.iter_batches(batch_size))
            else:
                reader = stack.enter_context(_open_csv(path))
                schema, parts = reader.schema, _regrouped(reader, batch_size)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        yield schema, _guarded(parts, path)


@contextmanager
def table_sink(path: Path, schema: pa.Schema) -> Iterator[Sink]:
    """Write a table part by part; the file appears whole, or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        if check_suffix(path, "--out") == ".parquet":
            with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
                yield writer
        else:
            options = pa.csv.WriteOptions(quoting_style="needed")
            with pa.csv.CSVWriter(temporary, schema, write_options=options) as writer:
                yield writer


def _open_csv(path: Path) -> pa.csv.CSVStreamingReader:
    names = _header(path)
    return pa.csv.open_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=_BLOCK),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _header(path: Path) -> Sequence[str]:
    """Column names, by Arrow's own rules for quotes."""
    with pa.csv.open_csv(path, read_options=pa.csv.ReadOptions(block_size=_BLOCK)) as reader:
        names: list[str] = reader.schema.names
    return names


def _regrouped(reader: pa.csv.CSVStreamingReader, batch_size: int) -> Iterator[pa.Table]:
    """Blocks of CSV text as parts of `batch_size` rows."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for block in reader:
        start = 0
        while rows + block.num_rows - start >= batch_size:
            taken = batch_size - rows
            yield pa.Table.from_batches([*waiting, block.slice(start, taken)])
            waiting, rows, start = [], 0, start + taken
        if start < block.num_rows:
            waiting.append(block.slice(start))
            rows += block.num_rows - start
    if waiting:
        yield pa.Table.from_batches(waiting)


def _guarded(parts: Iterator[pa.Table], path: Path) -> Iterator[pa.Table]:
    try:
        yield from parts
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such file")
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{path}: cannot be read ({reason[:200]})")
