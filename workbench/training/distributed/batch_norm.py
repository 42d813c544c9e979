"""Batch norm over the global batch: statistics of all processes' rows, on CPUs too."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from workbench.training.distributed.share import Share


class GlobalBatchNorm(nn.BatchNorm1d):
    """Normalises [batch, channel] or [batch, entry, channel] as one process with all rows would.

    Torch's `SyncBatchNorm` does so on CUDA only. A global batch of one row, which has no spread to
    normalise by, is normalised by the running statistics.

    Args:
        channels, eps, momentum: as in torch.
        share: this process's part of the batch.
    """

    def __init__(self, channels: int, eps: float, momentum: float, share: Share) -> None:
        super().__init__(channels, eps, momentum)
        self.share = share

    @classmethod
    def of(cls, norm: nn.modules.batchnorm._BatchNorm, share: Share) -> GlobalBatchNorm:
        """One with the parameters and statistics of `norm` themselves, not copies."""
        made = cls(norm.num_features, norm.eps, norm.momentum or 0.1, share)
        made.weight, made.bias = norm.weight, norm.bias
        made.running_mean, made.running_var = norm.running_mean, norm.running_var
        made.num_batches_tracked = norm.num_batches_tracked
        return made.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, ..., channel] -> the same shape."""
        rows = x.reshape(-1, x.shape[-1])
        if not self.training or not self.share.total:
            return super().forward(rows).view_as(x)
        copies = x.shape[0] // (self.share.rows.stop - self.share.rows.start)
        if copies * self.share.total == 1:
            mean, variance = self.running_mean, self.running_var
            known = batch_norm(rows, mean, variance, self.weight, self.bias, eps=self.eps)
            return known.view_as(x)
        counted = float(self.share.own > 0)
        local = torch.cat((rows.sum(0), rows.new_tensor([float(len(rows))]))) * counted
        total = _summed(local)
        count = total[-1].detach()
        mean = total[:-1] / count
        centred = rows - mean
        squares = centred.square().sum(0) * counted
        variance = _summed(squares) / count
        if self.track_running_stats:
            self._remember(mean, variance * count / (count - 1))
        normal = centred * (variance + self.eps).rsqrt()
        return (normal * self.weight + self.bias).view_as(x)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        momentum = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)
        self.num_batches_tracked.add_(1)


class _Sum(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _summed(x: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total
