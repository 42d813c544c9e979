"""Rows of a CSV file, with the numbers that a spreadsheet gives them."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from workbench.data.tables.opened import first_record
from workbench.data.tables.problems import Collector
from workbench.data.tables.schema_file import TableFile
from workbench.data.tables.table_rows import Rows
from workbench.errors import InputError

BLOCK = 4 << 20
"""Bytes of CSV read at a time; a single row may not be longer."""

_FIELDS = re.compile(r"(Row #\d+: )?Expected (\d+) columns, got (\d+)")


def csv_names(path: Path, file: TableFile) -> list[str]:
    """Names as they stand in the header; where there is none, by place."""
    fields = first_record(path, file.separator, file.quote)
    if not file.header:
        return [f"column_{place}" for place in range(1, len(fields) + 1)]
    # A nameless first column is what pandas writes for its index.
    return [name.strip() or f"column_{place}" for place, name in enumerate(fields, start=1)]


def read_csv(
    path: Path, file: TableFile, names: list[str], columns: list[str], problems: Collector
) -> Iterator[Rows]:
    """All rows of some columns, see `workbench.data.tables.reading.read_rows`.

    Args:
        names: of all columns.
    """
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
