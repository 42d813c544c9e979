"""How a file is written: CSV or Parquet, the separator, and whether the first row names columns."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from workbench.data.tables.opened import decode_start, opened
from workbench.data.tables.problems import printable
from workbench.data.tables.schema_file import TableFile
from workbench.errors import InputError

_START = 256 << 10
_LINES = 200
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Dialect:
    """A file and the reason for each guess: field of `TableFile` -> reason."""

    file: TableFile
    reasons: dict[str, str]


def dialect_of(path: Path, name: str) -> Dialect:
    """Guess how a file is written.

    Args:
        path: the file.
        name: as the schema will call it.

    Raises:
        InputError: it cannot be read, is empty or has one column under every separator.
    """
    with opened(path) as stream:
        start = stream.read(_START)
    if start.startswith(b"PAR1"):
        return Dialect(TableFile(file=name, format="parquet"), {"format": "it begins with PAR1"})
    text = decode_start(start, path)
    whole = len(start) < _START
    found = {separator: _widths(text, separator, whole) for separator in SEPARATORS}
    usable = [(w, s) for s in SEPARATORS for w, _ in [_commonest(found[s])] if w > 1]
    if not usable:
        looked = ", ".join(SEPARATORS.values())
        raise InputError(f"{path.name}: one column only; looked for {looked} between fields")
    best = max(usable, key=lambda entry: (_commonest(found[entry[1]])[1] >= 0.9, entry[0]))
    width, separator = best
    share = _commonest(found[separator])[1]
    first = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    header, why = _header(first)
    return Dialect(
        TableFile.model_validate({"file": name, "separator": separator, "header": header}),
        {
            "separator": f"a {SEPARATORS[separator]} divides {share:.0%} of the first rows into "
            f"{width} fields",
            "header": why,
        },
    )


def _widths(text: str, separator: str, whole: bool) -> list[int]:
    """Fields of the first rows; the last row is left out where the text was cut off."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    widths = []
    try:
        for row in reader:
            if row:
                widths.append(len(row))
            if len(widths) > _LINES:
                break
    except csv.Error:
        return widths
    return widths if whole and len(widths) <= _LINES else widths[:-1]


def _commonest(widths: list[int]) -> tuple[int, float]:
    """The commonest number of fields, and the share of rows that have it."""
    if not widths:
        return 0, 0.0
    width = max(set(widths), key=widths.count)
    return width, widths.count(width) / len(widths)


def _header(first: list[str]) -> tuple[bool, str]:
    cells = [cell.strip() for cell in first]
    if cells == [str(place) for place in range(len(cells))]:
        return True, "the first row counts the columns from 0"
    numbers = [cell for cell in cells if _NUMBER.fullmatch(cell)]
    if numbers:
        return False, f"the first row holds a number ({printable(numbers[0])[:20]}), so no names"
    if sum(not cell for cell in cells) > 1:
        return False, "the first row has empty fields, so it holds no names"
    return True, "the first row holds no number, so it names the columns"
