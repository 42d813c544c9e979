"""What runs were trained with: their settings side by side, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench.runs import Run

RESULTS = ("valid_auc", "test_auc", "test_uauc", "test_log_loss", "seconds", "parameters")
"""Numbers of a run's summary that stand beside its settings."""


def settings(run: Run) -> dict[str, Any]:
    """The whole config as dotted keys, in the config's order: ``{"training.lr": 0.001, ...}``."""
    return flattened(run.config.model_dump(mode="json"))


def flattened(values: dict[str, Any], place: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inside = isinstance(value, dict)
        flat |= flattened(value, f"{place}{key}.") if inside else {place + key: value}
    return flat


def differences(one: Run, other: Run) -> pd.DataFrame:
    """The settings in which two runs differ.

    Returns:
        Columns `setting`, `one`, `other`; values as the config file has them, an absent key as "".
    """
    left, right = settings(one), settings(other)
    keys = [*left, *(key for key in right if key not in left)]
    rows = [
        {"setting": key, "one": _text(left, key), "other": _text(right, key)}
        for key in keys
        if left.get(key, _ABSENT) != right.get(key, _ABSENT)
    ]
    return pd.DataFrame(rows, columns=["setting", "one", "other"])


def side_by_side(runs: Sequence[Run], results: Sequence[str] = RESULTS) -> pd.DataFrame:
    """One row per run: its name, the settings that are not the same in all, and its results.

    Args:
        runs: with distinct names.
        results: keys of the summary; a run that has none gets nan.

    Returns:
        Columns `run`, `variant`, `seed`, a dotted key for each setting that varies (numbers stay
        numbers, anything else becomes text), and `results`.
    """
    flat = [settings(run) for run in runs]
    keys = list(dict.fromkeys(key for own in flat for key in own))
    varying = [
        key
        for key in keys
        if key not in _ALREADY and len({repr(own.get(key, _ABSENT)) for own in flat}) > 1
    ]
    rows = []
    for run, own in zip(runs, flat, strict=True):
        row: dict[str, Any] = {"run": run.name, "variant": run.variant, "seed": run.seed}
        row |= {key: _plain(own.get(key)) for key in varying}
        summary = run.summary or {}
        row |= {key: _number(summary.get(key)) for key in results}
        rows.append(row)
    return pd.DataFrame(rows, columns=["run", "variant", "seed", *varying, *results])


_ABSENT = object()
# They have columns of their own.
_ALREADY = ("framework.variant", "training.seed")


def _text(values: dict[str, Any], key: str) -> str:
    return str(values[key]) if key in values else ""


def _plain(value: Any) -> float | str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return "none" if value is None else str(value)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
