"""Adam on stacked parameters, where members may differ in learning rate, decay and epsilon.

Adam works entry by entry, so torch's fused kernel updates any slice of a stack as it would update
the member alone, to the bit. Neighbours with the same settings share a slice: a sweep that leaves
the optimiser alone takes one call per step, as a single model does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.training.optimizers import fused_update
from workbench.training.trainer import Trainer


class AdamSettings(NamedTuple):
    """What a parameter group of `torch.optim.Adam` says about a parameter."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float


class _Slice(NamedTuple):
    """Members first to last of one parameter, all with the same settings and steps."""

    name: str
    part: slice
    value: Tensor
    mean: Tensor
    square: Tensor
    step: Tensor


def adam_settings(trainer: Trainer) -> dict[str, AdamSettings]:
    """The settings of every parameter, by name, as the trainer's own optimiser has them."""
    found: dict[int, AdamSettings] = {}
    for group in trainer.optimizer.param_groups:
        beta1, beta2 = group["betas"]
        own = AdamSettings(group["lr"], beta1, beta2, group["eps"], group["weight_decay"])
        found |= {id(parameter): own for parameter in group["params"]}
    return {name: found[id(value)] for name, value in trainer.model.named_parameters()}


def in_order(trainers: Sequence[Trainer]) -> list[Trainer]:
    """Trainers with the same settings side by side, so that their slices are few."""
    return sorted(trainers, key=lambda trainer: tuple(adam_settings(trainer).values()))


class StackedAdam:
    """The optimiser of a stack.

    Args:
        parameters: name -> [member, ...]; updated in place.
        moments: name -> running means of gradient and squared gradient, each [member, ...].
        settings: of each member, by name.
        steps: done by each member before.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        moments: Mapping[str, tuple[Tensor, Tensor]],
        settings: Sequence[Mapping[str, AdamSettings]],
        steps: Sequence[int],
    ) -> None:
        self._slices: dict[AdamSettings, list[_Slice]] = {}
        for name, stacked in parameters.items():
            value, (mean, square) = stacked.detach(), moments[name]
            kinds = [(own[name], step) for own, step in zip(settings, steps, strict=True)]
            first = 0
            for (own, step), members in groupby(kinds):
                part = slice(first, first := first + len(list(members)))
                # Each slice counts for itself: the kernel takes a list of counters, one for each.
                counter = torch.tensor(float(step), device=value.device)
                entry = _Slice(name, part, value[part], mean[part], square[part], counter)
                self._slices.setdefault(own, []).append(entry)

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor | None]) -> None:
        """Update every parameter that has a gradient [member, ...]."""
        for own, entries in self._slices.items():
            used = [
                # The kernel walks both through memory, and `vmap` may return a gradient transposed.
                (entry, gradient[entry.part].contiguous())
                for entry in entries
                if (gradient := gradients[entry.name]) is not None
            ]
            fused_update(
                [entry.value for entry, _ in used],
                [gradient for _, gradient in used],
                ([entry.mean for entry, _ in used], [entry.square for entry, _ in used]),
                [entry.step for entry, _ in used],
                **own._asdict(),
            )
