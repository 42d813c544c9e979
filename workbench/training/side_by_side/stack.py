"""Models of one shape as one batched model: stacked parameters, and their training steps.

While members are in a stack, their models' parameters, running statistics and Adam moments are
views of it. Validation, checkpoints and best weights therefore work on each member as ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from workbench.data.dataset import Batch
from workbench.errors import TrainingError
from workbench.nn.layers import running_statistics
from workbench.training.averaging import update_together
from workbench.training.capture import CapturedStep
from workbench.training.compiled import compiled
from workbench.training.side_by_side.adam import StackedAdam, adam_settings, in_order
from workbench.training.side_by_side.head import Head
from workbench.training.side_by_side.lookup import StackedLookup
from workbench.training.side_by_side.numbers import EpochNumbers
from workbench.training.step import is_captured, products_in
from workbench.training.trainer import LOSSES, Trainer

TABLE = "embedding.weight"


@dataclass(eq=False)
class Member:
    """One model of a stack.

    Attributes:
        trainer: its settings, its books and its generators.
        problem: why it cannot go on, once a loss was not finite.
        dropout: draws what torch's own generator would draw for the model alone.
    """

    trainer: Trainer
    problem: TrainingError | None = None
    dropout: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        seed = self.trainer.config.seed
        self.dropout = torch.Generator(self.trainer.device).manual_seed(seed)

    @property
    def active(self) -> bool:
        """Whether it still trains in the running epoch."""
        return self.problem is None and not self.trainer.stop_requested


class Stack:
    """Trains its members in step with each other, each as it would train alone.

    Args:
        members: of one shape, on one data set.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        by_trainer = {id(member.trainer): member for member in members}
        trainers = in_order([member.trainer for member in members])
        self.members = [by_trainer[id(trainer)] for trainer in trainers]
        self.trainers = trainers
        first = trainers[0]
        self.dataset, self.config, self.device = first.dataset, first.config, first.device
        self.head = Head(first.model, self._dropouts()).train()
        self._lookup = StackedLookup(first.model.embedding)
        self._fast: Callable[..., tuple[Tensor, Tensor]] | None = None
        self._steps = [_steps_done(trainer) for trainer in trainers]
        self._stack_tensors()
        self._losses = torch.zeros(
            min(self.config.log_every, first.steps), len(trainers), len(LOSSES), device=self.device
        )
        for place, trainer in enumerate(trainers):
            trainer._losses = self._losses[:, place]
        self._numbers = EpochNumbers.of(trainers, self.device)
        self._work = self._eager
        if is_captured(first.model, self.config, self.device):
            drawn_from = [*(trainer.masks for trainer in trainers), *self._dropouts()]
            rows = len(trainers) * self.config.batch_size
            self._work = CapturedStep(self._eager, lambda: self._numbers, rows, drawn_from)

    def _dropouts(self) -> list[torch.Generator]:
        return [member.dropout for member in self.members]

    def _stack_tensors(self) -> None:
        """Copy every member's tensors together and let its model see its own part of them."""
        named = [dict(trainer.model.named_parameters()) for trainer in self.trainers]
        parameters: dict[str, Tensor] = {}
        moments: dict[str, tuple[Tensor, Tensor]] = {}
        for name in named[0]:
            own = [parameters_of[name] for parameters_of in named]
            parameters[name] = torch.stack([value.detach() for value in own]).requires_grad_()
            for place, value in enumerate(own):
                value.data = parameters[name].detach()[place]
            moments[name] = self._stack_moments(own)
        self.parameters = parameters
        self.adam = StackedAdam(
            parameters, moments, [adam_settings(trainer) for trainer in self.trainers], self._steps
        )
        self.statistics: dict[str, Tensor] = {}
        norms = [running_statistics(trainer.model.base) for trainer in self.trainers]
        for place_name in norms[0]:
            owners = [found[place_name] for found in norms]
            stacked = torch.stack([getattr(module, name) for module, name in owners])
            self.statistics[f"base.{place_name}"] = stacked
            for (module, name), part in zip(owners, stacked.unbind(), strict=True):
                setattr(module, name, part)

    def _stack_moments(self, values: Sequence[nn.Parameter]) -> tuple[Tensor, Tensor]:
        stacks = []
        for key in ("exp_avg", "exp_avg_sq"):
            parts = [
                trainer.optimizer.state[value].get(key, torch.zeros_like(value))
                for trainer, value in zip(self.trainers, values, strict=True)
            ]
            stacks.append(torch.stack(parts))
            for trainer, value, part in zip(self.trainers, values, stacks[-1], strict=True):
                trainer.optimizer.state[value][key] = part
        return stacks[0], stacks[1]

    def release(self, member: Member) -> None:
        """Give a member tensors of its own, so that the stack's memory can go."""
        trainer = member.trainer
        trainer.optimizer.state.clear()
        for value in trainer.model.parameters():
            value.data = value.data.clone()
        for module, name in running_statistics(trainer.model.base).values():
            setattr(module, name, getattr(module, name).clone())
        trainer._losses = trainer._losses.clone()

    def train_epoch(self) -> list[Tensor]:
        """One pass over the training rows, each member in its own order.

        A member whose loss is not finite, or that is asked to stop, is told no more of the epoch.

        Returns:
            The mean losses [3] of each member, on the host.
        """
        every = self.config.log_every
        for trainer in self.trainers:
            trainer.step, trainer.model.epoch = 0, trainer.epoch
        # A captured step holds on to these tensors: they stay as long as they say the same.
        self._numbers = EpochNumbers.of(self.trainers, self.device).or_equal(self._numbers)
        self.head.masked = self._numbers.draws
        totals = [torch.zeros(len(LOSSES), dtype=torch.float64) for _ in self.trainers]
        steps = self.trainers[0].steps
        for step, batch in enumerate(self._batches()):
            self._losses[step % every] = self._work(batch)
            update_together([t.average for t in self.trainers if t.average is not None])
            self._count(len(batch) // len(self.trainers))
            if (step + 1) % every == 0 or step + 1 == steps:
                self._read(totals)
            if not any(member.active for member in self.members):
                break
        for trainer, before in zip(self.trainers, self._steps, strict=True):
            for state in trainer.optimizer.state.values():
                state["step"] = torch.tensor(float(before + trainer.step))
        self._steps = [
            before + t.step for before, t in zip(self._steps, self.trainers, strict=True)
        ]
        return [total / max(t.step, 1) for total, t in zip(totals, self.trainers, strict=True)]

    def _batches(self) -> Iterator[Batch]:
        """Of each step the samples of every member, those of the first member first."""
        size = self.config.batch_size
        parts = torch.split(self._orders(), size, dim=1)
        return self.dataset.gathered(parts, size * len(self.trainers))

    def _orders(self) -> Tensor:
        """The samples of an epoch, [member, row], as each member's own generator shuffles them."""
        index = self.dataset.splits["train"]
        if self.config.order != "shuffled":
            return index.expand(len(self.trainers), -1)
        draws = [
            torch.randperm(len(index), generator=trainer.shuffle, device=self.device)
            for trainer in self.trainers
        ]
        return index[torch.stack(draws)]

    def _count(self, rows: int) -> None:
        for trainer in self.trainers:
            trainer.step += 1
            trainer.train_samples += rows

    def _read(self, totals: Sequence[Tensor]) -> None:
        # One wait for the device, whatever the number of members.
        told = self._losses[: self.trainers[0]._unread()].double().cpu().unbind(1)
        for member, total, losses in zip(self.members, totals, told, strict=True):
            if not member.active:
                continue
            try:
                total += member.trainer._read(losses)
            except TrainingError as error:
                member.problem = error

    def _eager(self, batch: Batch) -> Tensor:
        """One step, kernel by kernel, of every member on its part of the batch; losses [member, 3].

        The batch has as many samples for each member, those of the first member first.
        """
        with products_in(self.config.precision, self.device):
            losses, gradients = self._losses_of(batch)
        self.adam.step(dict(zip(self.parameters, gradients, strict=True)))
        return losses

    def _losses_of(self, batch: Batch) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        """Losses [member, 3] of a batch, and the gradients of all parameters."""
        numbers = self._numbers
        size = len(batch) // len(self.trainers)
        mask = numbers.draw_masks(self.trainers, size) if numbers.draws else None
        main, auxiliary = self._forward(size)(self.parameters, batch, mask, numbers.weight_scale)
        # alpha = 0 draws nothing and adds nothing, as for a model alone.
        auxiliary = torch.where(numbers.alpha > 0, auxiliary, 0.0)
        total = main + numbers.alpha * auxiliary  # [member]
        # Members share no parameter, so the gradient of the sum is each member's own.
        gradients = torch.autograd.grad(
            total.sum(), list(self.parameters.values()), allow_unused=True
        )
        return torch.stack((main, auxiliary, total), dim=1).detach(), gradients

    def _forward(self, size: int) -> Callable[..., tuple[Tensor, Tensor]]:
        """`_both_losses` for batches of a size; the last one of an epoch is not worth compiling."""
        if not self.config.compile or size != self.config.batch_size:
            return self._both_losses
        if self._fast is None:
            self._fast = compiled(self._both_losses)
        return self._fast

    def _both_losses(
        self,
        parameters: Mapping[str, Tensor],
        batch: Batch,
        mask: Tensor | None,
        weight_scale: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """L_main and L_aux, both [member].

        Args:
            parameters: of all members.
            batch: of all members, those of the first member first.
            mask: bool [member, k, batch, feature], or None where nobody masks.
            weight_scale: [member].
        """
        count = len(self.trainers)
        vectors, mask_vectors = self._lookup(batch.rows, parameters[TABLE])
        others = {name: value for name, value in parameters.items() if name != TABLE}
        in_dims = (0, 0, 0, 0, 0, 0, None if mask is None else 0, 0)
        losses: tuple[Tensor, Tensor] = vmap(self._head_losses, in_dims=in_dims)(
            others,
            self.statistics,
            vectors,
            mask_vectors,
            batch.counts.view(count, -1, batch.counts.shape[1]),
            batch.labels.view(count, -1, batch.labels.shape[1]),
            mask,
            weight_scale,
        )
        return losses

    def _head_losses(
        self, parameters: dict[str, Tensor], statistics: dict[str, Tensor], *batch: Any
    ) -> tuple[Tensor, Tensor]:
        losses: tuple[Tensor, Tensor] = functional_call(self.head, (parameters, statistics), batch)
        return losses


def _steps_done(trainer: Trainer) -> int:
    """Adam's steps before, by which it corrects the moments' bias: those of a resumed run."""
    done = [float(state["step"]) for state in trainer.optimizer.state.values() if "step" in state]
    return math.floor(done[0]) if done else 0
