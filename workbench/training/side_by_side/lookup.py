"""One lookup for all members: their tables end to end, as one long table."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from workbench.nn.embedding import PADDING_ROW, FeatureEmbedding


class StackedLookup:
    """Looks every member's samples up in its own table.

    Args:
        embedding: of any member; what it does with rows is done here, its own table is not read.
    """

    def __init__(self, embedding: FeatureEmbedding) -> None:
        self._with_masks = _WithMasks(embedding)
        self._mask_rows = embedding.mask_rows
        self._table_rows = embedding.layout.rows

    def __call__(self, rows: Tensor, tables: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [member, batch, feature, dim] and mask vectors [member, feature, dim].

        Args:
            rows: integer [member * batch, layout.width], those of the first member first.
            tables: [member, row, dim].
        """
        members = tables.shape[0]
        kind = torch.int64 if members * self._table_rows >= 2**31 else rows.dtype
        offsets = torch.arange(members, device=rows.device, dtype=kind) * self._table_rows
        own = rows.to(kind).view(members, -1, rows.shape[1]) + offsets.view(-1, 1, 1)
        # Padding is left out of every mean, so that of all members may be the first one's row.
        own = own.masked_fill(rows.view(own.shape) == PADDING_ROW, PADDING_ROW)
        mask_rows = self._mask_rows.to(kind) + offsets.unsqueeze(1)
        replaced = {
            "embedding.weight": tables.flatten(0, 1),
            "embedding.mask_rows": mask_rows.reshape(-1),
        }
        found = functional_call(self._with_masks, replaced, (own.flatten(0, 1),))
        vectors, masks = (
            part.view(members, -1, *self._mask_rows.shape, tables.shape[2]) for part in found
        )
        return vectors, masks.squeeze(1)


class _WithMasks(nn.Module):
    def __init__(self, embedding: FeatureEmbedding) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.embedding.with_masks(rows)
