"""Multi-task DCN-V2, the ranking model of the paper's online test: finish, like and comment."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from workbench.models.base import BaseRanker, FeatureLayout, Width
from workbench.models.dcn_v2 import CrossAndDeep, DCNV2Options
from workbench.nn.layers import linear, relu_tower


class MultiTaskDCNV2Options(DCNV2Options):
    """Hyperparameters of `MultiTaskDCNV2`: those of DCN-V2 for the bottom, and the heads'."""

    # One per label, in the schema's order; one task alone is DCN-V2.
    tasks: int = Field(default=3, ge=2, le=64)
    # Hidden layers of each head; none makes the heads linear.
    head_hidden: tuple[Width, ...] = (64,)


class MultiTaskDCNV2(BaseRanker):
    """logit_t = head_t(bottom(v)): every task trains the bottom, and its head alone."""

    Options = MultiTaskDCNV2Options

    def __init__(self, layout: FeatureLayout, options: MultiTaskDCNV2Options) -> None:
        super().__init__(layout, options)
        self.tasks = options.tasks
        self.bottom = CrossAndDeep(layout.flat, options)
        widths = (self.bottom.width, *options.head_hidden)
        self.heads = nn.ModuleList(
            relu_tower(widths[0], widths[1:], options.dropout).append(linear(widths[-1], 1))
            for _ in range(options.tasks)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch, task]."""
        hidden = self.bottom(vectors.flatten(1))  # [batch, width]
        return torch.cat([head(hidden) for head in self.heads], dim=1)
