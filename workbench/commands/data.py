"""``workbench data``: which data sets there are, your own tables, and preparing them once."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workbench.commands.output import json_line
from workbench.config import ExperimentConfig
from workbench.errors import InputError


def add_parser(commands: Any) -> None:
    """Declare the command and its parts."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "data", help="list and fetch data sets, bring your own tables"
    )
    parts = parser.add_subparsers(dest="part", required=True, metavar="list|fetch|init|prepare")
    listing = parts.add_parser("list", help="the data sets and their licences")
    listing.set_defaults(run=list_sources)
    fetching = parts.add_parser("fetch", help="download a data set from its publisher")
    fetching.add_argument("source", help="movielens-1m")
    fetching.add_argument("--to", type=Path, default=Path("data/raw"), metavar="DIR")
    fetching.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="no download: check files that are here already",
    )
    fetching.set_defaults(run=fetch)
    starting = parts.add_parser("init", help="look at your tables and write their schema.yaml")
    starting.add_argument(
        "tables",
        nargs="+",
        type=Path,
        metavar="TABLE",
        help="CSV or Parquet: one flat table, or a log with its user and item tables",
    )
    starting.add_argument(
        "--out", type=Path, metavar="FILE", help="schema.yaml or its folder; default: by the tables"
    )
    starting.add_argument("--name", help="of the data set; default: the log's file name")
    starting.add_argument("--force", action="store_true", help="replace an existing schema")
    starting.set_defaults(run=init)
    preparing = parts.add_parser("prepare", help="raw files to ready tensors, kept on disk")
    preparing.add_argument(
        "source", help="your schema.yaml or its folder; or planted, movielens-1m, kuairand-pure"
    )
    preparing.add_argument("--from", dest="folder", metavar="DIR", help="where the raw files are")
    preparing.add_argument("--out", type=Path, required=True, metavar="DIR")
    preparing.add_argument("--split", choices=("default", "random", "time", "users", "items"))
    preparing.add_argument("--split-seed", type=int, metavar="N")
    preparing.add_argument(
        "--drop-bad-rows",
        action="store_true",
        help="leave out rows of your tables that do not fit, and count them in the data card",
    )
    preparing.add_argument(
        "--stream",
        action="store_true",
        help="for data larger than memory: training reads the rows from disk",
    )
    preparing.add_argument("--json", action="store_true", help="print the data card as JSON")
    preparing.set_defaults(run=prepare)


def list_sources(options: argparse.Namespace) -> int:
    """One line per source."""
    from workbench.data.registry import SOURCES

    table = Table()
    for column in ("data set", "what it is", "licence", "needs --from"):
        table.add_column(column)
    for source in SOURCES.values():
        needs = "yes" if source.needs_folder else "no"
        table.add_row(source.name, source.description, source.licence, needs)
    Console(highlight=False).print(table)
    return 0


def fetch(options: argparse.Namespace) -> int:
    """Download and check, or only check what is there."""
    from workbench.data.registry import fetch_source

    where = fetch_source(options.source, destination=options.to, folder=options.folder)
    print(where)
    print(f"ready: workbench train --data {options.source} --from {where}", file=sys.stderr)
    return 0


def init(options: argparse.Namespace) -> int:
    """Guess the schema of some tables."""
    from workbench.data.tables.schema_text import init_schema

    path = init_schema(options.tables, options.out, name=options.name, replace=options.force)
    print(path)
    print(
        f"read it, mend what is wrong; then: workbench data prepare {shlex.quote(str(path))} "
        "--out FOLDER",
        file=sys.stderr,
    )
    return 0


def prepare(options: argparse.Namespace) -> int:
    """Read, split, encode, store; print what was read and what was left out."""
    from workbench.data.registry import SOURCES

    path = Path(options.source)
    if path.suffix in (".yaml", ".yml") and not path.exists():
        raise InputError(f"{path}: there is no such file; `workbench data init TABLE` writes one")
    if options.source in SOURCES or not path.exists():
        card = _prepare_source(options)
    else:
        card = _prepare_tables(options)
    if options.json:
        print(json_line(card))
    else:
        print(options.out)
        for key, value in card.items():
            if key not in ("guesses", "columns"):  # these are in the schema already
                print(f"{key}: {value}", file=sys.stderr)
        ready = f"workbench train --data {shlex.quote(str(options.out))}"
        print(f"ready: {ready}", file=sys.stderr)
    return 0


def _prepare_source(options: argparse.Namespace) -> dict[str, Any]:
    from workbench.data.registry import load
    from workbench.data.store import save_dataset
    from workbench.data.stream.save import save_streamed

    if options.drop_bad_rows:
        raise InputError("--drop-bad-rows is for your own tables: name their schema.yaml")
    values = {
        "source": options.source,
        "folder": options.folder,
        "split": options.split or "default",
        "split_seed": options.split_seed or 0,
    }
    dataset = load(ExperimentConfig.parse({"data": values}).data)
    (save_streamed if options.stream else save_dataset)(dataset, options.out)
    return dataset.card


def _prepare_tables(options: argparse.Namespace) -> dict[str, Any]:
    from workbench.data.tables.prepare import prepare_tables
    from workbench.data.tables.problems import TableProblems

    for option in ("folder", "split", "split_seed"):
        if getattr(options, option) is not None:
            name = {"folder": "--from", "split": "--split", "split_seed": "--split-seed"}[option]
            raise InputError(f"{name} cannot be given with a schema: it says so itself")
    try:
        return prepare_tables(
            Path(options.source),
            options.out,
            drop_bad_rows=options.drop_bad_rows,
            stream=options.stream,
        )
    except TableProblems as error:
        if len(error.problems) > 1:
            for problem in error.problems:
                print(problem, file=sys.stderr)
        raise
