"""The losses of one member, from its vectors on, written so that `torch.vmap` stacks them.

The head holds the structure alone; parameters and running statistics are handed in by
`torch.func.functional_call`, with a leading axis for members that `vmap` takes away.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.nn.framework import AdaF2M2, task_loss
from workbench.nn.layers import rows_apart, running_statistics_kept
from workbench.nn.streams import fork


class DropoutDraws:
    """Who draws the noise of dropout, shared by all dropout layers of a head.

    Args:
        generators: of each member, on the vectors' device.

    Attributes:
        places: members that draw at the moment; the others' units stay.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = tuple(generators)
        self.places: Sequence[int] = range(len(self.generators))


class MemberDropout(nn.Module):
    """Dropout under `vmap` in which each member draws from a generator of its own.

    On the CPU a member then drops exactly the units that `nn.Dropout` would drop for it alone:
    x * b / (1 - rate) with b from Bernoulli(1 - rate). On a GPU the draws are as good but others,
    because the fused kernel there numbers them in another way.

    Args:
        rate: share of units that are dropped.
        draws: who draws.
    """

    def __init__(self, rate: float, draws: DropoutDraws) -> None:
        super().__init__()
        self.rate = rate
        self.draws = draws

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, under `vmap` over members -> the same shape."""
        if not self.training or self.rate == 0:
            return x
        dropped: Tensor = _Drop.apply(x, self)  # type: ignore[no-untyped-call]
        return dropped


class _Drop(torch.autograd.Function):
    """Where `vmap` hands over all members at once, so that each can draw from its generator."""

    @staticmethod
    def forward(x: Tensor, layer: MemberDropout) -> Tensor:
        raise RuntimeError("members draw their dropout under vmap only")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is kept: `vmap` below is made of operations that know their own gradients."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int, None], x: Tensor, layer: MemberDropout
    ) -> tuple[Tensor, int]:
        x = x.movedim(in_dims[0], 0)
        noise = torch.ones_like(x, memory_format=torch.contiguous_format)
        for place in layer.draws.places:
            generator = layer.draws.generators[place]
            noise[place].bernoulli_(1 - layer.rate, generator=generator)
        return x * noise.div_(1 - layer.rate), 0


class Head(nn.Module):
    """Everything of `AdaF2M2` behind the embedding: vectors of a batch -> its two losses.

    Args:
        model: any member; base model, adapter and switches are copied, its numbers do not count.
        dropout: a generator of each member.

    Attributes:
        masked: members that mask anything; the others' L_aux is never used.
    """

    count_positions: Tensor

    def __init__(self, model: AdaF2M2, dropout: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.base = copy.deepcopy(model.base)
        self._rows_apart = rows_apart(self.base)
        self._draws = DropoutDraws(dropout)
        self._all = range(len(dropout))
        self.masked: Sequence[int] = self._all
        _replace_dropout(self.base, self._draws)
        self.adapter = copy.deepcopy(model.adapter)
        if self.adapter is not None:
            self.adapter.weight_scale = 1.0  # each member has its own, see `forward`
        self.register_buffer("count_positions", model.count_positions, persistent=False)
        self.detach_main = not model.config.main_grad_to_embeddings
        self.summed = model.config.aux_reduction == "sum"

    def forward(
        self,
        vectors: Tensor,
        mask_vectors: Tensor,
        counts: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        weight_scale: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """L_main, equation (6), and L_aux, equation (3), of one member; both scalars.

        Args:
            vectors: [batch, feature, dim].
            mask_vectors: [feature, dim].
            counts, labels: [batch, count] and [batch, label].
            mask: bool [k, batch, feature], True where a copy's feature is replaced; None: L_aux
                is 0.
            weight_scale: scalar, multiplies the adapter's sigmoid.
        """
        seen = vectors.detach() if self.detach_main else vectors
        if self.adapter is not None:
            weights = self.adapter(seen, counts.index_select(1, self.count_positions))
            seen = seen * (weights * weight_scale).unsqueeze(-1)
        self._draws.places = self._all
        if mask is None:
            main = task_loss(self.base(seen), labels)
            return main, torch.zeros_like(main)
        if self._rows_apart and vectors.device.type == "cuda":
            copies = torch.where(mask.unsqueeze(-1), mask_vectors, vectors)
            logit = self.base(torch.cat((seen.unsqueeze(0), copies)).flatten(0, 1))
            main = task_loss(logit[: len(labels)], labels)
            return main, self._of_copies(logit[len(labels) :], labels, len(mask))
        branch = fork(vectors.device)
        main = task_loss(self.base(seen), labels)
        # A member without masked copies draws nothing for them, as it would alone.
        self._draws.places = self.masked
        with branch:
            copies = torch.where(mask.unsqueeze(-1), mask_vectors, vectors)
            with running_statistics_kept(self.base):
                logit = self.base(copies.flatten(0, 1))
            return main, self._of_copies(logit, labels, len(mask))

    def _of_copies(self, logit: Tensor, labels: Tensor, k: int) -> Tensor:
        mean = task_loss(logit, labels.repeat(k, 1))
        return mean * k if self.summed else mean


def _replace_dropout(module: nn.Module, draws: DropoutDraws) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, MemberDropout(child.p, draws))
        else:
            _replace_dropout(child, draws)
