"""``workbench table``: a store's finished runs as a results table, averaged over seeds."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from workbench.commands.output import json_line
from workbench.errors import InputError


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "table", help="finished runs as a results table, averaged over seeds"
    )
    parser.add_argument("runs", type=Path, metavar="DIR", help="run store")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the cells as JSON")
    parser.add_argument("--command", default="", help="how the runs were made; kept in the file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print Markdown; write aggregates, never rows of the data."""
    from workbench.insight.cells import markdown, result_cells
    from workbench.runs import RunStore

    finished = [run for run in RunStore(options.runs).list() if run.state == "finished"]
    if not finished:
        raise InputError(f"{options.runs}: no finished run in it")
    cells = result_cells(finished)
    if options.out is not None:
        # One cell a line, so that a change can be read.
        content = ",\n".join(json_line(cell | {"command": options.command}) for cell in cells)
        partial = options.out.with_name(f".{options.out.name}.part")
        try:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(f'{{"cells": [\n{content}\n]}}\n', encoding="utf-8")
            os.replace(partial, options.out)
        except OSError as error:
            raise InputError(f"--out {options.out}: cannot be written ({error.strerror})") from None
    print(markdown(cells), end="")
    return 0
