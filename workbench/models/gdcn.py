"""GDCN (Wang et al. 2023): a cross network whose every order passes an information gate."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from workbench.models.base import BaseRanker, Dropout, FeatureLayout, ModelOptions, Width
from workbench.nn.cross import cross
from workbench.nn.layers import linear, relu_tower


class GDCNOptions(ModelOptions):
    """Hyperparameters of `GDCN`."""

    cross_layers: int = Field(default=3, ge=1, le=16)
    # "parallel" (GDCN-P) concatenates both networks' outputs, "stacked" (GDCN-S) feeds the crosses
    # into the tower.
    structure: Literal["parallel", "stacked"] = "parallel"
    # The deep tower; none leaves the gated cross network alone.
    hidden: tuple[Width, ...] = (256, 128)
    dropout: Dropout = 0.0


class GatedCrossLayer(nn.Module):
    """x_{l+1} = x_0 * (W x_l + b) * sigmoid(W_g x_l) + x_l; the gate has no bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = linear(width, width)
        self.gate = nn.Parameter(nn.init.xavier_normal_(torch.empty(width, width)))

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        """x_0 and x_l, both [batch, width] -> x_{l+1} [batch, width]."""
        gates = torch.sigmoid(x @ self.gate.t())
        return cross(x, first, self.linear(x) * gates)


class GDCN(BaseRanker):
    """Gated cross network over the concatenated vectors, beside, below or without a deep tower."""

    Options = GDCNOptions

    def __init__(self, layout: FeatureLayout, options: GDCNOptions) -> None:
        super().__init__(layout, options)
        width = layout.flat
        self.crosses = nn.ModuleList(GatedCrossLayer(width) for _ in range(options.cross_layers))
        self.tower = relu_tower(width, options.hidden, options.dropout) if options.hidden else None
        self.parallel = options.structure == "parallel"
        deep = options.hidden[-1] if options.hidden else 0
        self.output = linear(deep + (width if self.parallel or not deep else 0), 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        first = vectors.flatten(1)
        x = first
        for layer in self.crosses:
            x = layer(first, x)
        if self.tower is not None:
            deep = self.tower(first if self.parallel else x)
            x = torch.cat((x, deep), dim=1) if self.parallel else deep
        logit: Tensor = self.output(x).squeeze(-1)
        return logit
