"""One trial in a process of its own: trains on one thread and knows no test rows."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.config import ExperimentConfig
from workbench.errors import TrainingError
from workbench.training.hooks import Hooks, Record

if TYPE_CHECKING:
    from optuna.trial import Trial

    from workbench.data.dataset import Dataset
    from workbench.training.trainer import Trainer

PARENT_SECONDS = 0.5
"""How often a worker looks whether its parent is alive."""

_dataset: Dataset | None = None


@dataclass(frozen=True)
class Result:
    """How a trial went.

    Attributes:
        state: "complete", "pruned" or "diverged".
        value: best validation AUC; nan for a trial that never got that far.
        epochs: finished.
        best_epoch: of the best validation AUC, from 1 on; 0 for none.
        seconds: from the start of training to its end.
        message: why it diverged.
    """

    state: str
    value: float
    epochs: int
    best_epoch: int
    seconds: float
    message: str = ""


def start(data: str, parent: int | None) -> None:
    """Initialise a worker: one thread, the data without its test rows, an eye on the parent.

    Args:
        data: the experiment's config as JSON.
        parent: its process; the worker ends when it is gone, also when it was killed. None where
            the parent does the work itself.
    """
    global _dataset
    import torch

    torch.set_num_threads(1)
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    _dataset = training_data(ExperimentConfig.from_json(data, "config"))


def training_data(config: ExperimentConfig) -> Dataset:
    """The data of a config without its test rows: a search cannot look at what it has not got."""
    from workbench.data.registry import load

    dataset = load(config.data)
    splits = {name: rows for name, rows in dataset.splits.items() if name != "test"}
    return replace(dataset, splits=splits)


def run(study: str, storage: str, trial_id: int, config: str) -> Result:
    """Train the trial in the worker's data and report each epoch to the study.

    Args:
        study, storage: the study's name and its database.
        trial_id: of the storage.
        config: the trial's experiment as JSON.
    """
    import optuna

    from workbench.tuning.study import open_storage, pruner

    assert _dataset is not None
    quiet(optuna)
    loaded = optuna.load_study(study_name=study, storage=open_storage(storage), pruner=pruner())
    trial = optuna.trial.Trial(loaded, trial_id)
    return train_trial(trial, ExperimentConfig.from_json(config, "config"), _dataset)


def train_trial(trial: Trial, config: ExperimentConfig, dataset: Dataset) -> Result:
    """Train until early stopping or the pruner ends it; a loss that is not finite is a result.

    Raises:
        InputError: a config that does not fit the data.
    """
    from workbench.nn.build import model_for
    from workbench.training.experiment import pick_device, resolve
    from workbench.training.trainer import Trainer

    config = resolve(config, dataset)
    dataset = dataset.to(pick_device(config.training.device))
    model = model_for(config, dataset).to(dataset.device)
    reporter = _Reporter(trial)
    trainer = Trainer(model, dataset, config.training, reporter)
    began = time.perf_counter()
    state, message = "complete", ""
    try:
        trainer.fit()
    except TrainingError as error:
        state, message = "diverged", str(error)
    best = trainer.best_scores.auc if trainer.best_scores is not None else float("nan")
    return Result(
        state="pruned" if reporter.pruned else state,
        value=best,
        epochs=trainer.epoch,
        best_epoch=trainer.best_epoch,
        seconds=time.perf_counter() - began,
        message=message,
    )


class _Reporter(Hooks):
    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.pruned = False

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self.trial.report(record["valid_auc"], record["epoch"])
        if not trainer.done and self.trial.should_prune():
            self.pruned = trainer.stop_requested = True


def quiet(optuna: Any) -> None:
    """Keep Optuna's own log off standard error."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
