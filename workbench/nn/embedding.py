"""One embedding table for all features: rows of a batch -> vectors [batch, feature, dim]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.nn.gather import Gather
from workbench.nn.lookup import PADDING_ROW, Lists, Lookup, by_hand
from workbench.schema import TableLayout

__all__ = ["PADDING_ROW", "FeatureEmbedding"]


class FeatureEmbedding(nn.Module):
    """The feature embedding layer, [x_1, ..., x_n] -> [v_1, ..., v_n].

    A single-valued feature looks one row up; the rows of a list (multi-valued or sequence
    feature) are averaged, padding left out. Each feature's first row is its `[MASK]_i`, which is
    also what an unseen or missing value looks up.

    Args:
        layout: which rows and columns belong to which feature.
        dim: size of a vector.
        scale: standard deviation at the start, relative to Xavier-normal.

    Attributes:
        weight: float [layout.rows, dim].
        sparse: whether the gradient of `weight` holds only the rows of the batch; False unless set
            (see `workbench.training.optimizers`).
    """

    single_columns: Tensor
    mask_rows: Tensor

    def __init__(self, layout: TableLayout, dim: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.layout = layout
        self.dim = dim
        self.sparse = False
        self.weight = nn.Parameter(torch.empty(layout.rows, dim))
        lists = {i for i, slot in enumerate(layout.slots) if slot.kind in ("multi", "sequence")}
        singles = [slot.start for i, slot in enumerate(layout.slots) if i not in lists]
        self._lists = sorted(lists)
        self._pieces = _pieces(len(layout.slots), lists)
        # Lists that read other features' rows keep gradients of their own, which are then added up
        # as they always were.
        own_rows = all(slot.offset == slot.mask_row for slot in layout.slots)
        columns = Lists.of(layout.slots)
        self._together = columns if own_rows else None
        self._gather = Gather(columns)
        self.register_buffer("single_columns", torch.tensor(singles), persistent=False)
        self.register_buffer(
            "mask_rows", torch.tensor([slot.mask_row for slot in layout.slots]), persistent=False
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw every feature's rows from N(0, (scale * Xavier)^2); a feature of few values starts
        larger than one of many.

        Padding and the `[MASK]_i` rows start at zero: an unseen value then says nothing until
        masked training has taught its row something.
        """
        self.weight.zero_()
        for slot in self.layout.slots:
            if slot.offset == slot.mask_row:
                own = self.weight[slot.offset + 1 : slot.offset + slot.size]
                own.normal_(0.0, self.scale * (2.0 / (slot.size + self.dim)) ** 0.5)

    def forward(self, rows: Tensor) -> Tensor:
        """Look up a batch.

        Args:
            rows: integer [batch, layout.width], 0 is padding.

        Returns:
            float [batch, feature, dim], in schema order.
        """
        return self.with_masks(rows)[0]

    def with_masks(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [batch, feature, dim] and mask vectors [feature, dim] of one shared lookup.

        One lookup means one gradient of the table for both, which is what the backward pass of a
        small batch mostly costs.
        """
        if self._together is not None and by_hand(self.weight):
            vectors, masks = Lookup.apply(  # type: ignore[no-untyped-call]
                self.weight, rows, self.mask_rows, self._together, self.sparse
            )
            return vectors, masks
        if self.weight.device.type == "cuda" and not self.sparse:
            vectors, masks = self._gather(self.weight, rows, self.mask_rows)
            return vectors, masks
        batch = rows.shape[0]
        columns = rows.index_select(1, self.single_columns)  # [batch, single]
        index = torch.cat((columns.reshape(-1), self.mask_rows.to(rows.dtype)))
        looked_up = F.embedding(index, self.weight, sparse=self.sparse)
        masks = looked_up[batch * columns.shape[1] :]
        singles = looked_up[: batch * columns.shape[1]].view(batch, columns.shape[1], self.dim)
        pooled = {position: self._pooled(position, rows) for position in self._lists}
        return self._in_schema_order(singles, pooled), masks

    def mask_vectors(self) -> Tensor:
        """`[MASK]_i` of every feature: float [feature, dim]."""
        return F.embedding(self.mask_rows, self.weight, sparse=self.sparse)

    def _in_schema_order(self, singles: Tensor, pooled: dict[int, Tensor]) -> Tensor:
        parts = []
        for position, first_single, count in self._pieces:
            if count:
                parts.append(singles[:, first_single : first_single + count])
            else:
                parts.append(pooled[position].unsqueeze(1))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _pooled(self, position: int, rows: Tensor) -> Tensor:
        slot = self.layout.slots[position]
        values = rows[:, slot.start : slot.stop]
        return F.embedding_bag(
            values, self.weight, mode="mean", padding_idx=PADDING_ROW, sparse=self.sparse
        )


def _pieces(features: int, lists: set[int]) -> list[tuple[int, int, int]]:
    """Cut the schema order into runs of single-valued features and lists.

    Returns:
        (position, index of the run's first single, length of the run); length 0 marks a list.
    """
    pieces: list[tuple[int, int, int]] = []
    seen = 0
    for position in range(features):
        if position in lists:
            pieces.append((position, seen, 0))
            continue
        if pieces and pieces[-1][2]:
            start, first, count = pieces.pop()
            pieces.append((start, first, count + 1))
        else:
            pieces.append((position, seen, 1))
        seen += 1
    return pieces
