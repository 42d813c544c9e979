"""Writes figures: JSON with one cell a line, Markdown, and a chart; aggregates only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.reproduce.cells import Cell
from workbench.runs.files import replacing, to_json, write_text

if TYPE_CHECKING:
    import altair as alt

RESULTS = Path("data/results")


def read_cells(path: Path) -> tuple[list[Cell], list[Cell]]:
    """Cells and missing cells of an earlier file; none where there is no file.

    Raises:
        InputError: not such a file.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        cells, missing = values["cells"], values.get("missing", [])
        if not all(isinstance(cell, dict) for cell in [*cells, *missing]):
            raise ValueError("a cell is not an object")
    except FileNotFoundError:
        return [], []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not a file of results ({error}); move it away") from None
    return list(cells), list(missing)


def write_cells(path: Path, cells: Sequence[Cell], missing: Sequence[Cell], **about: Any) -> None:
    """Write the cells, one a line, so that a change can be read.

    Raises:
        InputError: the file cannot be written.
    """
    parts = [f'"{key}": {to_json(value)}' for key, value in about.items()]
    for key, values in (("cells", cells), ("missing", missing)):
        lines = ",\n".join(to_json(value) for value in values)
        parts.append(f'"{key}": [\n{lines}\n]' if lines else f'"{key}": []')
    make_folder(path.parent)
    write_text(path, "{" + ",\n".join(parts) + "}\n")


def merge(old: Sequence[Cell], new: Sequence[Cell], keys: Sequence[str]) -> list[Cell]:
    """New cells in place of the old ones that agree in `keys`; the others stay, in order."""

    def key(cell: Cell) -> str:
        return to_json([cell.get(name) for name in keys])

    merged = {key(cell): cell for cell in old}
    merged |= {key(cell): cell for cell in new}
    return list(merged.values())


def write_chart(stem: Path, chart: alt.TopLevelMixin) -> list[Path]:
    """Write ``<stem>.svg``, or ``<stem>.vl.json`` where nothing here can draw SVG.

    Raises:
        InputError: the file cannot be written.
    """
    make_folder(stem.parent)
    try:
        import vl_convert  # noqa: F401
    except ImportError:
        path = stem.with_suffix(".vl.json")
        write_text(path, chart.to_json(indent=None) + "\n")
        return [path]
    path = stem.with_suffix(".svg")
    with replacing(path) as temporary:
        chart.save(str(temporary), format="svg")
    return [path]


def make_folder(folder: Path) -> None:
    """Make sure of a folder to write to.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror})") from None
