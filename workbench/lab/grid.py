"""The runs that a response surface lacks, and how long they would take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.config import ExperimentConfig
from workbench.insight.response_surface import Setting
from workbench.insight.surface_runs import setting_of
from workbench.runs import Run


@dataclass(frozen=True)
class Grid:
    """What a surface should cover.

    Attributes:
        variant: "full" or "mask".
        alphas: weights of the auxiliary loss.
        k: copies, the same in every cell: their number then does not mix with their weight.
        mask_ranges: bounds of the masking probability.
        seeds: of training; each also needs a base run.
    """

    variant: str
    alphas: tuple[float, ...]
    k: int
    mask_ranges: tuple[tuple[float, float], ...]
    seeds: tuple[int, ...]


def missing(
    base: Run,
    bases: Mapping[int, Run],
    cells: Mapping[Setting, Sequence[Run]],
    grid: Grid,
    planned: Iterable[ExperimentConfig] = (),
) -> list[ExperimentConfig]:
    """Experiments of the grid that no run has, base runs first.

    Args:
        base: whose other settings all of them share.
        bases: base runs by seed.
        cells: the runs there are.
        grid: what is wanted.
        planned: experiments that are queued or under way; they are not missing.

    Raises:
        InputError: settings that do not fit together.
    """
    under_way = {config.fingerprint() for config in planned}
    wanted = [
        _changed(base.config, seed, {"variant": "base"}) for seed in grid.seeds if seed not in bases
    ]
    for low, high in grid.mask_ranges:
        for alpha in grid.alphas:
            for seed in grid.seeds:
                config = _changed(
                    base.config,
                    seed,
                    {
                        "variant": grid.variant,
                        "alpha": alpha,
                        "k": grid.k,
                        "mask_range": (low, high),
                    },
                )
                there = cells.get(setting_of(config), ())
                if all(run.seed != seed for run in there):
                    wanted.append(config)
    return [config for config in wanted if config.fingerprint() not in under_way]


def seconds_for(
    configs: Sequence[ExperimentConfig],
    bases: Mapping[int, Run],
    cells: Mapping[Setting, Sequence[Run]],
    places: int,
) -> tuple[float, bool]:
    """Seconds of training that experiments would take, from the runs there are.

    Returns:
        The estimate, nan where no run says how long it took; and whether it is an upper bound: with
        no masked run to go by, a masked copy is taken to cost as much as the sample itself.
    """
    of_base = _median(bases.values())
    of_cell = _median(run for runs in cells.values() for run in runs)
    bound = math.isnan(of_cell)
    total = 0.0
    for config in configs:
        own = config.framework
        copies = own.k if own.variant.has_mask else 0
        total += of_base if not copies else of_base * (1 + copies) if bound else of_cell
    return total / max(1, places), bound


def _median(runs: Iterable[Run]) -> float:
    known = [(run.summary or {}).get("seconds") for run in runs]
    numbers = [float(value) for value in known if value is not None]
    return float(np.median(numbers)) if numbers else math.nan


def _changed(
    config: ExperimentConfig, seed: int, framework: Mapping[str, object]
) -> ExperimentConfig:
    values = config.model_dump()
    values["framework"] |= framework
    values["training"] |= {"seed": seed, "changes": (), "device": "auto"}
    return ExperimentConfig.parse(values)
