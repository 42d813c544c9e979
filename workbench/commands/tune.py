"""``workbench tune``: search for settings on validation AUC; the test rows are never read."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.commands.output import json_line
from workbench.commands.settings import add_options, assignments, config_from
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.config import ExperimentConfig
    from workbench.tuning.space import Space

SEARCHED = {
    "lr": "--lrs",
    "dim": "--dims",
    "weight_decay": "--weight-decays",
    "alpha": "--alphas",
    "k": "--ks",
    "mask_range": "--mask-lows and --mask-widths",
}
"""Option of ``workbench train`` -> what narrows its search here."""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "tune", help="search for settings on validation AUC"
    )
    add_options(parser)
    add = parser.add_argument
    add("--trials", type=int, required=True, metavar="N", help="in total, those of earlier calls")
    add("--jobs", type=int, default=1, metavar="J", help="processes at a time, a thread each")
    add(
        "--study",
        metavar="FILE|URL",
        help="SQLite file to start or go on with; or what several machines share and take trials "
        "from: postgresql://..., mysql://..., or journal:FILE on a shared disk",
    )
    add("--out", type=Path, default=Path("runs/tune"), metavar="DIR", help="where results go")
    add(
        "--with-base",
        action="store_true",
        help="give the base as many trials; the last one of each side is what the other found",
    )
    add(
        "--last-trial",
        metavar="JSON",
        help='parameters of the last trial, such as another search\'s best: {"lr": 0.01}',
    )
    add("--lrs", type=float, nargs="+", metavar="LR", help="learning rates; default: the paper's")
    add("--dims", type=int, nargs="+", metavar="DIM", help="default: the paper's 16 to 256")
    for name, kind, help_text in (
        ("--weight-decays", float, "log scale"),
        ("--alphas", float, "weight of L_aux, log scale"),
        ("--ks", int, "copies"),
        ("--mask-lows", float, "lower end of p"),
        ("--mask-widths", float, "upper end less lower end of p"),
        ("--strength", float, "a rival's own setting"),
    ):
        add(name, type=kind, nargs=2, metavar=("LOW", "HIGH"), help=help_text)
    add("--weight-scales", type=float, nargs="+", metavar="SCALE", help="1 is the paper's")
    add(
        "--choose",
        action="append",
        metavar="KEY=LIST",
        help="search any other key, e.g. framework.detach_state=[true,false] (may be repeated); "
        "the search starts from the first value",
    )
    add("--json", action="store_true", help="end with one JSON line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Search, write the best config and say where it is."""
    from workbench.tuning.study import is_server, need_optuna

    need_optuna()
    for option, instead in SEARCHED.items():
        if getattr(options, option) is not None:
            name = "--" + option.replace("_", "-")
            raise InputError(f"{name}: is searched; narrow the search with {instead}")
    config, space = config_from(options), _space(options)
    if options.with_base and config.method == "base":
        raise InputError("--with-base: the variant is the base itself")
    if options.with_base and options.study is not None and not is_server(options.study):
        raise InputError("--with-base: makes two studies; name their folder with --out instead")
    if options.with_base and options.last_trial is not None:
        raise InputError("--last-trial: cannot be given with --with-base, which sets it")
    if options.with_base:
        results = _both(options, config, space)
    else:
        results = [_search(options, config, space, options.trials, _last_trial(options))]
    if options.json:
        base = {"base": results[0]} if options.with_base else {}
        print(json_line(results[-1] | base))
    else:
        for result in results:
            print(result["config"])
    return 0


def _both(
    options: argparse.Namespace, config: ExperimentConfig, space: Space
) -> list[dict[str, Any]]:
    """Search for base, then method; no side loses by settings that only the other met."""
    # A range of the mask or the adapter means nothing to the base.
    sides = [(_as_base(config), space.without_framework()), (config, space)]
    if options.trials < 2:
        return [_search(options, *side, options.trials) for side in sides]
    base, own = [_search(options, *side, options.trials - 1) for side in sides]
    shared = {key: own["params"][key] for key in base["params"]}
    crossed = (shared, base["params"])
    return [
        _search(options, *side, options.trials, last)
        for side, last in zip(sides, crossed, strict=True)
    ]


def _last_trial(options: argparse.Namespace) -> dict[str, Any] | None:
    """The parameters behind ``--last-trial``.

    Raises:
        InputError: not a JSON object.
    """
    from workbench.runs.files import parse_object

    if options.last_trial is None:
        return None
    return parse_object(options.last_trial, "--last-trial")


def _search(
    options: argparse.Namespace,
    config: ExperimentConfig,
    space: Space,
    trials: int,
    last: dict[str, Any] | None = None,
) -> dict[str, Any]:
    from workbench.presets import result_stem
    from workbench.tuning.report import report, write_report
    from workbench.tuning.search import search
    from workbench.tuning.study import Plan, is_server

    name = result_stem(config.data.source, config.model.name, config.method)
    server = options.study if options.study is not None and is_server(options.study) else ""
    own = Path(options.study) if options.study and not server else None
    plan = Plan(
        own or options.out / f"{name}.db",
        config,
        space,
        trials,
        options.jobs,
        config.training.seed,
        server,
    )
    title = f"{config.model.name} {config.method}"
    print(f"{title}: {trials} trials, {plan.place}", file=sys.stderr)
    found = search(plan, lambda line: print(f"{title} {line}", file=sys.stderr, flush=True), last)
    command = _command(options, config, last)
    stem = own.with_suffix("") if own is not None else options.out / name
    yaml_path, json_path = write_report(stem, found, command)
    print(
        f"{title}: best validation AUC {found.value:.4f} of {found.trials} trials "
        f"({found.pruned} pruned, {found.diverged} diverged); workbench train --config {yaml_path}"
        + (" --from DIR" if config.data.folder is not None else ""),
        file=sys.stderr,
    )
    files = {"study": plan.place, "config": str(yaml_path), "report": str(json_path)}
    return report(found, command) | files


def _space(options: argparse.Namespace) -> Space:
    from workbench.tuning.space import Space

    given = {
        "lrs": options.lrs,
        "dims": options.dims,
        "weight_decay": options.weight_decays,
        "alpha": options.alphas,
        "k": options.ks,
        "mask_low": options.mask_lows,
        "mask_width": options.mask_widths,
        "weight_scales": options.weight_scales,
        "strength": options.strength,
        "choices": _choices(options.choose),
    }
    return Space.parse({key: value for key, value in given.items() if value is not None})


def _choices(settings: list[str] | None) -> dict[str, Any] | None:
    """``KEY=LIST`` texts as key -> values.

    Raises:
        InputError: a text without "=", or what is behind it is no list.
    """
    if settings is None:
        return None
    choices = {}
    for text in settings:
        key, _, _ = text.partition("=")
        values: Any = assignments([text], "--choose")
        for part in key.split("."):
            values = values[part]
        if not isinstance(values, list):
            raise InputError(f"--choose '{text}': KEY=[VALUE, VALUE, ...] is expected")
        choices[key] = values
    return choices


def _as_base(config: ExperimentConfig) -> ExperimentConfig:
    """The same experiment without the framework or rival, whose settings go back to defaults."""
    from workbench.config import ExperimentConfig

    values = config.model_dump(exclude={"framework", "rival"})
    return ExperimentConfig.parse(values | {"framework": {"variant": "base"}})


def _command(
    options: argparse.Namespace, config: ExperimentConfig, last: dict[str, Any] | None
) -> str:
    """How to make it again; ``DIR`` stands for the folder of the raw files."""
    from workbench.tuning.study import shown

    words = ["workbench", "tune", "--data", config.data.source]
    if config.data.folder is not None:
        words += ["--from", "DIR"]
    words += ["--model", config.model.name, "--variant", config.method]
    # What decides the figures; where they are written does not.
    skipped = {"data", "folder", "model", "variant", "run", "command", "json", "jobs", "with_base"}
    skipped |= {"out", "study", "last_trial"}
    for name, value in sorted(vars(options).items()):
        if name in skipped or value is None or value == [] or value is False:
            continue
        option = "--" + name.replace("_", "-")
        if name in ("set", "choose"):
            for setting in value:
                words += [option, setting]
        elif isinstance(value, list):
            words += [option, *map(str, value)]
        else:
            words += [option, shown(str(value)) if name == "study" else str(value)]
    if last is not None:
        words += ["--last-trial", json.dumps(last)]
    return shlex.join(words)
