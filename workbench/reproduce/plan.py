"""Which runs a cell of a table needs: a model, a method, a preset, some seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.config import DataConfig, ExperimentConfig
from workbench.models import model_class
from workbench.presets import find_preset, merged, method_settings
from workbench.reproduce.jobs import Job

BASE = "base"


@dataclass(frozen=True)
class CellPlan:
    """One cell: a method on a model and a data set, over seeds.

    Attributes:
        source, model, method, preset: what it is; `method` is a variant or a rival.
        configs: an experiment per seed.
        trials: configurations that were compared on validation to choose these settings.
        command: makes the same cell again.
        about: further columns of the cell, such as the place on a curve.
        hidden: shares of missing values at which the test rows are scored as well.
        is_base: whether the other cells of its place are compared with this one.
    """

    source: str
    model: str
    method: str
    preset: str
    configs: tuple[ExperimentConfig, ...]
    trials: int
    command: str
    about: dict[str, Any] = field(default_factory=dict)
    hidden: tuple[float, ...] = ()
    is_base: bool = False

    def jobs(self) -> list[Job]:
        """A run per seed."""
        return [Job(config, self.hidden) for config in self.configs]

    @property
    def place(self) -> tuple[Any, ...]:
        """What a cell and its base have in common."""
        return self.source, self.preset, self.model, tuple(sorted(self.about.items()))


def plan_cell(
    data: DataConfig,
    model: str,
    method: str,
    preset: str,
    seeds: Sequence[int],
    command: str,
    *,
    device: str = "cpu",
    changes: dict[str, Any] | None = None,
    about: dict[str, Any] | None = None,
    hidden: Sequence[float] = (),
    is_base: bool | None = None,
    like: str | None = None,
) -> CellPlan:
    """Look the preset up and make a config per seed.

    Args:
        data: where it is trained.
        model, method, preset: see `workbench.presets.find_preset`.
        seeds: of the training; the split's seed is the data's.
        command: kept in the cell.
        device: as in `TrainingConfig.device`.
        changes: settings on top of the preset, nested as in the config.
        about, hidden: see `CellPlan`.
        is_base: None: where the method is the base.
        like: the method whose preset is taken instead, for a rival that only adds to it.

    Raises:
        InputError: an unknown model, a preset without these settings, or a setting that is not
            allowed.
    """
    found = find_preset(preset, data.source, model, like or method)
    own = method_settings(method) if like else {}
    configs = tuple(
        ExperimentConfig.parse(
            merged(
                {"data": data.model_dump(), "model": {"name": model}},
                found.settings,
                own,
                changes or {},
                {"training": {"seed": seed, "device": device}},
            ),
            "reproduce",
        )
        for seed in seeds
    )
    for config in configs[:1]:
        # A wrong name should end here, not in as many processes as there are seeds.
        model_class(model).check_options(model, config.model.options)
    return CellPlan(
        source=data.source,
        model=model,
        method=method,
        preset=preset,
        configs=configs,
        trials=found.trials,
        command=command,
        about=about or {},
        hidden=tuple(hidden),
        is_base=method == BASE if is_base is None else is_base,
    )
