"""Many experiments as ordinary runs on disk, those of one shape side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError, TrainingError
from workbench.memory import check_fits
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2
from workbench.runs import Run, RunStore, RunWriter
from workbench.training.experiment import load_data, pick_device, resolve, train_run
from workbench.training.hooks import HookList, Hooks
from workbench.training.run_files import RunHooks, describe, write_results
from workbench.training.side_by_side import Told, fit_side_by_side
from workbench.training.side_by_side.heartbeat import Heartbeat
from workbench.training.side_by_side.settings import check_side_by_side, shape_of
from workbench.training.trainer import Trainer

NUMBERS_PER_PARAMETER = 4
"""The weight, its gradient and Adam's two moments; one more where weights are averaged."""


@dataclass(frozen=True)
class Outcome:
    """What has become of an experiment.

    Attributes:
        config: as it was asked for.
        run: its run; None where it failed while it trained alone.
        problem: why it failed; None for a run that finished or was stopped on request.
    """

    config: ExperimentConfig
    run: Run | None
    problem: str | None = None


@dataclass(frozen=True)
class Plan:
    """What to train, and how.

    Attributes:
        configs: the experiments.
        store: gets a run of each.
        at_once: models of a stack, at most; 1 trains one after the other.
        names: of the runs, in the order of `configs`; made from the settings by default.
        only_missing: whether an experiment that the store has a finished run of is left as it is.
        ended: called as soon as an experiment has ended.
        told: called after each epoch of a stack, with its trainers.
        hooks: told of the training of models that have no other of their shape beside them.
    """

    configs: Sequence[ExperimentConfig]
    store: RunStore
    at_once: int = 16
    names: Sequence[str | None] = ()
    only_missing: bool = False
    ended: Callable[[Outcome], None] = lambda outcome: None
    told: Told = lambda trainers: None
    hooks: Callable[[], Hooks] = Hooks

    def finished(self) -> dict[str, Run]:
        """Finished runs of the store by fingerprint, where they count."""
        runs = self.store.list() if self.only_missing else []
        return {run.config.fingerprint(): run for run in runs if run.state == "finished"}

    def name(self, place: int) -> str | None:
        """The run's name."""
        return self.names[place] if self.names else None


def train_runs(plan: Plan) -> list[Outcome]:
    """Train every experiment; a run is what it would be alone, but for the rounding of sums.

    Experiments are sorted by data and shape. An experiment whose loss is not finite fails alone.

    Returns:
        The outcomes, in the order of the experiments.

    Raises:
        InputError: an experiment that cannot be trained side by side, or does not fit its data.
        TrainingError: a stack takes more memory than there is.
    """
    for config in plan.configs:
        pick_device(config.training.device)
        if plan.at_once > 1:
            check_side_by_side(config)
    outcomes: dict[int, Outcome] = {}
    finished = plan.finished()
    for places in _by_data(plan.configs):
        dataset = load_data(plan.configs[places[0]])
        resolved = {place: resolve(plan.configs[place], dataset) for place in places}
        for place in places:
            done = finished.get(resolved[place].fingerprint())
            if done is not None:
                outcomes[place] = Outcome(plan.configs[place], done)
                plan.ended(outcomes[place])
                del resolved[place]
        for same in _by_shape(resolved):
            together = {place: resolved[place] for place in same}
            if plan.at_once > 1 and len(same) > 1:
                outcomes |= _train_together(plan, together, dataset)
            else:
                outcomes |= _train_in_turn(plan, together, dataset)
    return [outcomes[place] for place in range(len(plan.configs))]


def _by_data(configs: Sequence[ExperimentConfig]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for place, config in enumerate(configs):
        groups.setdefault(config.data.model_dump_json(), []).append(place)
    return list(groups.values())


def _by_shape(configs: Mapping[int, ExperimentConfig]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for place, config in configs.items():
        groups.setdefault(shape_of(config), []).append(place)
    return list(groups.values())


def _train_in_turn(
    plan: Plan, configs: Mapping[int, ExperimentConfig], dataset: Dataset
) -> dict[int, Outcome]:
    outcomes = {}
    for place, config in configs.items():
        asked, name = plan.configs[place], plan.name(place)
        try:
            hooks = plan.hooks()
            run = train_run(config, plan.store, name=name, dataset=dataset, hooks=hooks)
            outcomes[place] = Outcome(asked, run)
        except TrainingError as error:
            outcomes[place] = Outcome(asked, None, str(error))
        plan.ended(outcomes[place])
    return outcomes


def _train_together(
    plan: Plan, configs: Mapping[int, ExperimentConfig], dataset: Dataset
) -> dict[int, Outcome]:
    device = pick_device(next(iter(configs.values())).training.device)
    crew = _Crew(plan, configs, dataset.to(device))
    with crew.runs, Heartbeat(crew.writers):
        fit_side_by_side(crew.trainers(), plan.at_once, left=crew.left, told=plan.told)
    return crew.outcomes


@dataclass
class _Crew:
    """The runs of one stack: opened when they join it, written up when they leave it.

    Attributes:
        writers: of the runs under way.
        runs: closes them, whatever happens; a run that was under way is then marked as failed, or
            as stopped by Ctrl-C.
    """

    plan: Plan
    configs: Mapping[int, ExperimentConfig]
    dataset: Dataset
    writers: dict[int, RunWriter] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    runs: ExitStack = field(default_factory=ExitStack)
    _places: dict[int, int] = field(default_factory=dict)
    _initial: dict[int, torch.Tensor] = field(default_factory=dict)

    def trainers(self) -> Iterator[Trainer]:
        """Build the next one when it is asked for; nothing is created before its model fits."""
        members = min(self.plan.at_once, len(self.configs))
        for place, config in self.configs.items():
            model = model_for(config, self.dataset)
            if not self._places:
                averaged = config.training.average_decay is not None
                _check_room(model, members, self.dataset.device, averaged=averaged)
            model = model.to(self.dataset.device)
            writer = self.plan.store.create(config, self.plan.name(place))
            self.runs.enter_context(writer)
            self.writers[place] = writer
            describe(writer, self.dataset)
            self._initial[place] = model.embedding.weight.detach().norm(dim=1).cpu()
            trainer = Trainer(model, self.dataset, config.training, HookList([RunHooks(writer)]))
            self._places[id(trainer)] = place
            yield trainer

    def left(self, trainer: Trainer, problem: TrainingError | None) -> None:
        """Write a run's results, or why there are none."""
        place = self._places.pop(id(trainer))
        writer, initial = self.writers.pop(place), self._initial.pop(place)
        if problem is not None:
            writer.status("failed", message=str(problem))
        elif trainer.stop_requested:
            writer.status("stopped", message="stopped on request; --resume goes on")
        else:
            write_results(writer, trainer, initial)
            self._say_how_many(writer)
            writer.finish()
        writer.close()
        run = self.plan.store.open(writer.name)
        said = None if problem is None else str(problem)
        self.outcomes[place] = Outcome(self.plan.configs[place], run, said)
        self.plan.ended(self.outcomes[place])

    def _say_how_many(self, writer: RunWriter) -> None:
        """The summary's seconds and speed are shares of what so many members spent together."""
        summary = self.plan.store.open(writer.name).summary or {}
        members = min(self.plan.at_once, len(self.configs))
        writer.save_summary({**summary, "side_by_side": members})


def _check_room(model: AdaF2M2, members: int, device: torch.device, *, averaged: bool) -> None:
    """Refuse a stack that cannot fit before a run is created.

    Raises:
        InputError: names how many bytes it needs.
    """
    numbers = sum(parameter.numel() for parameter in model.parameters())
    needed = 4 * (NUMBERS_PER_PARAMETER + averaged) * numbers * members
    what, instead = f"{members} models side by side", "train fewer at once"
    if device.type != "cuda":
        check_fits(needed, what, instead)
        return
    free, _ = torch.cuda.mem_get_info(device)
    if needed > free:
        raise InputError(
            f"{what}: at least {needed / 2**30:,.1f} GiB of GPU memory, and "
            f"{free / 2**30:,.1f} GiB are free; {instead}"
        )
