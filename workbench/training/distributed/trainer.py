"""The trainer's loop in one of several processes: the same numbers as in one, shared out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from workbench.config import TrainingConfig
from workbench.data.dataset import Batch, Dataset
from workbench.errors import TrainingError
from workbench.nn.framework import AdaF2M2, Losses
from workbench.training.distributed.draws import share_draws
from workbench.training.distributed.group import Group
from workbench.training.distributed.share import Share, shared_out
from workbench.training.distributed.tables import SplitEmbedding, split_part
from workbench.training.evaluation import predict_batches
from workbench.training.hooks import HookList, Hooks, Record
from workbench.training.memory import is_out_of_memory
from workbench.training.trainer import Trainer


class DistributedTrainer(Trainer):
    """`Trainer` over several processes, by torch's `DistributedDataParallel`.

    Every process holds the model, but for a table that is split, and trains on its share of every
    global batch of ``config.batch_size`` rows. Losses, scores and the moment to stop are the same
    in all processes, and those of one process but for the order of sums.

    Args:
        model, dataset, config: as in `Trainer`, the same in every process.
        group: of the processes.
        hooks: as in `Trainer`; may differ between processes.
    """

    def __init__(
        self,
        model: AdaF2M2,
        dataset: Dataset,
        config: TrainingConfig,
        group: Group,
        hooks: Hooks | None = None,
    ) -> None:
        self.group = group
        self.share = Share(group.rank, group.size)
        share_draws(model, self.share)
        told = HookList([*([hooks] if hooks else []), _Agreement(group)])
        super().__init__(model, shared_out(dataset, self.share), config, told)
        self._samples_before = 0
        embedding = model.embedding
        if isinstance(embedding, SplitEmbedding):
            embedding.share = self.share
        shared = _SharedLosses(model, self.share)
        split = {id(parameter) for parameter in split_part(model)}
        # What each process holds a part of is not averaged; buffers are the same everywhere.
        apart = [name for name, one in shared.named_parameters() if id(one) in split]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(  # type: ignore[no-untyped-call]
            shared, [*apart, *(name for name, _ in shared.named_buffers())]
        )
        wrapped = DistributedDataParallel(shared)
        self._replace_losses(wrapped)

    def fit(self) -> None:
        """As `Trainer.fit`.

        Raises:
            TrainingError: as there, in process 0; and what befell this process alone.
            SystemExit: with code 1 in the other processes, for what befell all of them.
        """
        try:
            super().fit()
        except RuntimeError as error:
            if isinstance(error, _OwnError):
                raise TrainingError(str(error)) from None
            if isinstance(error, TrainingError):
                if self.group.first:
                    raise
                raise SystemExit(1) from None
            raise
        finally:
            # The model is an ordinary one again; its draws are anyway, outside training.
            vars(self.model).pop("losses", None)

    def _replace_losses(self, losses: nn.Module) -> None:
        # Past nn.Module's book-keeping: the model must not become a part of itself.
        object.__setattr__(self.model, "losses", lambda *given: losses(*given))

    def _train_epoch(self) -> Tensor:
        # Above 0 where a checkpoint was taken up within the epoch.
        begun = 0 if self.epoch_began is None else self.step
        self._samples_before = self.train_samples - self._samples(begun)
        return super()._train_epoch()

    def _fetch(self, filled: int) -> Tensor:
        """The losses of the global batches; counts the samples of all processes."""
        self.train_samples = self._samples_before + self._samples(self.step)
        return self.group.mean(self._losses[:filled])

    def _samples(self, steps: int) -> int:
        """Of all processes, in so many steps of an epoch."""
        return min(steps * self.config.batch_size, self.dataset.rows_in("train"))

    def _logits(self, split: str) -> Tensor:
        """Logits [sample] of a split, each process's part of every batch computed by it alone."""
        return shared_logits(
            self.model, self.dataset, split, self.config.eval_batch_size, self.group
        )

    def _within_memory(
        self, key: Literal["batch_size", "eval_batch_size"], work: Callable[[], Tensor]
    ) -> Tensor:
        """Do the work; smaller batches cannot be tried, since the other processes have gone on.

        Raises:
            TrainingError: it takes more memory than this process has.
        """
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        raise _OwnError(
            f"{self.group.name} is out of memory at epoch {self.epoch + 1} with training.{key} = "
            f"{getattr(self.config, key)}, shared by {self.group.size}; lower it, or split the "
            "table with --set training.table_sharding=row_wise"
        )


class _OwnError(TrainingError):
    """What befell one process alone."""


class _SharedLosses(nn.Module):
    """A forward pass for `DistributedDataParallel`, which averages gradients over processes."""

    def __init__(self, model: AdaF2M2, share: Share) -> None:
        super().__init__()
        self.model = model
        self.share = share

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """Losses whose mean over processes is that of the global batch."""
        found = type(self.model).losses(self.model, batch, generator)
        return Losses(*(loss * self.share.weight for loss in found))


class _Agreement(Hooks):
    """Called after all other hooks: one process's wish to stop is everybody's."""

    def __init__(self, group: Group) -> None:
        self.group = group

    def started(self, trainer: Trainer) -> None:
        self._agree(trainer)

    def step(self, trainer: Trainer, record: Record) -> None:
        self._agree(trainer)

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self._agree(trainer)

    def _agree(self, trainer: Trainer) -> None:
        trainer.stop_requested = self.group.agreed(trainer.stop_requested)


def shared_logits(
    model: AdaF2M2, dataset: Dataset, split: str, batch_size: int, group: Group
) -> Tensor:
    """Logits [sample] of a split in its order, in all processes; each computes a part.

    Args:
        model: in every process.
        dataset: the whole split, in every process.
        split: its name.
        batch_size: of one process.
        group: of the processes.
    """
    logits = []
    for batch in dataset.batches(split, batch_size * group.size):
        # Parts of equal length, so that a split table is asked by all for equally much.
        length = -(-len(batch) // group.size)
        begin = group.rank * length
        places = torch.arange(begin, begin + length, device=batch.rows.device)
        places = places.clamp_max(len(batch) - 1)
        own = Batch(batch.rows[places], batch.counts[places], batch.labels[places])
        logits.append(group.rows(predict_batches(model, [own]))[: len(batch)])
    return torch.cat(logits)
