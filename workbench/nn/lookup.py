"""The lookup of a batch in one table, with a gradient that costs what the batch costs.

The same numbers as `torch.nn.functional.embedding` and `embedding_bag` give on a CPU, to the bit:
every sum is taken in the same order with the same roundings. What is saved is the work around the
sums: one pass looks all features up in the order in which the model wants them, and one table-sized
gradient is written instead of one for each list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from workbench.schema import FeatureSlot, Kind

PADDING_ROW = 0


@dataclass(frozen=True)
class Lists:
    """Which columns of a batch are averaged into which vectors.

    Attributes:
        columns: of the batch's rows, those of one feature next to each other.
        starts: of each feature, its first one among `columns`; then their number.
        singles, averaged: positions of the single-valued features, of one column each, and of the
            lists.
    """

    columns: tuple[int, ...]
    starts: tuple[int, ...]
    singles: tuple[int, ...]
    averaged: tuple[int, ...]

    @classmethod
    def of(cls, slots: Sequence[FeatureSlot]) -> Lists:
        """Those of some features, in their order."""
        columns: list[int] = []
        starts = [0]
        for slot in slots:
            columns += range(slot.start, slot.stop)
            starts.append(len(columns))
        lists = [i for i, slot in enumerate(slots) if slot.kind in (Kind.MULTI, Kind.SEQUENCE)]
        singles = [i for i in range(len(slots)) if i not in lists]
        return cls(tuple(columns), tuple(starts), tuple(singles), tuple(lists))

    def take(self, rows: Tensor) -> Tensor:
        """Table rows [batch, column] of these features, in their order."""
        if self.columns == tuple(range(rows.shape[1])):
            return rows.contiguous()
        return rows.index_select(1, _numbers(self.columns))

    def offsets(self, batch: int, dtype: torch.dtype) -> Tensor:
        """Where each of the batch * feature lists begins, end to end."""
        return _offsets(self, batch, dtype)

    def membership(self) -> Tensor:
        """float [column, feature], 1 where a column belongs to a feature."""
        return _membership(self)


@lru_cache(maxsize=256)
def _numbers(values: tuple[int, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


@lru_cache(maxsize=64)
def _offsets(lists: Lists, batch: int, dtype: torch.dtype) -> Tensor:
    firsts = torch.arange(batch, dtype=dtype).unsqueeze(1) * lists.starts[-1]
    return (firsts + _numbers(lists.starts[:-1]).to(dtype)).reshape(-1)


@lru_cache(maxsize=64)
def _membership(lists: Lists) -> Tensor:
    starts = torch.tensor(lists.starts)
    column = torch.arange(lists.starts[-1]).unsqueeze(1)
    return ((column >= starts[:-1]) & (column < starts[1:])).float()


def by_hand(values: Tensor, device: str = "cpu") -> bool:
    """Whether operations written out for float32 on a kind of device can be used on `values`: not
    for a compiler or a transform, which trace what is below them.
    """
    if values.device.type != device or values.dtype != torch.float32:
        return False
    return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())


class Lookup(torch.autograd.Function):
    """Means of table rows, and single rows beside them; float32 on a CPU.

    ``Lookup.apply(weight, rows, alone, lists, sparse)``:

    - weight: float [table row, dim].
    - rows: integer [batch, width], 0 is padding.
    - alone: int64 [single], rows that are looked up once for the whole batch.
    - lists: of the features.
    - sparse: whether the table's gradient holds the batch's rows only.

    Returns vectors [batch, feature, dim] and [single, dim].
    """

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, rows: Tensor, alone: Tensor, lists: Lists, sparse: bool
    ) -> tuple[Tensor, Tensor]:
        taken = lists.take(rows)
        shape = (rows.shape[0], len(lists.starts) - 1, weight.shape[1])
        ctx.set_materialize_grads(False)
        ctx.lists, ctx.sparse, ctx.table_rows = lists, sparse, weight.shape[0]
        ctx.counts = None
        if not lists.averaged:
            ctx.save_for_backward(taken, alone)
            vectors = weight.index_select(0, taken.reshape(-1)).view(shape)
            return vectors, weight.index_select(0, alone)
        present = (taken != PADDING_ROW).float()
        counts = (present @ lists.membership()).clamp_min_(1)  # [batch, feature]
        sums = F.embedding_bag(
            taken.reshape(-1),
            weight,
            lists.offsets(shape[0], taken.dtype),
            mode="sum",
            per_sample_weights=present.reshape(-1),
        )
        ctx.save_for_backward(taken, alone)
        ctx.counts = counts
        vectors = sums.view(shape).div_(counts.unsqueeze(-1))
        return vectors, weight.index_select(0, alone)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, vectors: Tensor | None, alone: Tensor | None
    ) -> tuple[Tensor | None, None, None, None, None]:
        taken, alone_rows = ctx.saved_tensors
        parts: list[tuple[Tensor, Tensor]] = []
        if vectors is not None:
            parts += _of_lists(vectors, taken, ctx.lists, ctx.counts)
            parts += _of_singles(vectors, taken, ctx.lists)
        if alone is not None:
            parts.append((alone_rows, alone))
        if ctx.sparse:
            return _sparse(parts, ctx.table_rows), None, None, None, None
        dim = next((values.shape[1] for _, values in parts), 0)
        gradient = torch.zeros(ctx.table_rows, dim)
        for index, values in parts:
            gradient.index_add_(0, index, values)
        return (gradient if parts else None), None, None, None, None


def _of_singles(vectors: Tensor, taken: Tensor, lists: Lists) -> list[tuple[Tensor, Tensor]]:
    """(table rows, gradients) of the single-valued features, sample by sample."""
    singles = lists.singles
    if not singles:
        return []
    columns = tuple(lists.starts[position] for position in singles)
    index = _picked(taken, columns).reshape(-1).long()
    return [(index, _picked(vectors, singles).reshape(-1, vectors.shape[2]))]


def _picked(values: Tensor, positions: tuple[int, ...]) -> Tensor:
    """`values[:, positions]`, a view where they are neighbours."""
    first, count = positions[0], len(positions)
    if positions == tuple(range(first, first + count)):
        return values[:, first : first + count]
    return values.index_select(1, _numbers(positions))


def _of_lists(
    vectors: Tensor, taken: Tensor, lists: Lists, counts: Tensor | None
) -> list[tuple[Tensor, Tensor]]:
    """(distinct table rows, summed gradients) of each list feature, the last one first."""
    if counts is None:
        return []
    shares = counts.double().reciprocal().float()  # [batch, feature]
    parts = []
    for position in reversed(lists.averaged):
        start, stop = lists.starts[position : position + 2]
        # The order within a row's sum is that of `embedding_bag`, which sorts the same numbers.
        ordered, order = taken[:, start:stop].reshape(-1).sort()
        found, lengths = torch.unique_consecutive(ordered, return_counts=True)
        padding = int(lengths[0]) if len(found) and int(found[0]) == PADDING_ROW else 0
        if padding:
            order, found, lengths = order[padding:], found[1:], lengths[1:]
        samples = order // (stop - start)
        sums = F.embedding_bag(
            samples,
            vectors[:, position],
            lengths.cumsum(0) - lengths,
            mode="sum",
            per_sample_weights=shares[:, position].index_select(0, samples),
        )
        parts.append((found.long(), sums))
    return parts


def _sparse(parts: list[tuple[Tensor, Tensor]], table_rows: int) -> Tensor | None:
    """One sparse gradient [table row, dim]; a row may occur several times."""
    if not parts:
        return None
    index = torch.cat([one for one, _ in parts])
    values = torch.cat([one for _, one in parts])
    kept = index != PADDING_ROW
    size = (table_rows, values.shape[1])
    return torch.sparse_coo_tensor(
        index[kept].unsqueeze(0), values[kept], size, check_invariants=False
    )
