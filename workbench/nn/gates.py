"""Gates that take a feature's weight from the features themselves: [w_1..w_n] = h([v_1..v_n]).

The methods that section 3.3 of the paper argues against: head users and items dominate what such a
gate learns. All have the adapter's output, a weight per feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from workbench.nn.layers import linear, relu_tower


class SENet(nn.Module):
    """Squeeze and excitation over features: w = a(W_2 ReLU(W_1 z)), z_i the mean of v_i's entries.

    Neither layer has a bias. FiBiNET (Huang et al. 2019) takes a = ReLU, which shuts a feature for
    good where its inputs are negative for all samples; FiBiNET can afford that because it hands the
    unweighted vectors on as well. Squeeze and excitation as first published (Hu et al. 2018), for
    channels of images, takes a = sigmoid.

    Args:
        features: number of features n.
        reduction: the hidden layer has n / reduction units, at least one.
        activation: a. With "sigmoid" the output layer starts at zero as the adapter's does, so
            every weight starts at ``weight_scale / 2``; with "relu" both layers are drawn.
        weight_scale: multiplies the sigmoid.
    """

    def __init__(
        self,
        features: int,
        reduction: float = 3.0,
        activation: Literal["sigmoid", "relu"] = "sigmoid",
        weight_scale: float = 1.0,
    ) -> None:
        super().__init__()
        units = max(1, int(features / reduction))
        self.squeeze = _matrix(features, units)
        self.excite = _matrix(units, features)
        self.activation = activation
        self.weight_scale = weight_scale
        if activation == "sigmoid":
            nn.init.zeros_(self.excite.weight)

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> weights [batch, feature]."""
        z = vectors.mean(-1)
        excited: Tensor = self.excite(self.squeeze(z).relu())
        if self.activation == "relu":
            return excited.relu()
        return excited.sigmoid() * self.weight_scale


class FeatureGate(nn.Module):
    """w = weight_scale * sigmoid(h([v_1, ..., v_n])), h a ReLU network over the vectors end to end.

    The adapter's network with another input. Its output layer starts at zero as the adapter's does,
    so every weight starts at ``weight_scale / 2``.

    Args:
        features, dim: of the vectors.
        hidden: widths of the hidden layers of h.
        weight_scale: multiplies the sigmoid.
    """

    def __init__(
        self, features: int, dim: int, hidden: Sequence[int] = (64,), weight_scale: float = 1.0
    ) -> None:
        super().__init__()
        self.weight_scale = weight_scale
        flat = features * dim
        output = linear((flat, *hidden)[-1], features)
        nn.init.zeros_(output.weight)
        self.h = relu_tower(flat, hidden).append(output)

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> weights [batch, feature]."""
        weights: Tensor = torch.sigmoid(self.h(vectors.flatten(1)))
        return weights if self.weight_scale == 1.0 else weights * self.weight_scale


def _matrix(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.xavier_normal_(layer.weight)
    return layer
