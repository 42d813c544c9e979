"""Figures of reliability, written by the tests that measure them, and their table in the README.

An ordinary test run leaves the project as it was: only with ``WORKBENCH_RECORD=1`` in the
environment does a test write what it measured. ``tests/written_tables.py --write`` puts the table
that follows from the figures into the README.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "data" / "results" / "reliability.json"

ROWS = {
    "kills": "`kill -9` at random moments of training",
    "kills_survived": "of these, resumed to the same bits, at most the running epoch lost",
    "prepare_kills": "`kill -9` at random moments of `workbench data prepare`",
    "prepare_kills_survived": "of these, the data set was whole or absent, and the next try worked",
    "tune_kills": "`kill -9` at random moments of `workbench tune`",
    "tune_kills_survived": "of these, the study opened and went on",
    "fuzz_inputs": "fuzzed inputs over all loaders",
    "fuzz_targets": "loaders and parts of loaders that they went into",
    "fuzz_tracebacks": "of these inputs, errors other than one clear line",
    "defects_planted": "defects planted in a table",
    "defects_reported": "of these, reported in one go",
    "peak_memory_mib": "peak memory while a CSV of any size is prepared, MiB",
    "soak_minutes": "minutes of random clicks on the app",
    "soak_actions": "actions in that time",
    "soak_errors": "of these, errors on the page or in the log",
}
"""What each figure is, in the table's order. Keys that are not here are kept, but not shown."""


def record(**figures: Any) -> None:
    """Update keys of ``data/results/reliability.json``; does nothing without WORKBENCH_RECORD=1.

    Two tests may record at the same time: one waits for the other, and a reader never sees half a
    file.

    Args:
        figures: key and number, or a mapping of numbers; must survive JSON.
    """
    if os.environ.get("WORKBENCH_RECORD") != "1":
        return
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(FIGURES.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        values = read() if FIGURES.exists() else {}
        text = json.dumps(dict(sorted((values | figures).items())), indent=2, allow_nan=False)
        temporary = FIGURES.with_name(f".{FIGURES.name}.{os.getpid()}.tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, FIGURES)
    finally:
        os.close(folder)


def read() -> dict[str, Any]:
    """The figures recorded so far."""
    values: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return values


def table(figures: dict[str, Any]) -> str:
    """The README's table, a line per figure of `ROWS` that has been measured."""
    lines = ["| What | Figure |", "|---|---|"]
    lines += [f"| {what} | {figures[key]:,} |" for key, what in ROWS.items() if key in figures]
    return "\n".join(lines) + "\n"
