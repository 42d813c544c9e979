"""The training loop: readable in one sitting, the same on CPU and GPU.

The host waits for the device only where `_read` is called: once per `log_every` steps and once per
epoch. Everything else is queued.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from workbench.config import TrainingConfig
from workbench.data.dataset import Dataset
from workbench.errors import TrainingError
from workbench.nn.framework import AdaF2M2
from workbench.training.diagnosis import not_finite
from workbench.training.evaluation import Scores, predict, score
from workbench.training.hooks import Hooks, Record
from workbench.training.memory import explain, is_out_of_memory
from workbench.training.steering import Steering

ADAM_EPS = 1e-8
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
        # One kernel updates all parameters; the row-by-row alternatives pay off above 1M rows.
        self.optimizer = torch.optim.Adam(
            parameter_groups(model, config),
            lr=config.lr,
            weight_decay=config.weight_decay,
            fused=True,
        )
        # Shuffling and masking draw from streams of their own: switching the mask off leaves the
        # order of the samples as it was, so that variants can be paired.
        self.shuffle = _generator(self.device, 2 * config.seed)
        self.masks = _generator(self.device, 2 * config.seed + 1)
        torch.manual_seed(config.seed)  # dropout
        self.epoch = 0
        self.step = 0
        self.steps = -(-len(dataset.splits["train"]) // config.batch_size)
        self.best_epoch = 0
        self.best_scores: Scores | None = None
        self.best_weights: dict[str, Tensor] = {}
        self.train_seconds = 0.0
        self.train_samples = 0
        self.stop_requested = False
        self.steering = Steering(config.changes)
        self.waited = 0.0
        kept = min(config.log_every, self.steps)
        self._losses = torch.zeros(kept, len(LOSSES), device=self.device)

    @property
    def done(self) -> bool:
        """Whether the epochs or the patience are used up."""
        waited = self.epoch - self.best_epoch
        return self.epoch >= self.config.epochs or waited >= self.config.patience

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
        while not self.done and not self.stop_requested:
            started, waited = time.perf_counter(), self.waited
            losses = self._within_memory("batch_size", self._train_epoch)
            self.train_seconds += time.perf_counter() - started - (self.waited - waited)
            if self.stop_requested:
                break
            self._validate(losses, time.perf_counter() - started - (self.waited - waited))
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)
        self.hooks.finished(self)

    def _train_epoch(self) -> Tensor:
        """One pass over the training rows; returns the mean losses [3] on the host."""
        self.model.train()
        self.model.epoch = self.epoch
        total = torch.zeros(len(LOSSES), dtype=torch.float64)
        self.step = 0
        order = self.shuffle if self.config.order == "shuffled" else None
        for batch in self.dataset.batches("train", self.config.batch_size, order):
            self.steering.before_step(self)
            loss = self.model.losses(batch, self.masks)
            self.optimizer.zero_grad(set_to_none=True)
            loss.total.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self._losses[self.step % self.config.log_every] = torch.stack(loss).detach()
            self.step += 1
            self.train_samples += len(batch)
            if self.step % self.config.log_every == 0 or self.step == self.steps:
                total += self._read()
            if self.stop_requested:
                break
        return total / max(self.step, 1)

    def try_step(self, rows: int) -> None:
        """One training step on the first `rows` samples, outside the books."""
        self.optimizer.zero_grad(set_to_none=True)
        batch = self.dataset.batch(self.dataset.splits["train"][:rows])
        self.model.losses(batch, self.masks).total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
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

    def _read(self) -> Tensor:
        """Fetch the losses of the steps since the last reading; their sum [3].

        Raises:
            TrainingError: one of them is not finite.
        """
        filled = (self.step - 1) % self.config.log_every + 1
        losses = self._losses[:filled].double().cpu()  # waits for the device
        bad = (~losses.isfinite().all(dim=1)).nonzero()
        if len(bad):
            step = self.step - filled + int(bad[0]) + 1
            raise TrainingError(not_finite(self.model, self.epoch + 1, step, self.config.lr))
        record: Record = {"kind": "step", "epoch": self.epoch + 1, "step": self.step}
        record |= dict(zip(LOSSES, losses.mean(0).tolist(), strict=True))
        self.hooks.step(self, record)
        return losses.sum(0)

    def _validate(self, losses: Tensor, seconds: float) -> None:
        logits = self._within_memory(
            "eval_batch_size",
            lambda: predict(self.model, self.dataset, "valid", self.config.eval_batch_size),
        )
        scores = score(logits, self.dataset, "valid")
        if not torch.tensor(scores.log_loss).isfinite():
            raise TrainingError(not_finite(self.model, self.epoch + 1, self.step, self.config.lr))
        self.epoch += 1
        improved = self.best_scores is None or scores.auc > self.best_scores.auc
        if improved:
            self.best_epoch, self.best_scores = self.epoch, scores
            state = self.model.state_dict()
            self.best_weights = {name: value.detach().clone() for name, value in state.items()}
        record: Record = {"kind": "epoch", "epoch": self.epoch}
        record |= dict(zip(LOSSES, losses.tolist(), strict=True))
        record |= {f"valid_{name}": value for name, value in scores._asdict().items()}
        record |= {"seconds": seconds, "samples_per_second": self.samples_per_second}
        self.hooks.epoch(self, record, improved)


def parameter_groups(model: AdaF2M2, config: TrainingConfig) -> list[dict[str, Any]]:
    """Adam's parameter groups: embeddings, adapter and everything else; one where none differs.

    A group names only what differs from the optimiser's own settings. The shadows of simulated cold
    states are embeddings too.
    """
    cold = model.cold_states
    embeddings = [*model.embedding.parameters(), *(cold.parameters() if cold else ())]
    adapter = list(model.adapter.parameters()) if model.adapter is not None else []
    named = {id(parameter) for parameter in (*embeddings, *adapter)}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in named]
    eps = None if config.embedding_eps == ADAM_EPS else config.embedding_eps
    own = (
        (embeddings, config.embedding_lr, config.embedding_weight_decay, eps),
        (adapter, config.adapter_lr, config.adapter_weight_decay, None),
        (rest, None, None, None),
    )
    groups = []
    for parameters, *values in own:
        settings = zip(("lr", "weight_decay", "eps"), values, strict=True)
        differing = {key: value for key, value in settings if value is not None}
        if parameters:
            groups.append({"params": parameters, **differing})
    if all(group.keys() == {"params"} for group in groups):
        return [{"params": list(model.parameters())}]
    return groups


def _generator(device: torch.device, seed: int) -> torch.Generator:
    # Seeds beyond 64 bits wrap around.
    return torch.Generator(device).manual_seed(seed % 2**63)
