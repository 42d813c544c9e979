"""``workbench train``: one run, from raw data to test scores."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.commands.output import json_line
from workbench.commands.settings import add_options, config_from
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.config import ExperimentConfig
    from workbench.runs import Run, RunStore

JSON_KEYS = (
    "test_auc",
    "test_uauc",
    "test_log_loss",
    "valid_auc",
    "best_epoch",
    "train_samples_per_second",
)


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser("train", help="train one model")
    add_options(parser)
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="run store")
    parser.add_argument("--name", help="the run's name; made from its settings by default")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run; its config is kept")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train or resume, then print the scores."""
    from workbench.runs import RunStore
    from workbench.training.distributed.launch import launched
    from workbench.training.experiment import resume_run, train_run
    from workbench.training.progress import ProgressHooks

    store = RunStore(options.runs)
    if launched():
        return _run_together(options, store)
    if options.resume is None:
        config = config_from(options)
        with ProgressHooks() as progress:
            done = train_run(config, store, name=options.name, hooks=progress)
    else:
        _refuse_settings(options)
        with ProgressHooks() as progress:
            done = resume_run(store, options.resume, hooks=progress)
    _report(done, as_json=options.json)
    return 0


def _run_together(options: argparse.Namespace, store: RunStore) -> int:
    """`run` in one of several processes that torchrun started; the first one speaks."""
    from workbench.training.distributed.experiment import train_together
    from workbench.training.hooks import Hooks
    from workbench.training.progress import ProgressHooks

    def checked() -> ExperimentConfig:
        if options.resume is not None:
            _refuse_settings(options)
            return store.open(options.resume).config
        return config_from(options)

    speaks = os.environ.get("RANK") == "0"
    with ProgressHooks() if speaks else nullcontext(Hooks()) as progress:
        done = train_together(
            checked, store, name=options.name, resume=options.resume, hooks=progress
        )
    if done is not None and done.summary is not None:
        _report(done, as_json=options.json)
    return 0


def _refuse_settings(options: argparse.Namespace) -> None:
    """A resumed run keeps its config: settings beside --resume would silently do nothing."""
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser)
    for action in parser._actions:
        if getattr(options, action.dest) not in (None, []):
            raise InputError(
                f"{action.option_strings[0]} cannot be given with --resume: run "
                f"'{options.resume}' keeps the config it was started with"
            )
    if options.name is not None:
        raise InputError("--name cannot be given with --resume: the run keeps its name")


def _report(done: Run, *, as_json: bool) -> None:
    summary = done.summary or {}
    print(
        f"{done.name}: test AUC {summary['test_auc']:.4f}, UAUC {summary['test_uauc']:.4f}, "
        f"log loss {summary['test_log_loss']:.4f} (epoch {summary['best_epoch']} of "
        f"{summary['epochs']}, {summary['train_samples_per_second']:,.0f} samples/s)",
        file=sys.stderr,
    )
    if as_json:
        print(json_line({"run": done.name} | {key: summary[key] for key in JSON_KEYS}))
