"""``workbench report``: a comparison as one HTML file that opens offline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report", help="a comparison as one HTML file that opens offline, charts interactive"
    )
    parser.add_argument("base", metavar="BASE_RUN", help="name of a run, or its folder")
    parser.add_argument("candidates", nargs="+", metavar="RUN")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="run store")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE")
    parser.add_argument("--replicates", type=int, default=1000, help="bootstrap replicates")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the file and name it."""
    from workbench.report import write_report
    from workbench.runs import open_run

    base = open_run(options.base, options.runs)
    candidates = [open_run(name, options.runs) for name in options.candidates]
    path = write_report(base, candidates, options.out, replicates=options.replicates)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    return 0
