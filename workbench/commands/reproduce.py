"""``workbench reproduce``: the paper's tables and the regimes of the gain, as files of figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.commands.output import json_line
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.config import DataConfig
    from workbench.reproduce.make import Made

PARTS = ("table2", "table3", "table4", "regimes")


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "reproduce", help="the paper's tables, and where the gain lives"
    )
    add = parser.add_argument
    add("what", choices=PARTS, help="which table, or the regimes")
    add("--data", default="movielens-1m", help="planted, movielens-1m or kuairand-pure")
    add("--from", dest="folder", metavar="DIR", help="where the raw files are")
    add("--rows", type=int, metavar="N", help="size of the planted world; table2: 2,000,000")
    add("--seeds", type=int, default=5, metavar="N", help="training seeds 0 to N-1 (default: 5)")
    add("--jobs", type=int, default=1, metavar="J", help="processes at a time, a thread each")
    add("--models", nargs="+", metavar="MODEL", help="some of the models")
    add("--variants", nargs="+", metavar="VARIANT", help="some of the variants and rivals")
    add(
        "--preset",
        nargs="+",
        default=["paper"],
        metavar="NAME",
        help="paper, tuned, or the folder of results of `workbench tune`",
    )
    add("--only", nargs="+", metavar="PART", help="regimes: some of a to g")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting for all runs")
    add("--device", default="cpu", help="cpu repeats to the digit (default); auto, cuda, cuda:N")
    add("--runs", type=Path, default=Path("runs/reproduce"), metavar="DIR", help="run store")
    add("--out", type=Path, default=Path("data/results"), metavar="DIR", help="where figures go")
    add("--replicates", type=int, default=1000, help="bootstrap replicates")
    add("--json", action="store_true", help="end with one JSON line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make runs and figures; 1 where cells are missing."""
    made = _regimes(options) if options.what == "regimes" else _table(options)
    for cell in made.missing:
        place = " ".join(str(v) for k, v in cell.items() if k not in ("reason", "rows_made"))
        print(f"missing: {place}: {cell['reason']}", file=sys.stderr)
    if options.json:
        files = [str(path) for path in made.files]
        print(json_line({"files": files, "cells": made.cells, "missing": made.missing}))
    else:
        for path in made.files:
            print(path)
    return 1 if made.missing else 0


def _table(options: argparse.Namespace) -> Made:
    from workbench.commands.settings import assignments
    from workbench.reproduce.make import make_table
    from workbench.reproduce.tables import TABLES, plan_table
    from workbench.runs import RunStore

    if options.only:
        raise InputError(f"--only: {options.what} has no parts; choose --models or --variants")
    rows = 2_000_000 if options.what == "table2" and options.data == "planted" else None
    plans = plan_table(
        TABLES[options.what],
        data_config(options, rows),
        seeds=options.seeds,
        presets=words(options.preset) or ["paper"],
        models=words(options.models),
        methods=words(options.variants),
        settings=options.set,
        changes=assignments(options.set),
        device=options.device,
    )
    return make_table(
        TABLES[options.what],
        plans,
        RunStore(options.runs),
        options.out,
        processes=options.jobs,
        replicates=options.replicates,
    )


def _regimes(options: argparse.Namespace) -> Made:
    from workbench.commands.settings import assignments
    from workbench.reproduce.make_regimes import make_regimes
    from workbench.reproduce.regimes import plan_regimes
    from workbench.runs import RunStore

    plans = plan_regimes(
        data_config(options),
        seeds=options.seeds,
        parts=words(options.only),
        presets=words(options.preset) or ["paper"],
        models=words(options.models),
        methods=words(options.variants),
        settings=options.set,
        changes=assignments(options.set),
        device=options.device,
    )
    return make_regimes(
        plans,
        RunStore(options.runs),
        options.out,
        processes=options.jobs,
        replicates=options.replicates,
    )


def data_config(options: argparse.Namespace, rows: int | None = None) -> DataConfig:
    """The data that the options name.

    Args:
        rows: of the planted world, where ``--rows`` says nothing.

    Raises:
        InputError: ``--rows`` for data that is read, or a folder that is needed and not named.
    """
    from workbench.config import ExperimentConfig
    from workbench.data.registry import SOURCES

    source, folder = options.data, options.folder
    values: dict[str, Any] = {"source": source}
    if options.rows is not None and source != "planted":
        raise InputError(f"--rows {options.rows}: only the planted world can be made of any size")
    rows = options.rows if options.rows is not None else rows
    if rows is not None:
        values["planted"] = {"rows": rows}
    known = SOURCES.get(source)
    if known is not None and known.needs_folder and folder is None:
        raise InputError(
            f"--data {source}: name the folder of its files with --from DIR; {known.obtain}"
        )
    if folder is not None:
        if not Path(folder).expanduser().is_dir():
            raise InputError(f"--from {folder}: no such folder")
        # Runs remember where their data is, from wherever they are opened later.
        values["folder"] = str(Path(folder).expanduser().absolute())
    if known is None and Path(source).is_dir():
        values["source"] = str(Path(source).absolute())
    return ExperimentConfig.parse({"data": values}).data


def words(values: list[str] | None) -> list[str] | None:
    """Words separated by spaces or commas; None stays None."""
    if values is None:
        return None
    return [word for value in values for word in value.split(",") if word]
