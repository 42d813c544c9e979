"""What all ways to split the embedding table share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.framework import AdaF2M2
from workbench.schema import TableLayout
from workbench.training.distributed.group import Group
from workbench.training.distributed.share import Share

# Numbers drawn at a time: 64 MiB. A multiple of 16, the block in which torch draws normal numbers
# on a CPU, so that the pieces hold the very numbers that one draw of all gives.
_PIECE = 1 << 24


class Block(NamedTuple):
    """A rectangle of the whole table that one process holds.

    Attributes:
        rows, columns: of the whole table.
        values: [row, column], a view of what the process trains.
    """

    rows: range
    columns: range
    values: Tensor


class SplitEmbedding(FeatureEmbedding):
    """A `FeatureEmbedding` of which no process holds the whole table.

    Args:
        layout, dim, scale: as in `FeatureEmbedding`.
        group: of the processes.

    Attributes:
        share: of the global batch that is trained on; None, or with ``total`` 0, where every
            process looks up equally many samples.
    """

    def __init__(self, layout: TableLayout, dim: int, scale: float, group: Group) -> None:
        # FeatureEmbedding's own start would make the whole table.
        nn.Module.__init__(self)
        self.layout, self.dim, self.scale = layout, dim, scale
        self.group = group
        self.share: Share | None = None
        masks = torch.tensor([slot.mask_row for slot in layout.slots])
        self.register_buffer("mask_rows", masks, persistent=False)

    @abstractmethod
    def with_masks(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """As `FeatureEmbedding.with_masks`; all processes have to call it at the same time."""

    @abstractmethod
    def own_parameters(self) -> list[nn.Parameter]:
        """What this process trains of the table."""

    @abstractmethod
    def blocks(self, values: list[Tensor]) -> list[Block]:
        """Where in the whole table the numbers of this process belong.

        Args:
            values: one tensor for each of `own_parameters`, of its shape: itself or a moment.
        """

    def forward(self, rows: Tensor) -> Tensor:
        """As `FeatureEmbedding.forward`; all processes have to call it at the same time."""
        return self.with_masks(rows)[0]

    def mask_vectors(self) -> Tensor:
        """As `FeatureEmbedding.mask_vectors`; all processes have to call it at the same time."""
        return self.with_masks(self.mask_rows.new_zeros(1, self.layout.width))[1]

    @torch.no_grad()
    def whole(self) -> Tensor:
        """The whole table [layout.rows, dim] on the CPU, in process 0; the others, which have to
        ask at the same time, get zeros that take no memory.
        """
        own = self.blocks([one.detach() for one in self.own_parameters()])
        if not self.group.first:
            self._send(own)
            return torch.zeros(()).expand(self.layout.rows, self.dim)
        table = torch.zeros(self.layout.rows, self.dim)
        for block in own:
            _put(table, block)
        for rank in range(1, self.group.size):
            self._receive(rank, table)
        return table

    def _send(self, blocks: list[Block]) -> None:
        dist.send(torch.tensor(len(blocks)), 0)
        for rows, columns, values in blocks:
            dist.send(torch.tensor([rows.start, rows.stop, columns.start, columns.stop]), 0)
            dist.send(values.cpu().contiguous(), 0)

    def _receive(self, rank: int, table: Tensor) -> None:
        count = torch.zeros((), dtype=torch.int64)
        dist.recv(count, rank)
        for _ in range(int(count)):
            bounds = torch.zeros(4, dtype=torch.int64)
            dist.recv(bounds, rank)
            top, bottom, left, right = bounds.tolist()
            values = torch.empty(bottom - top, right - left)
            dist.recv(values, rank)
            _put(table, Block(range(top, bottom), range(left, right), values))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw what `FeatureEmbedding.reset_parameters` draws, piece by piece, and keep the own."""
        own = self.blocks([one.data for one in self.own_parameters()])
        for block in own:
            block.values.zero_()
        for start, drawn in self._drawn_pieces():
            end = start + len(drawn)
            for block in own:
                low, high = max(start, block.rows.start), min(end, block.rows.stop)
                if low < high:
                    part = drawn[low - start : high - start]
                    into = block.values[low - block.rows.start : high - block.rows.start]
                    into.copy_(part[:, block.columns.start : block.columns.stop])

    def _drawn_pieces(self) -> Iterator[tuple[int, Tensor]]:
        """(first row, rows) of every feature's start, in order and in bounded memory."""
        # So many rows that a piece is a multiple of 16 numbers.
        step = max(16, _PIECE // self.dim // 16 * 16)
        for slot in self.layout.slots:
            if slot.offset != slot.mask_row:
                continue  # lives in another feature's rows
            std = self.scale * (2.0 / (slot.size + self.dim)) ** 0.5
            first, end = slot.offset + 1, slot.offset + slot.size
            while first < end:
                # The last piece takes what is left, so that none is shorter than a block of 16.
                last = end if end - first < 2 * step else first + step
                yield first, torch.empty(last - first, self.dim).normal_(0.0, std)
                first = last

    def padded(self, rows: Tensor) -> Tensor:
        """Table rows [row, width] of as many samples as the process with the most of them has."""
        share = self.share
        if share is None or not share.total or len(rows) == share.longest:
            return rows
        padding = rows.new_zeros(share.longest - len(rows), rows.shape[1])
        return torch.cat((rows, padding))


def _put(table: Tensor, block: Block) -> None:
    part = table[block.rows.start : block.rows.stop]
    part[:, block.columns.start : block.columns.stop] = block.values.cpu()


def split_part(model: AdaF2M2) -> list[nn.Parameter]:
    """The parameters of which every process holds another part."""
    embedding = model.embedding
    return embedding.own_parameters() if isinstance(embedding, SplitEmbedding) else []


def segments(layout: TableLayout) -> list[range]:
    """The whole table's rows, cut where a feature's own rows begin; padding comes first."""
    starts = [0, *sorted({slot.mask_row for slot in layout.slots}), layout.rows]
    return [range(low, high) for low, high in pairwise(starts)]


def pooled(vectors: Tensor, rows: Tensor, layout: TableLayout) -> Tensor:
    """Vectors of every column -> vectors of every feature; lists are averaged without padding.

    Args:
        vectors: [batch, layout.width, dim].
        rows: [batch, layout.width], 0 is padding.
        layout: of the table.

    Returns:
        [batch, feature, dim], in schema order.
    """
    parts = []
    for slot in layout.slots:
        own = vectors[:, slot.start : slot.stop]
        if slot.kind in ("multi", "sequence"):
            present = (rows[:, slot.start : slot.stop] != 0).to(own.dtype).unsqueeze(-1)
            own = (own * present).sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp_min(1)
        parts.append(own)
    return torch.cat(parts, dim=1)
