"""The lookup of a batch in one table on a GPU, whose gradient is scattered by atomic additions.

Torch's own lookups sort a batch's rows there before they add the gradients of equal ones up, which
is half of DCN-V2's step on a batch of 4096 (tests/benchmarks/bench_gpu.py). Atomic additions come
in no fixed order: two runs differ in their last digits.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from workbench.nn.lookup import PADDING_ROW, Lists


class Gather(nn.Module):
    """Means of table rows, one for each feature of a sample, and single rows beside them.

    Args:
        lists: of the features.
    """

    columns: Tensor
    owner: Tensor
    starts: Tensor
    membership: Tensor
    listed: Tensor

    def __init__(self, lists: Lists) -> None:
        super().__init__()
        membership = lists.membership()
        self.averages = bool(lists.averaged)
        self._lengths = [b - a for a, b in zip(lists.starts, lists.starts[1:], strict=False)]
        self._as_they_are = lists.columns == tuple(range(len(lists.columns)))
        self.register_buffer("columns", torch.tensor(lists.columns), persistent=False)
        self.register_buffer("owner", membership.argmax(1), persistent=False)
        self.register_buffer("starts", torch.tensor(lists.starts[:-1]), persistent=False)
        self.register_buffer("membership", membership, persistent=False)
        self.register_buffer("listed", membership[:, lists.averaged].any(1), persistent=False)

    def forward(self, weight: Tensor, rows: Tensor, alone: Tensor) -> tuple[Tensor, Tensor]:
        """Look up.

        Args:
            weight: float [table row, dim].
            rows: integer [batch, width], 0 is padding.
            alone: int64 [single], rows that are looked up once for the whole batch.

        Returns:
            [batch, feature, dim] and [single, dim].
        """
        whole = self._as_they_are and rows.shape[1] == len(self.columns)
        taken = rows if whole else rows.index_select(1, self.columns)  # [batch, column]
        index, shares = taken.reshape(-1), None
        if self.averages:
            padding = (taken == PADDING_ROW) & self.listed
            index, shares = _apart(taken, padding, len(weight)), self.shares(padding)
        if torch.compiler.is_compiling():
            return self._plain(weight, index, shares, len(rows)), weight.index_select(0, alone)
        vectors, singles = _Scattered.apply(  # type: ignore[no-untyped-call]
            weight, index, shares, alone, self.owner, self.starts
        )
        return vectors, singles

    def shares(self, padding: Tensor) -> Tensor:
        """The share [batch, column] of each table row in its feature's mean."""
        present = (~padding).to(self.membership.dtype)
        counts = (present.unsqueeze(-1) * self.membership).sum(1).clamp_min(1)
        return present / counts.index_select(1, self.owner)

    def _plain(self, weight: Tensor, index: Tensor, shares: Tensor | None, batch: int) -> Tensor:
        """The means in operations that a compiler makes one of."""
        entries = weight.index_select(0, index)
        entries = entries.view(batch, len(self.owner), weight.shape[1])
        if shares is None:
            return entries
        entries = entries * shares.unsqueeze(-1)
        return torch.stack([part.sum(1) for part in torch.split(entries, self._lengths, 1)], 1)


class _Scattered(torch.autograd.Function):
    """The means by torch's kernels, their gradient by one scatter."""

    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        index: Tensor,
        shares: Tensor | None,
        alone: Tensor,
        owner: Tensor,
        starts: Tensor,
    ) -> tuple[Tensor, Tensor]:
        columns, features = len(owner), len(starts)
        shape = (len(index) // columns, features, weight.shape[1])
        ctx.table_rows = weight.shape[0]
        ctx.save_for_backward(index, shares, alone, owner)
        firsts = torch.arange(0, len(index), columns, device=index.device, dtype=index.dtype)
        sums = F.embedding_bag(
            index,
            weight,
            (firsts.unsqueeze(1) + starts.to(index.dtype)).view(-1),
            mode="sum",
            per_sample_weights=None if shares is None else shares.view(-1),
        )
        return sums.view(shape), weight.index_select(0, alone)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, vectors: Tensor, singles: Tensor
    ) -> tuple[Tensor, None, None, None, None, None]:
        index, shares, alone, owner = ctx.saved_tensors
        if shares is not None:
            vectors = vectors.index_select(1, owner) * shares.unsqueeze(-1)
        gradient = vectors.new_zeros(ctx.table_rows, vectors.shape[2])
        gradient.index_add_(0, index, vectors.reshape(len(index), vectors.shape[2]))
        gradient.index_add_(0, alone, singles)
        return gradient, None, None, None, None, None


def _apart(taken: Tensor, padding: Tensor, table_rows: int) -> Tensor:
    """Table rows [batch * column]; those of padding, which add zeros, are spread over the table, so
    that they do not queue for one row.
    """
    anywhere = torch.arange(taken.numel(), device=taken.device, dtype=taken.dtype) % table_rows
    return torch.where(padding, anywhere.view(taken.shape), taken).reshape(-1)
