"""The serving path of a model as one small graph of tensors, for export and for speed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.nn.adapter import SMALLEST_NORM, StateAwareAdapter
from workbench.nn.framework import AdaF2M2
from workbench.schema import Kind, TableLayout


class Servable(nn.Module):
    """A trained model from encoded rows to logits: embeddings, adapter and base model, no mask.

    It computes what `AdaF2M2.forward` does, in fewer and larger steps:

    - One lookup serves all features; lists are averaged by one product with a constant matrix,
      whose division by their lengths joins the adapter's weight.
    - What the adapter reads of an ID depends on its row alone, so the four functions of its norm
      lie beside the embedding, as four more entries of the row.
    - The standardisation of the counts is folded into the adapter's first layer.

    Args:
        model: trained; it is not changed, and shares its base model.
    """

    pool: Tensor | None
    id_columns: Tensor
    count_positions: Tensor

    def __init__(self, model: AdaF2M2) -> None:
        super().__init__()
        layout = model.embedding.layout
        self.dim = model.embedding.dim
        self.base = model.base
        self.gate: nn.Module | None = getattr(model, "gate", None)
        table = model.embedding.weight.detach()
        self.h: nn.Sequential | None = None
        self.weight_scale = 1.0
        if model.adapter is not None:
            self.h = _folded(model.adapter, self.dim)
            self.weight_scale = model.adapter.weight_scale
            table = _with_norms(table)
        self.table = nn.Parameter(table.clone(), requires_grad=False)
        reads = model.adapter is not None and "count" in model.adapter.signals
        positions = model.count_positions if reads else model.count_positions[:0]
        self.register_buffer("count_positions", positions.clone())
        ids = [s.start for s in layout.slots if s.is_id and s.kind is Kind.SINGLE]
        self.register_buffer("id_columns", torch.tensor(ids))
        self.register_buffer("pool", _pooling(layout))
        self.eval()

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Score encoded rows.

        Args:
            rows: integer [batch, width], as in `workbench.data.dataset.Batch`.
            counts: float [batch, count], raw, in the order of the schema.

        Returns:
            The logit and the probability, each [batch] or [batch, task].
        """
        looked_up = F.embedding(rows, self.table)  # [batch, width, dim (+ 4)]
        vectors = looked_up[..., : self.dim]
        scale: Tensor | None = None
        if self.pool is not None:
            vectors = self.pool @ vectors  # [batch, feature, dim], sums of lists
            filled = (rows != 0).to(vectors.dtype) @ self.pool.t()  # [batch, feature]
            scale = filled.reciprocal()
        if self.h is not None:
            state = looked_up.index_select(1, self.id_columns).flatten(1)
            if len(self.count_positions):
                used = torch.log1p(counts.index_select(1, self.count_positions))
                state = torch.cat((state, used), dim=1)
            weights = torch.sigmoid(self.h(state))
            if self.weight_scale != 1.0:
                weights = weights * self.weight_scale
            scale = weights if scale is None else scale * weights
        if scale is not None:
            vectors = vectors * scale.unsqueeze(-1)
        if self.gate is not None:
            vectors = vectors * self.gate(vectors).unsqueeze(-1)
        logit: Tensor = self.base(vectors)
        return logit, torch.sigmoid(logit)


def _folded(adapter: StateAwareAdapter, dim: int) -> nn.Sequential:
    """The adapter's network over (ID embedding and norms, ID after ID; log(1 + count)).

    With standardised counts (x - m) / s, W (x - m) / s + b = (W / s) x + (b - W m / s). Inputs that
    the adapter does not read get the weight 0.
    """
    first = adapter.h[0]
    assert isinstance(first, nn.Linear)
    ids = len(adapter.id_positions)
    outputs, weight = first.out_features, first.weight.detach().double()
    bias = first.bias.detach().double().clone()
    by_id = torch.zeros(outputs, ids, dim + 4, dtype=torch.float64)
    start = 0
    if "id" in adapter.signals:
        by_id[:, :, :dim] = weight[:, : ids * dim].view(outputs, ids, dim)
        start = ids * dim
    if "norm" in adapter.signals:
        norms = weight[:, start : start + 4 * ids].view(outputs, 4, ids)
        by_id[:, :, dim:] = norms.transpose(1, 2)
        start += 4 * ids
    by_count = weight[:, start:]  # empty where the counts are not read
    if "count" in adapter.signals:
        by_count = by_count / adapter.count_std.double()
        bias -= by_count @ adapter.count_mean.double()
    folded = nn.Linear(ids * (dim + 4) + by_count.shape[1], outputs)
    with torch.no_grad():
        folded.weight.copy_(torch.cat((by_id.flatten(1), by_count), dim=1))
        folded.bias.copy_(bias)
    return nn.Sequential(folded, *list(adapter.h)[1:])


def _with_norms(table: Tensor) -> Tensor:
    """[row, dim + 4]: every embedding, its norm, and the norm's log, root and square."""
    norm = table.square().sum(-1, keepdim=True).clamp_min(SMALLEST_NORM**2).sqrt()
    return torch.cat((table, norm, norm.log(), norm.sqrt(), norm.square()), dim=1)


def _pooling(layout: TableLayout) -> Tensor | None:
    """float [feature, width], 1 where a column belongs to a feature; None for the identity."""
    pool = torch.zeros(len(layout.slots), layout.width)
    for position, slot in enumerate(layout.slots):
        pool[position, slot.start : slot.stop] = 1
    return None if torch.equal(pool, torch.eye(*pool.shape)) else pool
