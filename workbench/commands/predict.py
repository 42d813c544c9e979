"""``workbench predict``: probabilities for new rows, from a table of any size."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from workbench.commands.output import json_line


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "predict", help="probabilities for new rows, with a run's model and vocabularies"
    )
    parser.add_argument("name", metavar="RUN", help="a run's folder, or its name in --runs")
    parser.add_argument("table", type=Path, metavar="TABLE", help="CSV or Parquet, one column each")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV or Parquet")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="run store")
    parser.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="the data the run was trained on, for runs that do not carry their vocabularies",
    )
    parser.add_argument("--batch-size", type=int, default=16_384, metavar="N")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict, then say how many rows there were and what was unseen."""
    from workbench.runs import open_run
    from workbench.serving.predict import Predictor

    predictor = Predictor(open_run(options.name, options.runs), options.folder)
    report = predictor.predict_file(options.table, options.out, options.batch_size)
    unseen = ", ".join(f"{name} {rows:,}" for name, rows in report.unseen.items()) or "none"
    print(
        f"{options.out}: {report.rows:,} rows in {report.seconds:.1f} s; "
        f"rows with an unseen or missing value: {unseen}",
        file=sys.stderr,
    )
    if options.json:
        values = {"run": predictor.run.name, "out": str(options.out), "rows": report.rows}
        print(json_line(values | {"unseen": report.unseen, "seconds": report.seconds}))
    else:
        print(options.out)
    return 0
