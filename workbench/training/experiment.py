"""From a config to a trained model, in memory or as a run on disk."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.stream.dataset import StreamedDataset
from workbench.errors import InputError
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2
from workbench.runs import Run, RunStore, RunWriter
from workbench.runs.files import has_file
from workbench.training import checkpoint
from workbench.training.compiled import check_compiler
from workbench.training.evaluation import (
    Scores,
    predict,
    score,
)
from workbench.training.hooks import HookList, Hooks, Record
from workbench.training.run_files import RunHooks, describe, write_results
from workbench.training.trainer import Trainer


@dataclass
class TrainedModel:
    """What training leaves in memory.

    Attributes:
        model: with the best weights, on the data set's device.
        valid, test: scores of those weights.
        history: one row per epoch.
    """

    model: AdaF2M2
    dataset: Dataset
    config: ExperimentConfig
    valid: Scores
    test: Scores
    best_epoch: int
    samples_per_second: float
    history: pd.DataFrame


class _History(Hooks):
    def __init__(self) -> None:
        self.records: list[Record] = []

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self.records.append(record)


def pick_device(name: str) -> torch.device:
    """Resolve "auto", "cpu", "cuda" or "cuda:1".

    Raises:
        InputError: not a device, or no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device '{name}' is unknown; allowed: auto, cpu, cuda, cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device '{name}' is not supported; allowed: auto, cpu, cuda, cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device '{name}' is not here: {torch.cuda.device_count()} CUDA devices found; "
            "allowed: auto, cpu"
        )
    return device


def resolve(config: ExperimentConfig, dataset: Dataset) -> ExperimentConfig:
    """Write the data set's own choices into the config, so that the run's record is complete.

    Raises:
        InputError: the config asks for an order in time that the data does not know, for what
            streamed training rows cannot give, or for a compiler that is not here.
    """
    if config.framework.cold_states.share > 0 and isinstance(dataset, StreamedDataset):
        raise InputError(
            f"framework.cold_states.share = {config.framework.cold_states.share:g}: histories are "
            f"drawn from training rows in memory, and those of {dataset.name} are streamed; "
            "allowed: 0"
        )
    if config.training.order == "time" and not dataset.schema.has_time:
        raise InputError(
            f"training.order = 'time': {dataset.name} has no time stamps; allowed: 'shuffled'"
        )
    if config.training.compile:
        check_compiler(pick_device(config.training.device))
    if config.framework.counts is not None:
        return config
    framework = config.framework.model_copy(update={"counts": dataset.default_counts})
    return config.model_copy(update={"framework": framework})


def train(
    config: ExperimentConfig, dataset: Dataset | None = None, hooks: Hooks | None = None
) -> TrainedModel:
    """Train in memory, without a run folder.

    Args:
        config: the experiment.
        dataset: what `config.data` describes, when it is loaded already.
        hooks: told of progress.

    Raises:
        InputError: a config that does not fit the data, or data that cannot be read.
        TrainingError: a loss is not finite.
    """
    dataset = load_data(config) if dataset is None else dataset
    config = resolve(config, dataset)
    dataset = dataset.to(pick_device(config.training.device))
    model = model_for(config, dataset).to(dataset.device)
    history = _History()
    trainer = Trainer(
        model, dataset, config.training, HookList([history, *([hooks] if hooks else [])])
    )
    trainer.fit()
    return _trained(config, trainer, history.records)


def train_run(
    config: ExperimentConfig,
    store: RunStore,
    *,
    name: str | None = None,
    dataset: Dataset | None = None,
    hooks: Hooks | None = None,
) -> Run:
    """Train and keep everything in a new run folder of `store`.

    Nothing is created before data, model and device are known to fit.

    Raises:
        InputError, TrainingError: as `train`; also a folder that cannot be written.
    """
    dataset = load_data(config) if dataset is None else dataset
    config = resolve(config, dataset)
    dataset = dataset.to(pick_device(config.training.device))
    model = model_for(config, dataset).to(dataset.device)
    with store.create(config, name) as writer:
        describe(writer, dataset)
        _fit_and_record(writer, model, dataset, hooks, resumed=False)
        run_name = writer.name
    return store.open(run_name)


def resume_run(store: RunStore, name: str, hooks: Hooks | None = None) -> Run:
    """Go on with a run that was stopped, interrupted or killed, from its last finished epoch.

    On the CPU the result is bit for bit that of an uninterrupted run.

    Raises:
        InputError: no such run, the run is finished, in use, or its data cannot be read.
        TrainingError: a loss is not finite.
    """
    with store.resume(name) as writer:
        continue_run(writer, hooks)
    return store.open(name)


def continue_run(
    writer: RunWriter, hooks: Hooks | None = None, *, dataset: Dataset | None = None
) -> None:
    """Train what the writer's run has not trained yet: all of it where it was only planned.

    Raises:
        InputError, TrainingError: as `train`; also a checkpoint that does not fit.
    """
    dataset = load_data(writer.config) if dataset is None else dataset
    config = resolve(writer.config, dataset)
    if config != writer.config:
        writer.save_config(config)
    dataset = dataset.to(pick_device(config.training.device))
    writer.status("running")  # loading may have taken longer than a heartbeat may be old
    model = model_for(config, dataset).to(dataset.device)
    if not has_file(writer.path, "layout.json"):
        describe(writer, dataset)
    _fit_and_record(writer, model, dataset, hooks, resumed=True)


def _fit_and_record(
    writer: RunWriter, model: AdaF2M2, dataset: Dataset, hooks: Hooks | None, *, resumed: bool
) -> None:
    initial = model.embedding.weight.detach().norm(dim=1).cpu()
    own = RunHooks(writer)
    trainer = Trainer(
        model, dataset, writer.config.training, HookList([own, *([hooks] if hooks else [])])
    )
    if resumed:
        saved = writer.load_checkpoint()
        if saved is not None:
            checkpoint.unpack(trainer, *saved)
        writer.truncate_metrics(after_epoch=trainer.epoch, after_step=trainer.step)
    trainer.fit()
    if trainer.stop_requested:
        writer.status("stopped", message="stopped on request; --resume goes on")
        return
    write_results(writer, trainer, initial)
    writer.finish()


def _trained(config: ExperimentConfig, trainer: Trainer, records: list[Record]) -> TrainedModel:
    assert trainer.best_scores is not None
    logits = predict(trainer.model, trainer.dataset, "test", config.training.eval_batch_size)
    return TrainedModel(
        model=trainer.model.eval(),
        dataset=trainer.dataset,
        config=config,
        valid=trainer.best_scores,
        test=score(logits, trainer.dataset, "test"),
        best_epoch=trainer.best_epoch,
        samples_per_second=trainer.samples_per_second,
        history=pd.DataFrame.from_records(records),
    )


def load_data(config: ExperimentConfig) -> Dataset:
    """What `config.data` describes.

    Raises:
        InputError: it cannot be read.
    """
    from workbench.data.registry import load

    return load(config.data)
