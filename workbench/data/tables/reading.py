"""Rows of a CSV or Parquet file, some at a time, each with its number in the file."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench.data.tables.problems import Collector, printable
from workbench.data.tables.schema_file import MOST_COLUMNS, TableFile
from workbench.errors import InputError

BLOCK = 4 << 20
"""Bytes of CSV read at a time; a single row may not be longer."""
BATCH = 65_536
"""Most rows of Parquet read at a time."""
LARGEST_HEADER = 1 << 20
LARGEST_ROW_GROUP = 2 << 30
"""Bytes that a Parquet row group may have unpacked; common writers stay below a quarter of it."""


_FIELDS = re.compile(r"(Row #\d+: )?Expected (\d+) columns, got (\d+)")


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a table.

    Attributes:
        columns: name -> values; from CSV as bytes, None where a field holds a missing marker.
        numbers: [row] int64; the header of a CSV file is 1, in Parquet the first row is 1.
    """

    columns: dict[str, Any]
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)


def column_names(path: Path, file: TableFile) -> list[str]:
    """The table's columns, in order.

    Raises:
        InputError: an unreadable, empty or binary file, or names that appear twice.
    """
    names = _parquet_names(path) if file.format == "parquet" else _csv_names(path, file)
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{path.name}: {len(names)} columns; at most {MOST_COLUMNS} are allowed")
    places: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name in places:
            raise InputError(
                f"{path.name}: column '{printable(name)}' appears twice, as columns "
                f"{places[name]} and {place}; every column needs a name of its own"
            )
        places[name] = place
    return names


def first_record(path: Path, separator: str, quote: str) -> list[str]:
    """The fields of a CSV file's first record; decoding errors and emptiness are named.

    Raises:
        InputError: as `column_names`.
    """
    with opened(path) as stream:
        start = stream.read(LARGEST_HEADER)
    text = decode_start(start, path)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    csv.field_size_limit(LARGEST_HEADER)
    try:
        return next(reader)
    except (StopIteration, csv.Error) as error:
        raise InputError(f"{path.name}: the first row cannot be read ({error})") from None


def decode_start(start: bytes, path: Path) -> str:
    """The first bytes of a file as text, a byte-order mark left out.

    Raises:
        InputError: empty, UTF-16, Parquet or otherwise not text.
    """
    if not start.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError(f"{path.name}: the file is empty")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path.name}: UTF-16; save it as UTF-8")
    if start.startswith(b"PAR1"):
        raise InputError(f"{path.name}: a Parquet file, but its format is said to be csv")
    if b"\0" in start:
        raise InputError(f"{path.name}: not a text file (a zero byte); CSV or Parquet is needed")
    # Wrong bytes further on are reported with their rows; here they only must not stop the header.
    return start.decode("utf-8-sig", errors="replace")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file's bytes, unpacked if it ends in .gz.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as packed, contextlib.ExitStack() as stack:
            if path.suffix == ".gz":
                yield stack.enter_context(gzip.GzipFile(fileobj=packed))
            else:
                yield packed
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path.name}: cannot be read ({reason})") from None


def read_rows(
    path: Path, file: TableFile, columns: list[str], problems: Collector
) -> Iterator[Rows]:
    """All rows of some columns.

    Rows with too many or too few fields are noted in `problems` and left out.

    Raises:
        InputError: the file cannot be read to its end.
    """
    reader = _read_parquet if file.format == "parquet" else _read_csv
    return reader(path, file, columns, problems)


def _csv_names(path: Path, file: TableFile) -> list[str]:
    fields = first_record(path, file.separator, file.quote)
    if not file.header:
        return [f"column_{place}" for place in range(1, len(fields) + 1)]
    # A nameless first column is what pandas writes for its index.
    return [name.strip() or f"column_{place}" for place, name in enumerate(fields, start=1)]


def _parquet_names(path: Path) -> list[str]:
    with _parquet(path) as table:
        return list(table.schema_arrow.names)


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
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


def _read_parquet(
    path: Path, file: TableFile, columns: list[str], problems: Collector
) -> Iterator[Rows]:
    number = 1
    with _parquet(path) as table:
        for batch in table.iter_batches(BATCH, columns=columns, use_threads=False):
            numbers = np.arange(number, number + len(batch))
            number += len(batch)
            yield Rows({name: batch.column(name) for name in columns}, numbers)


def _read_csv(
    path: Path, file: TableFile, columns: list[str], problems: Collector
) -> Iterator[Rows]:
    names = column_names(path, file)
    wrong: list[tuple[int, int]] = []

    def remember(row: pa.csv.InvalidRow) -> str:
        wrong.append((row.number, row.actual_columns))
        return "skip"

    stream = _open_csv(path, file, names, columns, remember)
    number = 2 if file.header else 1
    with stream:
        while True:
            try:
                with _quiet():
                    batch = stream.read_next_batch()
            except StopIteration:
                break
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(path, error) from None
            # The reader leaves rows with a wrong number of fields out; their numbers are skipped.
            gaps = np.array([row for row, _ in wrong], np.int64)
            numbers = _numbers(number, len(batch), gaps)
            if len(numbers):
                number = int(numbers[-1]) + 1
            if len(batch):
                yield Rows({name: batch.column(name) for name in columns}, numbers)
            _note_fields(path, wrong, len(names), problems, before=number)
    _note_fields(path, wrong, len(names), problems, before=None)


def _open_csv(
    path: Path, file: TableFile, names: list[str], columns: list[str], remember: Any
) -> pa.csv.CSVStreamingReader:
    with _quiet():
        return _opened_csv(path, file, names, columns, remember)


def _opened_csv(
    path: Path, file: TableFile, names: list[str], columns: list[str], remember: Any
) -> pa.csv.CSVStreamingReader:
    try:
        return pa.csv.open_csv(
            path,
            # One thread: only then does the reader know row numbers, and it reads less ahead.
            read_options=pa.csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK,
                column_names=names,
                skip_rows_after_names=int(file.header),
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=file.separator,
                quote_char=file.quote or False,
                double_quote=True,
                newlines_in_values=bool(file.quote),
                ignore_empty_lines=False,
                invalid_row_handler=remember,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()),
                include_columns=columns,
                null_values=list(file.missing),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The reader hands rows with a wrong number of fields over as text. Where one is not UTF-8 it
    fails, and Python would print that beside the error that we report."""
    before = sys.unraisablehook

    def hook(problem: Any) -> None:
        if not isinstance(problem.exc_value, UnicodeDecodeError):
            before(problem)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _unreadable(path: Path, error: Exception) -> InputError:
    line = " ".join(str(error).split())[:200]
    if "straddl" in line or "try to increase block size" in line:
        return InputError(
            f"{path.name}: a row is longer than {BLOCK:,} bytes, or a quote is never closed"
        )
    found = _FIELDS.search(line)
    if found:
        # Only such a row stops the reader; every other one is handed over and counted.
        return InputError(
            f"{path.name}: {found[1]}{found[3]} fields instead of {found[2]} in a row that is not "
            "UTF-8 either; save the file as UTF-8"
        )
    return InputError(f"{path.name}: not a readable CSV file ({line})")


def _numbers(first: int, rows: int, gaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of `rows` rows from `first` on, those in `gaps` (ascending) skipped."""
    gaps = gaps[gaps >= first]
    numbers = np.arange(first, first + rows)
    # A row moves up once for every gap at or before where it lands.
    return numbers + np.searchsorted(gaps - np.arange(len(gaps)), numbers, side="right")


def _note_fields(
    path: Path,
    wrong: list[tuple[int, int]],
    expected: int,
    problems: Collector,
    before: int | None,
) -> None:
    """Report rows with a wrong number of fields; those that later numbers depend on stay listed."""
    ready = [entry for entry in wrong if before is None or entry[0] < before]
    if not ready:
        return
    del wrong[: len(ready)]
    rows = np.array([row for row, _ in ready], np.int64)
    problems.add_rows(
        path.name,
        "",
        "wrong number of fields",
        f"{expected} as in the first row",
        rows,
        (found for _, found in ready),
    )
