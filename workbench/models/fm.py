"""Factorization machine (Rendle 2010), the retrieval baseline of the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.models.base import BaseRanker, FeatureLayout, ModelOptions


class FM(BaseRanker):
    """logit = b + sum_i w_i + sum_{i<j} <v_i, v_j>.

    The pairwise sum is half of (square of the sum - sum of the squares). A feature's first-order
    weight w_i is the last entry of its vector, so masking and weighting act on it too.
    """

    extra_dims = 1

    def __init__(self, layout: FeatureLayout, options: ModelOptions) -> None:
        super().__init__(layout, options)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        factors, first_order = vectors[..., :-1], vectors[..., -1]
        square_of_sum = factors.sum(1).square()  # [batch, dim - 1]
        sum_of_squares = factors.square().sum(1)
        pairwise = 0.5 * (square_of_sum - sum_of_squares).sum(1)
        logit: Tensor = self.bias + first_order.sum(1) + pairwise
        return logit
