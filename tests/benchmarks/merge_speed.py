"""Put what the benchmarks measured into data/results/speed.json, and draw it.

    python tests/benchmarks/merge_speed.py CELLS [CELLS ...]
    python tests/benchmarks/merge_speed.py --lines OUTPUT [OUTPUT ...]

The second takes what another benchmark printed, whose last line is JSON.

Rows that were measured again on the same processor or GPU replace the old ones, the others stay.
Table and chart are made from the file: ``data/results/speed.md`` and ``speed.svg``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # so that `tests` is found when this file is started by its path
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.peers.rows import Cell, Row, key_of, rows_of
from workbench.charts import speed
from workbench.errors import InputError
from workbench.reproduce.files import write_chart
from workbench.runs.files import to_json, write_text

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "data" / "results" / "speed.json"
TITLE = "Training speed on MovieLens-1M, one CPU thread"


def read_cells(folder: Path) -> list[Cell]:
    """All cells of a folder, by name.

    Raises:
        InputError: no cell there, or a file that is none.
    """
    cells = []
    for path in sorted(folder.glob("*.json")):
        try:
            cell = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(cell, dict) or "what" not in cell:
                raise ValueError("no key 'what'")
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a measured cell ({error}); move it away") from None
        cells.append(cell)
    if not cells:
        raise InputError(f"{folder}: no cells; bench_peers.py --out writes them")
    return cells


def read_line(path: Path) -> list[Row]:
    """The rows that a benchmark printed last, with machine and command beside each.

    Raises:
        InputError: no such output, or its last line holds no rows.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        cpu = {"cpu": found["machine"], "torch": found["torch"], "threads": found["threads"]}
        about = {"machine": cpu, "command": found["command"], "unit": "samples/s", "clock": "cpu"}
        return [about | row for row in found["rows"]]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{path}: not the output of a benchmark ({error!r})") from None


def merged(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Old rows with the newly measured ones in their places, sorted by their keys."""
    rows = {key_of(row): row for row in (*old, *new)}
    return [rows[key] for key in sorted(rows)]


def write(rows: Sequence[Row], path: Path) -> None:
    """One row a line, so that a change can be read.

    Raises:
        InputError: the file cannot be written.
    """
    lines = ",\n".join(to_json(row) for row in rows)
    write_text(path, f'{{"rows": [\n{lines}\n]}}\n')


def main(arguments: list[str] | None = None) -> int:
    """Merge, write, draw, and say how far the goals are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cells", nargs="*", type=Path, help="folders that bench_peers.py wrote")
    parser.add_argument("--lines", nargs="+", type=Path, default=[], help="outputs of others")
    parser.add_argument("--out", type=Path, default=FIGURES)
    options = parser.parse_args(arguments)
    try:
        old = speed.read(options.out) if options.out.exists() else []
        new = rows_of([cell for folder in options.cells for cell in read_cells(folder)])
        new += [row for path in options.lines for row in read_line(path)]
        rows = merged(old, new)
        write(rows, options.out)
        write_text(options.out.with_suffix(".md"), speed.markdown(rows))
        print(f"{options.out}: {len(rows)} rows")
        if len(speed.frame(rows)):
            print(*write_chart(options.out.with_suffix(""), speed.chart(rows, TITLE)))
            print(speed.sentence(rows))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
