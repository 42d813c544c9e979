"""DCN-V2 (Wang et al. 2021): explicit crosses of bounded degree beside or below a deep tower."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from workbench.models.base import BaseRanker, Dropout, FeatureLayout, ModelOptions, Width
from workbench.nn.cross import cross
from workbench.nn.layers import linear, relu_tower


class DCNV2Options(ModelOptions):
    """Hyperparameters of `DCNV2`."""

    cross_layers: int = Field(default=3, ge=1, le=16)
    # "parallel" concatenates both networks' outputs, "stacked" feeds the crosses into the tower.
    structure: Literal["parallel", "stacked"] = "parallel"
    # 0 takes full matrices; otherwise a mixture of `experts` matrices of this rank.
    rank: int = Field(default=0, ge=0, le=4096)
    experts: int = Field(default=4, ge=1, le=64)
    hidden: tuple[Width, ...] = Field(default=(256, 128), min_length=1)
    dropout: Dropout = 0.0


class CrossLayer(nn.Module):
    """x_{l+1} = x_0 * (W x_l + b) + x_l."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = linear(width, width)

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        """x_0 and x_l, both [batch, width] -> x_{l+1} [batch, width]."""
        return cross(x, first, self.linear(x))


class LowRankMixtureCrossLayer(nn.Module):
    """x_{l+1} = sum_e G_e(x_l) * (x_0 * (U_e tanh(C_e tanh(V_e' x_l)) + b)) + x_l.

    G is a softmax gate over the experts; V_e, C_e and U_e have rank r.
    """

    def __init__(self, width: int, rank: int, experts: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(experts, width, rank))
        self.core = nn.Parameter(torch.empty(experts, rank, rank))
        self.up = nn.Parameter(torch.empty(experts, rank, width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.gate = linear(width, experts)
        for stack in (self.down, self.core, self.up):
            for matrix in stack.unbind(0):
                nn.init.xavier_normal_(matrix)

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        """x_0 and x_l, both [batch, width] -> x_{l+1} [batch, width]."""
        low = torch.einsum("bw,ewr->ber", x, self.down).tanh()
        low = torch.einsum("ber,ers->bes", low, self.core).tanh()
        gates = self.gate(x).softmax(-1)  # [batch, expert]
        # The gates sum to 1, so the bias passes through the mixture unchanged.
        mixed = torch.einsum("bes,esw->bw", low * gates.unsqueeze(-1), self.up) + self.bias
        return cross(x, first, mixed)


class CrossAndDeep(nn.Module):
    """Cross network and deep network over x_0, parallel or stacked, without an output layer.

    Attributes:
        width: entries of the output.
    """

    def __init__(self, inputs: int, options: DCNV2Options) -> None:
        super().__init__()
        self.crosses = nn.ModuleList(
            LowRankMixtureCrossLayer(inputs, options.rank, options.experts)
            if options.rank
            else CrossLayer(inputs)
            for _ in range(options.cross_layers)
        )
        self.tower = relu_tower(inputs, options.hidden, options.dropout)
        self.parallel = options.structure == "parallel"
        self.width = options.hidden[-1] + (inputs if self.parallel else 0)

    def forward(self, first: Tensor) -> Tensor:
        """x_0 [batch, inputs] -> [batch, width]."""
        crossed = first
        for layer in self.crosses:
            crossed = layer(first, crossed)
        if self.parallel:
            return torch.cat((crossed, self.tower(first)), dim=1)
        deep: Tensor = self.tower(crossed)
        return deep


class DCNV2(BaseRanker):
    """Cross network and deep network over the concatenated vectors, and a linear output."""

    Options = DCNV2Options

    def __init__(self, layout: FeatureLayout, options: DCNV2Options) -> None:
        super().__init__(layout, options)
        self.bottom = CrossAndDeep(layout.flat, options)
        self.output = linear(self.bottom.width, 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        logit: Tensor = self.output(self.bottom(vectors.flatten(1))).squeeze(-1)
        return logit
