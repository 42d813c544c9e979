"""The response surface of finished runs: which of them belong to it, and what they say together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.insight.response_surface import Optimum, Setting, drawn_values, summary
from workbench.insight.samples import check_same_samples, read_predictions
from workbench.runs import Run

AXES = ("variant", "k", "alpha", "mask_range")
"""Settings of the framework in which the runs of a surface may differ from their base."""


def setting_of(config: ExperimentConfig) -> Setting:
    """The place of an experiment on the surface."""
    low, high = config.framework.mask_range
    return round(config.effective_aux_weight, 6), low, high


def cells_of(base: Run, runs: Sequence[Run], variant: str) -> dict[Setting, list[Run]]:
    """The runs of a variant that differ from the base by nothing but the surface's axes and seeds.

    A run whose settings were moved while it trained has no place on the surface.

    Args:
        base: an unmasked base run.
        runs: finished ones, of any kind.
        variant: "full" or "mask".

    Returns:
        Setting -> its runs, by seed; settings in ascending order.
    """
    wanted = _rest(base.config)
    cells: dict[Setting, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.seed, run.name)):
        if run.variant == variant and _rest(run.config) == wanted:
            cells.setdefault(setting_of(run.config), []).append(run)
    return {setting: cells[setting] for setting in sorted(cells)}


def bases_of(base: Run, runs: Sequence[Run]) -> dict[int, Run]:
    """The base and its twins of other seeds, by seed."""
    found = {base.seed: base}
    for run in runs:
        if run.group == base.group:
            found.setdefault(run.seed, run)
    return found


def surface_of_runs(
    bases: Mapping[int, Run],
    cells: Mapping[Setting, Sequence[Run]],
    *,
    metric: str = "auc",
    replicates: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[pd.DataFrame, dict[str, Optimum]]:
    """`workbench.insight.response_surface.response_surface` for runs of several seeds.

    Every run is paired with the base of its seed; a setting's difference is the mean over its runs.
    All settings are compared on the same draws of users, so the interval speaks of other users, not
    of other seeds.

    Args:
        bases: by seed.
        cells: setting -> runs; those of a seed without base are left out.
        metric, replicates, seed, level: of the bootstrap.

    Returns:
        Its frame, with `runs` (how many), `seeds`, `run` (the name of the first) and `valid_delta`
        (mean difference of the best validation AUC; nan where a run does not say it); and its
        optima.

    Raises:
        InputError: no run that can be paired, or runs whose test samples differ.
    """
    paired = {
        setting: [run for run in runs if run.seed in bases] for setting, runs in cells.items()
    }
    paired = {setting: runs for setting, runs in paired.items() if runs}
    if not paired:
        raise InputError("no run of the surface has the seed of a base run")
    used = {run.seed for runs in paired.values() for run in runs}
    models = [bases[number] for number in sorted(used)]
    models += [run for runs in paired.values() for run in runs]
    first = read_predictions(models[0])
    scores = [first["logit"].to_numpy(np.float32)]
    for run in models[1:]:
        rows = read_predictions(run)
        check_same_samples(models[0], first, run, rows)
        scores.append(rows["logit"].to_numpy(np.float32))
    values, draws, users = drawn_values(scores, first, metric, replicates, seed)
    place = {run.path: position for position, run in enumerate(models)}
    value, delta, drawn = [], [], []
    for runs in paired.values():
        own = [place[run.path] for run in runs]
        its = [place[bases[run.seed].path] for run in runs]
        value.append(values[own].mean())
        delta.append((values[own] - values[its]).mean())
        drawn.append((draws[own] - draws[its]).mean(axis=0))
    settings = np.array(list(paired), dtype=np.float64)
    frame, optimum = summary(
        settings, np.array(value), np.array(delta), np.stack(drawn), users, level
    )
    frame["runs"] = [len(runs) for runs in paired.values()]
    frame["seeds"] = [len({run.seed for run in runs}) for runs in paired.values()]
    frame["run"] = [runs[0].name for runs in paired.values()]
    frame["valid_delta"] = [_valid_delta(runs, bases) for runs in paired.values()]
    return frame, optimum


def _valid_delta(runs: Sequence[Run], bases: Mapping[int, Run]) -> float:
    pairs = [((run.summary or {}), (bases[run.seed].summary or {})) for run in runs]
    values = [
        one["valid_auc"] - other["valid_auc"]
        for one, other in pairs
        if one.get("valid_auc") is not None and other.get("valid_auc") is not None
    ]
    return float(np.mean(values)) if len(values) == len(pairs) else math.nan


def _rest(config: ExperimentConfig) -> dict[str, Any]:
    """All settings but the axes, the seed, and what changes no number."""
    values = config.model_dump(mode="json")
    for key in AXES:
        values["framework"].pop(key)
    for key in ("seed", "device", "log_every"):
        values["training"].pop(key)
    values["data"].pop("folder")
    return values
