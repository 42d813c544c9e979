"""``workbench sweep``: a run for every combination of settings and seeds, many side by side."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.commands.output import json_line
from workbench.commands.settings import add_options
from workbench.commands.sweep_grid import Setting, grid_configs, grid_settings, words
from workbench.commands.train import JSON_KEYS
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.runs import RunStore
    from workbench.training.side_by_side.runs import Outcome

ON_GPU = 16
"""Models side by side on a GPU unless told otherwise. On a CPU one model at a time: it has no idle
units that a second model could use."""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "sweep", help="train a grid of settings and seeds, many models side by side"
    )
    add_options(parser)
    add = parser.add_argument
    add("--seeds", type=int, nargs="+", metavar="N", help="every setting is trained with each")
    add(
        "--grid",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE,VALUE",
        help="keys of the config and their values, a range as LOW:HIGH; e.g. "
        "framework.alpha=0.1,0.2 framework.mask_range=0.1:0.3,0.1:0.5",
    )
    add(
        "--side-by-side",
        type=int,
        metavar="N",
        help=f"models in one batched model; default: {ON_GPU} on a GPU, 1 on a CPU",
    )
    add("--missing", action="store_true", help="train only what the store has no finished run of")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="run store")
    add("--name", help="of the runs, each followed by its number; made from settings by default")
    add("--json", action="store_true", help="end with one JSON line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train what the grid asks for and print a line for each run."""
    settings = grid_settings(options.grid, options.seeds)
    if settings == [{}]:
        raise InputError("sweep: nothing to sweep over; give --grid, --seeds or both")
    if options.side_by_side is not None and options.side_by_side < 1:
        raise InputError(f"--side-by-side {options.side_by_side}: must be 1 or more")
    configs = grid_configs(options, settings)
    from workbench.runs import RunStore
    from workbench.training.side_by_side.progress import SweepProgress
    from workbench.training.side_by_side.runs import Plan, train_runs

    store = RunStore(options.runs)
    names = _names(options.name, store, len(configs))
    progress = SweepProgress(zip(configs, map(words, settings), strict=True))
    plan = Plan(
        configs=configs,
        store=store,
        at_once=options.side_by_side or _usual(configs[0].training.device),
        names=names,
        only_missing=options.missing,
        ended=progress.ended,
        told=progress.epoch_done,
        hooks=progress.hooks,
    )
    outcomes = train_runs(plan)
    _report(settings, outcomes, as_json=options.json)
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def _usual(device: str) -> int:
    from workbench.training.experiment import pick_device

    return ON_GPU if pick_device(device).type == "cuda" else 1


def _names(prefix: str | None, store: RunStore, count: int) -> list[str | None]:
    """``<prefix>-01``, ``<prefix>-02``, ...; all are checked before the first is used.

    Raises:
        InputError: a name that is taken or not allowed.
    """
    from workbench.runs.files import check_new_name

    if prefix is None:
        return [None] * count
    width = len(str(count))
    names: list[str | None] = []
    for number in range(1, count + 1):
        name = check_new_name(f"{prefix}-{number:0{width}d}")
        if os.path.lexists(store.root / name):
            raise InputError(f"run '{name}' exists already; choose another --name")
        names.append(name)
    return names


def _report(settings: Sequence[Setting], outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    if as_json:
        pairs = zip(settings, outcomes, strict=True)
        print(json_line({"runs": [_record(setting, outcome) for setting, outcome in pairs]}))
        return
    for setting, outcome in zip(settings, outcomes, strict=True):
        print(_line(setting, outcome))


def _line(setting: Setting, outcome: Outcome) -> str:
    run = outcome.run
    if outcome.problem is not None or run is None or run.summary is None:
        return f"{words(setting)}: {outcome.problem or 'stopped on request'}"
    summary = run.summary
    return (
        f"{words(setting)}: test AUC {summary['test_auc']:.4f}, UAUC {summary['test_uauc']:.4f}, "
        f"valid AUC {summary['valid_auc']:.4f} (epoch {summary['best_epoch']} of "
        f"{summary['epochs']}), {run.name}"
    )


def _record(setting: Setting, outcome: Outcome) -> dict[str, Any]:
    run = outcome.run
    summary = (run.summary if run is not None else None) or {}
    return {
        "run": None if run is None else run.name,
        "settings": setting,
        "problem": outcome.problem,
        **{key: summary.get(key) for key in JSON_KEYS},
    }
