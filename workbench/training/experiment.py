"""From a config to a trained model, in memory or as a run on disk."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.encoding import encoding_of
from workbench.data.splits import SPLITS
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
    norm_table,
    predict,
    prediction_table,
    score,
    weight_table,
)
from workbench.training.hooks import HookList, Hooks, Record
from workbench.training.optimizers import has_sparse_updates
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


@dataclass
class _RunHooks(Hooks):
    """Writes what happens into the run's folder."""

    writer: RunWriter
    started_at: float = field(default_factory=time.time)
    kept_step: int = 0

    def started(self, trainer: Trainer) -> None:
        self.kept_step = trainer.step

    def step(self, trainer: Trainer, record: Record) -> None:
        self.writer.log(record | {"seconds": time.time() - self.started_at - trainer.waited})
        self._status(trainer)
        trainer.stop_requested = trainer.stop_requested or self.writer.stop_requested()
        self._keep_within_epoch(trainer)

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        # Weights first: a kill before the checkpoint repeats the epoch and writes the same.
        if improved:
            self.writer.save_weights(_on_host(trainer.best_weights))
        self.writer.log(record)
        self.writer.save_checkpoint(*checkpoint.pack(trainer))
        self.kept_step = 0
        self._status(trainer)

    def _keep_within_epoch(self, trainer: Trainer) -> None:
        every = trainer.config.checkpoint_steps
        due = every is not None and trainer.step - self.kept_step >= every
        stopped = every is not None and trainer.stop_requested
        # At an epoch's end its own checkpoint follows.
        if (due or stopped) and trainer.step < trainer.steps:
            self.writer.save_checkpoint(*checkpoint.pack(trainer))
            self.kept_step = trainer.step

    def _status(self, trainer: Trainer) -> None:
        self.writer.status("running", epoch=trainer.epoch, step=trainer.step, steps=trainer.steps)


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
    dataset = _load(config) if dataset is None else dataset
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
    dataset = _load(config) if dataset is None else dataset
    config = resolve(config, dataset)
    dataset = dataset.to(pick_device(config.training.device))
    model = model_for(config, dataset).to(dataset.device)
    with store.create(config, name) as writer:
        _describe(writer, dataset)
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
    dataset = _load(writer.config) if dataset is None else dataset
    config = resolve(writer.config, dataset)
    if config != writer.config:
        writer.save_config(config)
    dataset = dataset.to(pick_device(config.training.device))
    writer.status("running")  # loading may have taken longer than a heartbeat may be old
    model = model_for(config, dataset).to(dataset.device)
    if not has_file(writer.path, "layout.json"):
        _describe(writer, dataset)
    _fit_and_record(writer, model, dataset, hooks, resumed=True)


def _describe(writer: RunWriter, dataset: Dataset) -> None:
    """What a run needs to be read without its data."""
    writer.save_card(dataset.card)
    if writer.config.data.change.id_buckets is None:  # hashed IDs cannot be looked up any more
        writer.save_encoding(encoding_of(dataset))
    writer.save_layout(dataset.schema, dataset.layout)


def _fit_and_record(
    writer: RunWriter, model: AdaF2M2, dataset: Dataset, hooks: Hooks | None, *, resumed: bool
) -> None:
    initial = model.embedding.weight.detach().norm(dim=1).cpu()
    own = _RunHooks(writer)
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
    _write_results(writer, trainer, initial)
    writer.finish()


def _write_results(writer: RunWriter, trainer: Trainer, initial: Tensor) -> None:
    model, dataset, config = trainer.model, trainer.dataset, writer.config
    writer.status("running", message="evaluating on the test rows")
    logits = predict(model, dataset, "test", config.training.eval_batch_size)
    writer.save_table("predictions", prediction_table(dataset, "test", logits))
    if config.weighs_features:
        writer.save_table("weights", weight_table(model, dataset, "test"))
    writer.save_table("norms", norm_table(model, initial, dataset))
    if dataset.truth is not None:
        writer.save_table("importance", dataset.truth.importance)
    writer.save_summary(_summary(config, trainer, score(logits, dataset, "test")))


def _summary(config: ExperimentConfig, trainer: Trainer, test: Scores) -> dict[str, Any]:
    assert trainer.best_scores is not None
    return {
        **{f"test_{name}": value for name, value in test._asdict().items()},
        **{f"valid_{name}": value for name, value in trainer.best_scores._asdict().items()},
        "best_epoch": trainer.best_epoch,
        "epochs": trainer.epoch,
        "train_samples_per_second": trainer.samples_per_second,
        "seconds": trainer.train_seconds,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "effective_aux_weight": config.effective_aux_weight,
        "updates": "sparse" if has_sparse_updates(trainer.model, config.training) else "dense",
        "dataset": trainer.dataset.name,
        "rows": {split: trainer.dataset.rows_in(split) for split in SPLITS},
        "device": _device_name(trainer.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


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


def _load(config: ExperimentConfig) -> Dataset:
    from workbench.data.registry import load

    return load(config.data)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.cpu().contiguous() for name, value in tensors.items()}
