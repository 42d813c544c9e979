"""Rows of a CSV or Parquet file, some at a time, each with its number in the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.data.tables.csv_rows import csv_names, read_csv
from workbench.data.tables.parquet_rows import parquet_names, read_parquet
from workbench.data.tables.problems import Collector, printable
from workbench.data.tables.schema_file import MOST_COLUMNS, TableFile
from workbench.data.tables.table_rows import Rows
from workbench.errors import InputError


def column_names(path: Path, file: TableFile) -> list[str]:
    """The table's columns, in order.

    Raises:
        InputError: an unreadable, empty or binary file, or names that appear twice.
    """
    names = parquet_names(path) if file.format == "parquet" else csv_names(path, file)
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


def read_rows(
    path: Path, file: TableFile, columns: list[str], problems: Collector
) -> Iterator[Rows]:
    """All rows of some columns.

    Rows with too many or too few fields are noted in `problems` and left out.

    Raises:
        InputError: the file cannot be read to its end.
    """
    if file.format == "parquet":
        return read_parquet(path, columns)
    return read_csv(path, file, column_names(path, file), columns, problems)
