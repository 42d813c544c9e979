"""Two-tower model (Covington et al. 2016; Yi et al. 2019), the retrieval model of the paper."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.models.base import BaseRanker, Dropout, FeatureLayout, ModelOptions, Width
from workbench.nn.layers import linear, relu_tower
from workbench.schema import Side

# Keeps the direction of a vector that is exactly zero, and its gradient, finite.
SMALLEST_NORM = 1e-4


class TwoTowerOptions(ModelOptions):
    """Hyperparameters of `TwoTower`."""

    hidden: tuple[Width, ...] = Field(default=(256, 128), min_length=1)
    # Size of the vectors that retrieval indexes.
    output_dim: Width = 64
    similarity: Literal["inner_product", "cosine"] = "inner_product"
    # Divides the similarity. None: 1 for the inner product and 0.1 for the cosine, which otherwise
    # could not leave [-1, 1].
    temperature: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    dropout: Dropout = 0.0


class TwoTower(BaseRanker):
    """logit = <a(x_user), b(x_item)> / temperature + bias.

    a and b are ReLU towers with a linear last layer, over the concatenated vectors of their side;
    the context (time, scene) is known when a user asks, so it goes to the user's tower. With
    "cosine" both outputs have length 1. The bias is one number, so the inner product alone ranks
    the items of a user.
    """

    Options = TwoTowerOptions
    user_positions: Tensor
    item_positions: Tensor

    def __init__(self, layout: FeatureLayout, options: TwoTowerOptions) -> None:
        """Build the towers.

        Raises:
            InputError: no feature describes the item, or all do.
        """
        super().__init__(layout, options)
        items = [i for i, side in enumerate(layout.sides) if side is Side.ITEM]
        users = [i for i, side in enumerate(layout.sides) if side is not Side.ITEM]
        for place, positions in (("item", items), ("user or context", users)):
            if not positions:
                raise InputError(f"model two_tower: no feature of side {place} in the schema")
        self.register_buffer("user_positions", torch.tensor(users), persistent=False)
        self.register_buffer("item_positions", torch.tensor(items), persistent=False)
        self.user_tower = _tower(len(users) * layout.dim, options)
        self.item_tower = _tower(len(items) * layout.dim, options)
        self.bias = nn.Parameter(torch.zeros(()))
        self.cosine = options.similarity == "cosine"
        default = 0.1 if self.cosine else 1.0
        self.temperature = default if options.temperature is None else options.temperature

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        similarity = (self.user_vector(vectors) * self.item_vector(vectors)).sum(1)
        logit: Tensor = similarity / self.temperature + self.bias
        return logit

    def user_vector(self, vectors: Tensor) -> Tensor:
        """a: [batch, feature, dim], of which the item side is not read -> [batch, output_dim]."""
        return self._side(self.user_tower, self.user_positions, vectors)

    def item_vector(self, vectors: Tensor) -> Tensor:
        """b: [batch, feature, dim], of which only the item side is read -> [batch, output_dim]."""
        return self._side(self.item_tower, self.item_positions, vectors)

    def _side(self, tower: nn.Module, positions: Tensor, vectors: Tensor) -> Tensor:
        output: Tensor = tower(vectors.index_select(1, positions).flatten(1))
        if not self.cosine:
            return output
        return output * (output.square().sum(1, keepdim=True) + SMALLEST_NORM**2).rsqrt()


def _tower(inputs: int, options: TwoTowerOptions) -> nn.Sequential:
    tower = relu_tower(inputs, options.hidden, options.dropout)
    return tower.append(linear(options.hidden[-1], options.output_dim))
