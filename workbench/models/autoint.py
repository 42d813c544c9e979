"""AutoInt and AutoInt+ (Song et al. 2019): features attend to each other."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from workbench.models.base import BaseRanker, Dropout, FeatureLayout, ModelOptions, Width
from workbench.nn.layers import linear, relu_tower


class AutoIntOptions(ModelOptions):
    """Hyperparameters of `AutoInt`; layers, heads and their width are the paper's."""

    layers: int = Field(default=3, ge=1, le=16)
    heads: int = Field(default=2, ge=1, le=64)
    # Entries of a query, key and value in each head.
    head_dim: int = Field(default=32, ge=1, le=4096)
    # AutoInt+: a ReLU tower whose logit is added; none is AutoInt.
    hidden: tuple[Width, ...] = ()
    dropout: Dropout = 0.0


class InteractingLayer(nn.Module):
    """Multi-head self-attention over features, with a residual.

    For head h, with all projections free of biases:

        a_ij = softmax_j <W_q x_i, W_k x_j>,   y_i = sum_j a_ij W_v x_j,
        x'_i = ReLU(y_i^(1) || ... || y_i^(H) + W_r x_i).

    The scores are not divided by the square root of the width, as in the paper.
    """

    def __init__(self, inputs: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        width = heads * head_dim
        # One matrix for query, key, value and residual; each part is drawn as its own matrix.
        self.projections = nn.Parameter(torch.empty(4, width, inputs))
        for matrix in self.projections.unbind(0):
            nn.init.xavier_normal_(matrix)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, feature, inputs] -> [batch, feature, heads * head_dim]."""
        projected = x @ self.projections.flatten(0, 1).t()  # [batch, feature, 4 * width]
        *parts, residual = projected.chunk(4, dim=-1)
        batch, features, _ = x.shape
        query, key, value = (  # [batch, head, feature, head_dim]
            part.reshape(batch, features, self.heads, self.head_dim).transpose(1, 2)
            for part in parts
        )
        attention = (query @ key.transpose(-1, -2)).softmax(-1)  # [batch, head, feature, feature]
        attended: Tensor = (attention @ value).transpose(1, 2).flatten(2)
        return (attended + residual).relu()


class AutoInt(BaseRanker):
    """Interacting layers over the vectors, end to end into the logit."""

    Options = AutoIntOptions

    def __init__(self, layout: FeatureLayout, options: AutoIntOptions) -> None:
        super().__init__(layout, options)
        width = options.heads * options.head_dim
        self.layers = nn.ModuleList(
            InteractingLayer(width if i else layout.dim, options.heads, options.head_dim)
            for i in range(options.layers)
        )
        self.output = linear(layout.features * width, 1)
        self.deep: nn.Sequential | None = None
        if options.hidden:
            self.deep = relu_tower(layout.flat, options.hidden, options.dropout).append(
                linear(options.hidden[-1], 1)
            )

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        x = vectors
        for layer in self.layers:
            x = layer(x)
        logit: Tensor = self.output(x.flatten(1))
        if self.deep is not None:
            logit = logit + self.deep(vectors.flatten(1))
        return logit.squeeze(-1)
