"""Turns options of ``workbench train`` into an `ExperimentConfig`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.config import ExperimentConfig
from workbench.errors import InputError

# option of the parser -> key of the config; an option that was not given changes nothing
KEYS = {
    "data": "data.source",
    "folder": "data.folder",
    "split": "data.split",
    "split_seed": "data.split_seed",
    "model": "model.name",
    "dim": "model.dim",
    "variant": "framework.variant",
    "k": "framework.k",
    "alpha": "framework.alpha",
    "mask_range": "framework.mask_range",
    "lr": "training.lr",
    "weight_decay": "training.weight_decay",
    "batch_size": "training.batch_size",
    "epochs": "training.epochs",
    "patience": "training.patience",
    "seed": "training.seed",
    "device": "training.device",
    "precision": "training.precision",
    "compile": "training.compile",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that become the config; all default to the config's own defaults."""
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="YAML or JSON to start from")
    add("--data", help="planted, movielens-1m, kuairand-pure or a prepared folder")
    add("--from", dest="folder", metavar="DIR", help="where the raw files are")
    add("--split", choices=("default", "random", "time", "users", "items"))
    add("--split-seed", type=int, metavar="N")
    add("--model", help="fm, youtube_dnn, dcn_v2, ...; a wrong name lists them all")
    add("--variant", help="base, mask, adapter, full, or a rival such as dropoutnet or ssl")
    add(
        "--preset",
        help="paper, tuned, or the folder of results of `workbench tune`: settings to start from",
    )
    add("--k", type=int, help="augmented samples per sample")
    add("--alpha", type=float, help="weight of L_aux")
    add("--mask-range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="U[LOW, HIGH] of p")
    add("--dim", type=int, help="embedding dimension")
    add("--lr", type=float, help="Adam's learning rate")
    add("--weight-decay", type=float)
    add("--batch-size", type=int)
    add("--epochs", type=int)
    add("--patience", type=int, help="epochs without a better validation AUC")
    add("--seed", type=int)
    add("--device", help="auto, cpu, cuda or cuda:N")
    add("--precision", choices=("float32", "tf32", "bf16"), help="of matrix products")
    add("--compile", action="store_const", const=True, help="compile the losses: slow to start")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other key of the config, e.g. framework.weight_scale=2 (may be repeated)",
    )


def config_from(options: argparse.Namespace) -> ExperimentConfig:
    """The preset, then the config file, then the named options, then ``--set``.

    Raises:
        InputError: a file that cannot be read, an unknown preset or key, a value that is not
            allowed.
    """
    from workbench.data.registry import SOURCES
    from workbench.presets import RIVAL_NAMES, merged, method_settings

    values = _from_file(options.config) if options.config else {}
    for option, key in KEYS.items():
        given = getattr(options, option)
        if given is not None and not (option == "variant" and given in RIVAL_NAMES):
            put(values, key, given, "--" + option.replace("_", "-"))
    if options.variant in RIVAL_NAMES:
        values = merged(values, method_settings(options.variant))
    if options.preset is not None:
        values = merged(_preset(options.preset, values), values)
    _assign(values, options.set)
    # The run remembers where its data is, from wherever it is opened later.
    data = values.get("data", {})
    folder, source = data.get("folder"), data.get("source")
    if isinstance(folder, str):
        try:
            data["folder"] = str(Path(folder).expanduser().absolute())
        except RuntimeError as error:
            raise InputError(f"--from {folder}: {error}") from None
    if isinstance(source, str) and source not in SOURCES and os.path.isdir(source):
        data["source"] = str(Path(source).absolute())
    return ExperimentConfig.parse(values)


def assignments(settings: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """``KEY=VALUE`` texts as nested settings; `option` names their place in errors.

    Raises:
        InputError: a text without "=", or a value that is not YAML.
    """
    values: dict[str, Any] = {}
    _assign(values, settings, option)
    return values


def _assign(values: dict[str, Any], settings: Sequence[str], option: str = "--set") -> None:
    for assignment in settings:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise InputError(f"{option} '{assignment}': KEY=VALUE is expected")
        put(values, key, _parse(text, f"{option} {key}"), f"{option} {key}")


def put(values: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Set ``section.key`` of nested settings, in place; sections that are missing are made.

    Raises:
        InputError: a part of the key before its last one holds a value; `place` names where.
    """
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"{place}: '{section}' is not a section of the config")
    values[last] = value


def _preset(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The settings of a preset for the data, the model and the method that were asked for."""
    from workbench.presets import find_preset

    default = ExperimentConfig()
    source = values.get("data", {}).get("source", default.data.source)
    model = values.get("model", {}).get("name", default.model.name)
    method = values.get("rival", {}).get("name", "none")
    if method == "none":
        method = values.get("framework", {}).get("variant", default.framework.variant.value)
    return find_preset(name, str(source), str(model), str(method)).settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"--config {path}: {reason}") from None
    values = _parse(text, f"--config {path}")
    if not isinstance(values, dict):
        raise InputError(f"--config {path}: a mapping of sections is expected")
    for section, content in values.items():
        if section != "version" and not isinstance(content, dict):
            raise InputError(f"--config {path}: section '{section}' must be a mapping")
    return values


def _parse(text: str, place: str) -> Any:
    from workbench.data.tables.yaml_file import parse_yaml

    # What the shell hands over need not be text; the reader says so.
    return parse_yaml(text.encode(errors="surrogateescape"), place)
