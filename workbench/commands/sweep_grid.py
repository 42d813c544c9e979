"""``--grid KEY=VALUE,VALUE ...`` as experiments: every combination, the last key fastest."""

from __future__ import annotations

import argparse
import copy
import math
import re
from collections.abc import Sequence
from itertools import product
from typing import Any

from workbench.commands.settings import KEYS, config_from, put
from workbench.config import ExperimentConfig
from workbench.errors import InputError

SEED = "training.seed"
_NUMBER = re.compile(r"[+-]?[\d.]+[eE][+-]?\d+")
_RANGE = re.compile(r"\s*[\d.eE+-]+:[\d.eE+-]+\s*")
MOST = 10_000
"""Experiments of one sweep, at most: more is a slip of the hand."""

Setting = dict[str, Any]
"""Key of the config -> the value that one experiment has there."""


def grid_settings(grid: Sequence[str], seeds: Sequence[int] | None) -> list[Setting]:
    """Every combination of the grid's values, each with every seed.

    Args:
        grid: texts ``KEY=VALUE,VALUE``. Commas within brackets belong to a value, and ``LOW:HIGH``
            is a range: ``framework.mask_range=0.1:0.3,0.1:0.5``.
        seeds: of training; None keeps the one of the config.

    Raises:
        InputError: no "=", a key without values or named twice, a value twice, too many settings.
    """
    axes: dict[str, list[Any]] = {}
    for text in grid:
        key, separator, values = text.partition("=")
        if not separator or not key:
            raise InputError(f"--grid '{text}': KEY=VALUE,VALUE is expected")
        if key in axes:
            raise InputError(f"--grid {key}: is named twice; list all its values once")
        axes[key] = [_value(key, part) for part in _split(text, values)]
    if seeds is not None:
        if SEED in axes:
            raise InputError(f"--grid {SEED}: cannot be given with --seeds")
        axes[SEED] = list(seeds)
    for key, given in axes.items():
        if any(value in given[:place] for place, value in enumerate(given)):
            raise InputError(f"{_option(key)}: a value is listed twice in {given}")
    total = math.prod(len(given) for given in axes.values())
    if total > MOST:
        raise InputError(f"--grid: {total:,} settings; at most {MOST:,} are allowed")
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def grid_configs(
    options: argparse.Namespace, settings: Sequence[Setting]
) -> list[ExperimentConfig]:
    """The experiment of each setting: everything else is as the options say.

    Raises:
        InputError: a key or value that is not allowed, a setting that changes nothing, or options
            that set what the grid sets.
    """
    for option, key in KEYS.items():
        if getattr(options, option) is not None and any(key in setting for setting in settings):
            name = "--" + option.replace("_", "-")
            raise InputError(f"{name}: cannot be given with {_option(key)}, which sets {key} too")
    own = config_from(options)
    configs = []
    for setting in settings:
        values = own.model_dump(mode="json")
        for key, value in setting.items():
            put(values, key, copy.deepcopy(value), f"--grid {key}")
        configs.append(ExperimentConfig.parse(values, "--grid"))
    places: dict[str, int] = {}
    for place, config in enumerate(configs):
        first = places.setdefault(config.fingerprint(), place)
        if first != place:
            raise InputError(
                f"--grid: {words(settings[first])} and {words(settings[place])} are the same "
                "experiment"
            )
    return configs


def words(setting: Setting) -> str:
    """``alpha=0.1 mask_range=0.1:0.5 seed=0``."""
    return " ".join(f"{key.rpartition('.')[2]}={_shown(value)}" for key, value in setting.items())


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ":".join(_shown(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _split(text: str, values: str) -> list[str]:
    """Cut at the commas outside of brackets."""
    parts, depth = [""], 0
    for sign in values:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    if not all(part.strip() for part in parts):
        raise InputError(f"--grid '{text}': a value is missing; KEY=VALUE,VALUE is expected")
    return parts


def _value(key: str, text: str) -> Any:
    from workbench.data.tables.yaml_file import parse_yaml

    if _RANGE.fullmatch(text):
        return [_number(key, end) for end in text.split(":")]
    value = parse_yaml(text.encode(errors="surrogateescape"), f"--grid {key}")
    # YAML takes 1e-3 for a word.
    return _number(key, value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--grid {key}: '{text.strip()}' is not a number") from None


def _option(key: str) -> str:
    return "--seeds" if key == SEED else f"--grid {key}"
