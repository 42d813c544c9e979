"""What training writes into a run's folder: as it starts, at every step and epoch, at its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.encoding import encoding_of
from workbench.data.splits import SPLITS
from workbench.runs import RunWriter
from workbench.training import checkpoint
from workbench.training.evaluation import (
    Scores,
    norm_table,
    predict,
    prediction_table,
    score,
    weight_table,
)
from workbench.training.hooks import Hooks, Record
from workbench.training.optimizers import has_sparse_updates
from workbench.training.trainer import Trainer


@dataclass
class RunHooks(Hooks):
    """Writes what happens into the run's folder.

    Attributes:
        writer: of the run.
        started_at: seconds of the clock, from which the times of steps count.
        kept_step: of the running epoch, the last one that a checkpoint holds.
    """

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
            self.writer.save_weights(on_host(trainer.best_weights))
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


def describe(writer: RunWriter, dataset: Dataset) -> None:
    """What a run needs to be read without its data."""
    writer.save_card(dataset.card)
    if writer.config.data.change.id_buckets is None:  # hashed IDs cannot be looked up any more
        writer.save_encoding(encoding_of(dataset))
    writer.save_layout(dataset.schema, dataset.layout)


def write_results(writer: RunWriter, trainer: Trainer, initial: Tensor) -> None:
    """Tables and the summary of a finished training.

    Args:
        writer: of the run.
        trainer: its model holds the best weights.
        initial: norms [table row] of the embeddings before training.
    """
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
        # Another one sums products in another order, and training drifts apart from there.
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as they can be written."""
    return {name: value.cpu().contiguous() for name, value in tensors.items()}
