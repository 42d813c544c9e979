"""MaskNet (Wang et al. 2021): layers multiplied by masks that the instance itself guides.

Its masks are gates inside the network; they have nothing to do with the feature mask of equation
(1), nor with the method that the paper's Table 4 calls MaskNet.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from workbench.models.base import BaseRanker, Dropout, FeatureLayout, ModelOptions, Width
from workbench.nn.layers import linear, relu_tower


class MaskNetOptions(ModelOptions):
    """Hyperparameters of `MaskNet`."""

    # "serial" stacks the blocks, "parallel" puts them side by side on the vectors.
    structure: Literal["serial", "parallel"] = "parallel"
    blocks: int = Field(default=3, ge=1, le=32)
    # Output of each block.
    width: Width = 128
    # Width of the layer that aggregates the instance, relative to the mask it makes.
    reduction: float = Field(default=2.0, gt=0, le=16)
    # ReLU tower above the blocks; the paper's serial form has none: [].
    hidden: tuple[Width, ...] = (256, 128)
    dropout: Dropout = 0.0


class FeatureNorm(nn.Module):
    """Layer norm of each feature's vector, with a gain and a bias of its own."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(features, dim))
        self.bias = nn.Parameter(torch.zeros(features, dim))

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> the same shape."""
        return layer_norm(vectors, vectors.shape[-1:]) * self.gain + self.bias


class MaskBlock(nn.Module):
    """y = ReLU(LN(W (mask * x))) with the mask W_2 ReLU(W_1 v + b_1) + b_2 of the instance v."""

    def __init__(self, instance: int, inputs: int, outputs: int, reduction: float) -> None:
        super().__init__()
        aggregated = max(1, round(inputs * reduction))
        self.mask = nn.Sequential(linear(instance, aggregated), nn.ReLU())
        self.mask.append(linear(aggregated, inputs))
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(outputs, inputs)))
        self.norm = nn.LayerNorm(outputs)

    def forward(self, instance: Tensor, x: Tensor) -> Tensor:
        """v [batch, instance] and x [batch, inputs] -> [batch, outputs]."""
        hidden: Tensor = self.norm((self.mask(instance) * x) @ self.weight.t())
        return hidden.relu()


class MaskNet(BaseRanker):
    """Mask blocks over layer-normed vectors, in series or in parallel, and a tower to the logit.

    Layer norm takes an adapter's weight out of x; it acts through the masks, which see the vectors
    as they are.
    """

    Options = MaskNetOptions

    def __init__(self, layout: FeatureLayout, options: MaskNetOptions) -> None:
        super().__init__(layout, options)
        self.serial = options.structure == "serial"
        self.norm = FeatureNorm(layout.features, layout.dim)
        self.blocks = nn.ModuleList(
            MaskBlock(
                layout.flat,
                options.width if self.serial and i else layout.flat,
                options.width,
                options.reduction,
            )
            for i in range(options.blocks)
        )
        width = options.width * (1 if self.serial else options.blocks)
        self.tower = relu_tower(width, options.hidden, options.dropout)
        self.output = linear((width, *options.hidden)[-1], 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        instance = vectors.flatten(1)
        x = self.norm(vectors).flatten(1)
        if self.serial:
            for block in self.blocks:
                x = block(instance, x)
        else:
            x = torch.cat([block(instance, x) for block in self.blocks], dim=1)
        logit: Tensor = self.output(self.tower(x)).squeeze(-1)
        return logit
