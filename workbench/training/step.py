"""One training step, in the way that the config asks for: eager, compiled, captured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from workbench.config import TrainingConfig
from workbench.data.dataset import Batch
from workbench.nn.framework import AdaF2M2, Losses
from workbench.training.capture import CapturedStep
from workbench.training.compiled import compiled
from workbench.training.optimizers import has_sparse_updates


class Step:
    """Losses, gradients and update for a batch; nothing in it waits for the device.

    Args:
        model: may get other `losses` until the first step.
        optimizer: of its parameters.
        masks: draws the masks.
        config: precision, compilation and capture.
    """

    def __init__(
        self,
        model: AdaF2M2,
        optimizer: torch.optim.Optimizer,
        masks: torch.Generator,
        config: TrainingConfig,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.masks = masks
        self.config = config
        self._fast: Callable[[Batch, torch.Generator], Losses] | None = None
        self._captured: CapturedStep | None = None
        if is_captured(model, config, masks.device):
            self._captured = CapturedStep(self.eager, self._decided, config.batch_size, [masks])

    def __call__(self, batch: Batch) -> Tensor:
        """One step; the losses [3], which the next step may overwrite."""
        return self.eager(batch) if self._captured is None else self._captured(batch)

    def eager(self, batch: Batch) -> Tensor:
        """One step, kernel by kernel; the losses [3]."""
        device = batch.rows.device
        with products_in(self.config.precision, device):
            with in_precision(self.config.precision, device):
                loss = self._losses(batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return torch.stack(loss).detach()

    def _losses(self, batch: Batch) -> Losses:
        # The last batch of an epoch is a shape of its own, which is not worth compiling for.
        if not self.config.compile or len(batch) != self.config.batch_size:
            return self.model.losses(batch, self.masks)
        if self._fast is None:
            self._fast = self._compiled()
        return self._fast(batch, self.masks)

    def _compiled(self) -> Callable[[Batch, torch.Generator], Losses]:
        """The compiled losses, behind what a compiler cannot trace or only slows down: the masks'
        draw, and on a CPU the lookup, which is written out by hand there.
        """
        model = self.model
        if type(model).losses is not AdaF2M2.losses:  # a rival's own
            return compiled(model.losses)
        if self.masks.device.type != "cpu":
            whole = compiled(model.losses_of_drawn)
            return lambda batch, masks: whole(batch, masks, model.draw_mask(batch, masks))
        behind = compiled(model.losses_of)
        return lambda batch, masks: behind(
            model.looked_up(batch), batch, masks, model.draw_mask(batch, masks)
        )

    def _decided(self) -> Any:
        """What the host puts into a step beside the batch."""
        keys = ("lr", "betas", "eps", "weight_decay")
        groups = tuple(tuple(group[key] for key in keys) for group in self.optimizer.param_groups)
        model = self.model
        mask = model.mask
        bounds = None if mask is None else (mask.low, mask.high, mask.id_low, mask.id_high)
        return groups, model.config.alpha_at(model.epoch), bounds, model.training


def is_captured(model: AdaF2M2, config: TrainingConfig, device: torch.device) -> bool:
    """Whether steps are replayed from a CUDA graph.

    Not where the number of rows depends on the numbers drawn (cold states, sparse updates), which
    the host would have to wait for, nor where other processes take part.
    """
    fixed = model.cold_states is None and not has_sparse_updates(model, config)
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return config.capture == "auto" and device.type == "cuda" and fixed and not together


def in_precision(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which losses are computed.

    "bf16" computes matrix products in bfloat16; weights, gradients, moments and losses stay
    float32.
    """
    if precision != "bf16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def products_in(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """The context in which float32 products and those of their gradients are computed.

    "tf32" lets a GPU round what it multiplies to 10 bits of mantissa; sums stay float32.
    """
    return _rounded_products() if (precision, device.type) == ("tf32", "cuda") else nullcontext()


@contextmanager
def _rounded_products() -> Iterator[None]:
    """It is the process's setting that torch reads; it is as it was afterwards."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
