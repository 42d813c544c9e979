"""Random draws of the global batch, of which every process takes its rows.

All processes hold the same generators in the same state. Where one process would draw a number per
row, each draws them for all rows and keeps its own, so masks, dropout and the rest are those of one
process; generators stay in step whatever the shares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.nn.framework import AdaF2M2
from workbench.rivals.dropoutnet import DropoutNet
from workbench.rivals.embedding_dropout import EmbeddingDropout
from workbench.training.distributed.batch_norm import GlobalBatchNorm
from workbench.training.distributed.share import Share
from workbench.training.optimizers import SPARSE_ROWS


def check_shareable(config: ExperimentConfig, table_rows: int) -> None:
    """Refuse what several processes cannot do as one process does it.

    Args:
        config: the experiment.
        table_rows: of the embedding table.

    Raises:
        InputError: simulated cold states; items of SSL where the table is split; sparse updates;
            compiled losses; averaged weights.
    """
    training = config.training
    if training.updates == "sparse" or (training.updates == "auto" and table_rows >= SPARSE_ROWS):
        raise InputError(
            f"training.updates = '{training.updates}' over several processes: sparse for this "
            f"table of {table_rows:,} rows; allowed: 'dense'"
        )
    if training.compile:
        raise InputError(
            "training.compile = true over several processes: shares of a batch are not compiled "
            "for; allowed: false"
        )
    if training.average_decay is not None:
        raise InputError(
            f"training.average_decay = {training.average_decay:g} over several processes: weights "
            "are averaged by one; allowed: null"
        )
    if config.framework.cold_states.share > 0:
        raise InputError(
            f"framework.cold_states.share = {config.framework.cold_states.share:g} over several "
            "processes: the histories are drawn by one; allowed: 0"
        )
    sharding = config.training.table_sharding
    if sharding != "none" and config.rival.name == "ssl":
        raise InputError(
            f"training.table_sharding = '{sharding}' with rival.name = 'ssl': it draws items from "
            "the whole table; allowed: 'none'"
        )


def share_draws(model: AdaF2M2, share: Share) -> None:
    """Make a model draw for the global batch and keep the share's rows.

    Outside training (``share.total`` is 0) it draws as ever. Batch norms take their statistics over
    the global batch.

    Args:
        model: on its device.
        share: told of every batch beforehand.
    """
    if model.mask is not None:
        _replace(model.mask, "sample", _sliced(model.mask.sample, share, dim=1))
    if isinstance(model, DropoutNet | EmbeddingDropout):
        _replace(model, "kept", _sliced(model.kept, share, dim=0))
    for parent, name, child in list(_children(model)):
        if type(child) is nn.Dropout:
            setattr(parent, name, SharedDropout(child.p, share))
        elif isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(parent, name, GlobalBatchNorm.of(child, share))


class SharedDropout(nn.Dropout):
    """Dropout whose draws are those of the global batch.

    On a CPU they are the very numbers that `torch.nn.Dropout` draws for it.

    Args:
        p: probability of a zero.
        share: this process's part of the batch.
    """

    def __init__(self, p: float, share: Share) -> None:
        super().__init__(p)
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """[copies * batch, ...], the masked copies of a batch end to end -> the same shape."""
        share = self.share
        if not self.training or self.p == 0 or not share.total:
            return super().forward(x)
        rows = share.rows.stop - share.rows.start
        copies, keep = x.shape[0] // rows, 1 - self.p
        shape = (copies, share.total, *x.shape[1:])
        kept = torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(keep).div_(keep)
        return x * kept[:, share.rows].reshape(x.shape)


def _sliced(draw: Callable[..., Any], share: Share, dim: int) -> Callable[..., Any]:
    """`draw` with the number of rows as first argument, for the share's rows of the batch."""

    def drawn(batch: int, *arguments: Any, **named: Any) -> Any:
        if not share.total:
            return draw(batch, *arguments, **named)
        whole = draw(share.total, *arguments, **named)
        if isinstance(whole, Tensor):
            return whole.narrow(dim, share.first, batch)
        return tuple(part.narrow(dim, share.first, batch) for part in whole)

    return drawn


def _replace(module: nn.Module, name: str, method: Callable[..., Any]) -> None:
    # On the instance, past nn.Module's own book-keeping.
    object.__setattr__(module, name, method)


def _children(module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    for parent in module.modules():
        for name, child in parent.named_children():
            yield parent, name, child
