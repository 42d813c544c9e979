"""``workbench compare``: the paired difference of runs to a base run, overall and per bucket."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workbench.commands.output import json_line, percent


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare", help="compare runs with a base run on the same test rows"
    )
    parser.add_argument("base", metavar="BASE_RUN", help="name of a run, or its folder")
    parser.add_argument("candidates", nargs="+", metavar="RUN")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="run store")
    parser.add_argument("--replicates", type=int, default=1000, help="bootstrap replicates")
    parser.add_argument("--json", action="store_true", help="one JSON line on standard output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare and print."""
    from workbench.insight.compare import compare
    from workbench.runs import open_run

    base = open_run(options.base, options.runs)
    candidates = [open_run(name, options.runs) for name in options.candidates]
    results = compare(base, candidates, replicates=options.replicates)
    if options.json:
        print(json_line({"base": base.name, "runs": results}))
        return 0
    # Tables are the result, so they go to standard output; a pipe gets them without colours.
    console = Console(highlight=False)
    for result in results:
        console.print(_table(base.name, result))
    return 0


def _table(base: str, result: dict[str, Any]) -> Table:
    table = Table(title=f"{result['run']} against {base} (95% paired bootstrap over users)")
    for column in ("training events", "users", "rows", "AUC", "difference", "interval", "RelaImpr"):
        table.add_column(column, justify="right")
    for row in [{**result, "bucket": "all"}, *result["buckets"]]:
        table.add_row(
            str(row["bucket"]),
            f"{row['users']:,}",
            f"{row['rows']:,}",
            f"{row['auc']:.4f}",
            f"{row['delta_auc']:+.4f}",
            f"{row['ci_low']:+.4f} to {row['ci_high']:+.4f}",
            percent(row["rela_impr"]),
        )
    return table
