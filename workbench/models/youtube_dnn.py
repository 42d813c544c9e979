"""YouTube DNN (Covington et al. 2016) as a ranker."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from workbench.models.base import BaseRanker, Dropout, FeatureLayout, ModelOptions, Width
from workbench.nn.layers import linear, relu_tower


class YouTubeDNNOptions(ModelOptions):
    """Hyperparameters of `YouTubeDNN`."""

    hidden: tuple[Width, ...] = Field(default=(256, 128), min_length=1)
    dropout: Dropout = 0.0


class YouTubeDNN(BaseRanker):
    """Mean-pooled lists and single features, end to end, through a ReLU tower to the logit."""

    Options = YouTubeDNNOptions

    def __init__(self, layout: FeatureLayout, options: YouTubeDNNOptions) -> None:
        super().__init__(layout, options)
        self.tower = relu_tower(layout.flat, options.hidden, options.dropout)
        self.output = linear(options.hidden[-1], 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        hidden = self.tower(vectors.flatten(1))  # [batch, hidden]
        logit: Tensor = self.output(hidden).squeeze(-1)
        return logit
