"""The training loop: readable in one sitting, the same on CPU and GPU.

The host waits for the device only where `_read` is called: once per `log_every` steps and once per
epoch. Everything else is queued.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor

from workbench.config import TrainingConfig
from workbench.data.dataset import Dataset
from workbench.errors import TrainingError
from workbench.nn.framework import AdaF2M2
from workbench.training.averaging import WeightAverage
from workbench.training.denormals import denormals
from workbench.training.diagnosis import not_finite
from workbench.training.evaluation import Scores, predict, score
from workbench.training.hooks import Hooks, Record
from workbench.training.memory import explain, is_out_of_memory
from workbench.training.optimizers import optimizer_for
from workbench.training.steering import Steering
from workbench.training.step import Step, is_captured

LOSSES = ("loss_main", "loss_aux", "loss_total")


class Trainer:
    """Fits a model with Adam, stops early on validation AUC and restores the best weights.

    Args:
        model, dataset: on the same device.
        config: optimisation and stopping.
        hooks: told of progress; may set `stop_requested`.

    Attributes:
        epoch: epochs finished.
        step: steps finished in the running epoch.
        steps: steps of an epoch.
        epoch_began: state of `shuffle` at the running epoch's start, from which its order can be
            drawn again; None between epochs.
        loss_sum: float64 [3] of the running epoch's steps, up to the last reading.
        average: of the weights, where `config.average_decay` asks for one; validated and kept in
            their place.
        best_epoch, best_scores, best_weights: by validation AUC; epochs count from 1.
        train_seconds, train_samples: of the training steps alone, validation left out.
        stop_requested: set it to end training after the running step.
        steering: settings that move while the model trains.
        waited: seconds that hooks held training up, a pause for example; speeds leave them out.
    """

    def __init__(
        self, model: AdaF2M2, dataset: Dataset, config: TrainingConfig, hooks: Hooks | None = None
    ) -> None:
        self.model = model
        self.dataset = dataset
        self.config = config
        self.hooks = hooks or Hooks()
        self.device = dataset.device
        captured = is_captured(model, config, self.device)
        self.optimizer = optimizer_for(model, config, capturable=captured)
        # Shuffling and masking draw from streams of their own: switching the mask off leaves the
        # order of the samples as it was, so that variants can be paired.
        self.shuffle = _generator(self.device, 2 * config.seed)
        self.masks = _generator(self.device, 2 * config.seed + 1)
        torch.manual_seed(config.seed)  # dropout
        self._step = Step(model, self.optimizer, self.masks, config)
        decay = config.average_decay
        self.average = None if decay is None else WeightAverage(model, decay)
        self.epoch = 0
        self.step = 0
        self.steps = dataset.steps("train", config.batch_size)
        self.epoch_began: Tensor | None = None
        self.loss_sum = torch.zeros(len(LOSSES), dtype=torch.float64)
        self.best_epoch = 0
        self.best_scores: Scores | None = None
        self.best_weights: dict[str, Tensor] = {}
        self.train_seconds = 0.0
        self.train_samples = 0
        self.stop_requested = False
        self.steering = Steering(config.changes)
        self.waited = 0.0
        self._started = (0.0, 0.0)
        kept = min(config.log_every, self.steps)
        self._losses = torch.zeros(kept, len(LOSSES), device=self.device)

    @property
    def done(self) -> bool:
        """Whether the epochs or the patience are used up."""
        waited = self.epoch - self.best_epoch
        return self.epoch >= self.config.epochs or waited >= self.config.patience

    @property
    def seconds_so_far(self) -> float:
        """`train_seconds` and, within an epoch, those of the steps that it has taken."""
        if self.epoch_began is None:
            return self.train_seconds
        started, waited = self._started
        return self.train_seconds + time.perf_counter() - started - (self.waited - waited)

    @property
    def samples_per_second(self) -> float:
        """Training speed so far, validation left out."""
        return self.train_samples / self.train_seconds if self.train_seconds else 0.0

    def fit(self) -> None:
        """Train until `done` or stopped, then restore the best weights.

        Raises:
            TrainingError: a loss or a validation score is not finite.
        """
        self.steering.begin(self)
        self.hooks.started(self)
        with denormals(self.config.denormals):
            while not self.done and not self.stop_requested:
                self._fit_epoch()
        self.finish()

    def _fit_epoch(self) -> None:
        self._started = started, waited = time.perf_counter(), self.waited
        losses = self._within_memory("batch_size", self._train_epoch)
        self.train_seconds += time.perf_counter() - started - (self.waited - waited)
        if not self.stop_requested:
            self._validate(losses, time.perf_counter() - started - (self.waited - waited))

    def finish(self) -> None:
        """Restore the best weights, and tell the hooks."""
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)
        self.hooks.finished(self)

    def _train_epoch(self) -> Tensor:
        """One pass over the training rows; returns the mean losses [3] on the host."""
        self.model.train()
        self.model.epoch = self.epoch
        if self.epoch_began is None:  # else a checkpoint was taken up within the epoch
            self.step, self.loss_sum = 0, torch.zeros_like(self.loss_sum)
            self.epoch_began = self.shuffle.get_state()
        order = self.shuffle if self.config.order == "shuffled" else None
        size = self.config.batch_size
        for batch in self.dataset.batches("train", size, order, start=self.step):
            self.steering.before_step(self)
            self._losses[self.step % self.config.log_every] = self._step(batch)
            if self.average is not None:
                self.average.update()
            self.step += 1
            self.train_samples += len(batch)
            if self.step % self.config.log_every == 0 or self.step == self.steps:
                self._read()
            if self.stop_requested:
                break
        self.epoch_began = None
        return self.loss_sum / max(self.step, 1)

    def try_step(self, rows: int) -> None:
        """One training step on the first `rows` samples, outside the books."""
        self.optimizer.zero_grad(set_to_none=True)
        self._step.eager(self.dataset.head("train", rows))
        self.optimizer.zero_grad(set_to_none=True)

    def _within_memory(
        self, key: Literal["batch_size", "eval_batch_size"], work: Callable[[], Tensor]
    ) -> Tensor:
        """Do the work.

        Raises:
            TrainingError: it takes more memory than there is; names a batch size that fits.
        """
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Only here, behind the handler, are the tensors of the failed step let go.
        raise TrainingError(explain(self, key))

    def _read(self, losses: Tensor | None = None) -> Tensor:
        """Take in the losses of the steps since the last reading; their sum [3].

        Args:
            losses: [step, 3] on the host; None fetches them.

        Raises:
            TrainingError: one of them is not finite.
        """
        filled = self._unread()
        if losses is None:
            losses = self._fetch(filled)
        bad = (~losses.isfinite().all(dim=1)).nonzero()
        if len(bad):
            step = self.step - filled + int(bad[0]) + 1
            raise TrainingError(not_finite(self.model, self.epoch + 1, step, self.config.lr))
        record: Record = {"kind": "step", "epoch": self.epoch + 1, "step": self.step}
        record |= dict(zip(LOSSES, losses.mean(0).tolist(), strict=True))
        total = losses.sum(0)
        self.loss_sum += total
        self.hooks.step(self, record)
        return total

    def _unread(self) -> int:
        """Steps since the last reading."""
        return (self.step - 1) % self.config.log_every + 1

    def _fetch(self, filled: int) -> Tensor:
        """The losses [filled, 3] since the last reading; waits for the device."""
        return self._losses[:filled].double().cpu()

    def _logits(self, split: str) -> Tensor:
        """Logits [sample] of a split, in its order."""
        return predict(self.model, self.dataset, split, self.config.eval_batch_size)

    def _validate(self, losses: Tensor, seconds: float) -> None:
        with self._averaged():
            scores, improved = self._score_and_keep()
        record: Record = {"kind": "epoch", "epoch": self.epoch}
        record |= dict(zip(LOSSES, losses.tolist(), strict=True))
        record |= {f"valid_{name}": value for name, value in scores._asdict().items()}
        record |= {"seconds": seconds, "samples_per_second": self.samples_per_second}
        self.hooks.epoch(self, record, improved)

    def _averaged(self) -> AbstractContextManager[None]:
        """The weights that count: their average where one is kept."""
        return nullcontext() if self.average is None else self.average.applied()

    def _score_and_keep(self) -> tuple[Scores, bool]:
        """Validate; whether these weights are the best so far, which are then kept."""
        logits = self._within_memory("eval_batch_size", lambda: self._logits("valid"))
        scores = score(logits, self.dataset, "valid")
        if not torch.tensor(scores.log_loss).isfinite():
            raise TrainingError(not_finite(self.model, self.epoch + 1, self.step, self.config.lr))
        self.epoch += 1
        improved = self.best_scores is None or scores.auc > self.best_scores.auc
        if improved:
            self.best_epoch, self.best_scores = self.epoch, scores
            state = self.model.state_dict()
            self.best_weights = {name: value.detach().clone() for name, value in state.items()}
        return scores, improved


def _generator(device: torch.device, seed: int) -> torch.Generator:
    # Seeds beyond 64 bits wrap around.
    return torch.Generator(device).manual_seed(seed % 2**63)
