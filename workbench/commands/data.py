"""``workbench data``: which data sets there are, how to get them, and preparing them once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workbench.commands.output import json_line
from workbench.config import ExperimentConfig


def add_parser(commands: Any) -> None:
    """Declare the command and its three parts."""
    parser: argparse.ArgumentParser = commands.add_parser("data", help="list, fetch, prepare data")
    parts = parser.add_subparsers(dest="part", required=True, metavar="list|fetch|prepare")
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
    preparing = parts.add_parser("prepare", help="raw files to ready tensors, kept on disk")
    preparing.add_argument("source", help="planted, movielens-1m or kuairand-pure")
    preparing.add_argument("--from", dest="folder", metavar="DIR", help="where the raw files are")
    preparing.add_argument("--out", type=Path, required=True, metavar="DIR")
    preparing.add_argument("--split", choices=("default", "random", "time"), default="default")
    preparing.add_argument("--split-seed", type=int, default=0, metavar="N")
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


def prepare(options: argparse.Namespace) -> int:
    """Read, split, encode, store; print what was read and what was left out."""
    from workbench.data.registry import load
    from workbench.data.store import save_dataset

    values = {
        "source": options.source,
        "folder": options.folder,
        "split": options.split,
        "split_seed": options.split_seed,
    }
    dataset = load(ExperimentConfig.parse({"data": values}).data)
    save_dataset(dataset, options.out)
    if options.json:
        print(json_line(dataset.card))
    else:
        print(options.out)
        for key, value in dataset.card.items():
            print(f"{key}: {value}", file=sys.stderr)
    return 0
