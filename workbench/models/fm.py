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
        total = vectors.sum(1)  # [batch, dim]; one sum for both parts, and one gradient
        square_of_sum = total[:, :-1].square()
        sum_of_squares = vectors[..., :-1].square().sum(1)
        pairwise = 0.5 * (square_of_sum - sum_of_squares).sum(1)
        logit: Tensor = self.bias + total[:, -1] + pairwise
        return logit
