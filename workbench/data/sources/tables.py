"""Reads CSV files strictly: every line has all columns, every number is one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from workbench.data.raw import Array
from workbench.errors import InputError

_CONVERSION = re.compile(r"In CSV column #(\d+): Row #(\d+): .*invalid value '(.*)'", re.DOTALL)


def read_csv(
    path: Path,
    *,
    whole: tuple[str, ...] = (),
    numbers: tuple[str, ...] = (),
    text: tuple[str, ...] = (),
) -> dict[str, Array]:
    """Read the named columns of a CSV file with a header; other columns are ignored.

    Args:
        path: the file.
        whole: columns of whole numbers, none missing.
        numbers: columns of numbers.
        text: columns of text.

    Returns:
        Column name -> [row] int64 for `whole`, float64 with NaN where a field is empty for
        `numbers`, object (str, None where a field is empty) for `text`.

    Raises:
        InputError: a missing file or column, a line with too many or too few columns, or a value
            that is not what its column needs; with its line.
    """
    header = _header(path)
    for name in (*whole, *numbers, *text):
        if name not in header:
            raise InputError(f"{path}: column '{name}' is missing; found: {', '.join(header)}")
    types = {
        **dict.fromkeys(whole, pa.int64()),
        **dict.fromkeys(numbers, pa.float64()),
        **dict.fromkeys(text, pa.string()),
    }
    try:
        table = _parse(path, types, threads=True, bad_rows=[])
    except pa.ArrowInvalid:
        raise _fault(path, header, types) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    for name in whole:
        if table[name].null_count:
            row = int(np.flatnonzero(table[name].is_null().to_numpy())[0])
            raise InputError(
                f"{path}: line {row + 2}: {name} is missing; it must be a whole number"
            )
    return {name: table[name].to_numpy() for name in types}


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline().strip()
    except FileNotFoundError:
        raise InputError(f"{path}: missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if not line:
        raise InputError(f"{path}: the first line must name the columns, but it is empty")
    return [name.strip('"') for name in line.split(",")]


def _parse(
    path: Path, types: dict[str, pa.DataType], *, threads: bool, bad_rows: list[pa.csv.InvalidRow]
) -> pa.Table:
    def remember(row: pa.csv.InvalidRow) -> str:
        bad_rows.append(row)
        return "error"

    return pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(use_threads=threads),
        parse_options=pa.csv.ParseOptions(invalid_row_handler=remember),
        convert_options=pa.csv.ConvertOptions(
            column_types=types, include_columns=list(types), strings_can_be_null=True
        ),
    )


def _fault(path: Path, header: list[str], types: dict[str, pa.DataType]) -> InputError:
    """Read again on one thread, which knows line numbers, to name the first fault."""
    bad_rows: list[pa.csv.InvalidRow] = []
    try:
        _parse(path, types, threads=False, bad_rows=bad_rows)
    except pa.ArrowInvalid as error:
        if bad_rows:
            row = bad_rows[0]
            return InputError(
                f"{path}: line {row.number}: {row.actual_columns} columns; "
                f"{row.expected_columns} are allowed"
            )
        found = _CONVERSION.search(str(error))
        if found:
            name = header[int(found[1])]
            needed = "a whole number" if types.get(name) == pa.int64() else "a number"
            return InputError(f"{path}: line {found[2]}: {name} {found[3][:40]!r} is not {needed}")
        return InputError(f"{path}: not a readable CSV file ({' '.join(str(error).split())})")
    return InputError(f"{path}: changed while it was read")
