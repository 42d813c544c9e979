"""The state-aware adapter, equation (4): w = sigmoid(h([r_ID, r_norm, r_count]))."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.nn.layers import linear

# Keeps log and sqrt finite for an embedding that is exactly zero, such as an untrained [MASK]_i.
SMALLEST_NORM = 1e-4
# Above the rounding of a constant log(1 + count), below one row in a billion that differs.
SMALLEST_SPREAD = 1e-5


class StateAwareAdapter(nn.Module):
    """A weight for every feature, from what is known about how well the IDs are learned.

    Three empirical state signals:

    - r_ID: the ID embeddings, end to end.
    - r_norm: their norms, with log, sqrt and square.
    - r_count: interaction counts as standardised log(1 + count).

    The output layer starts at zero but for its bias, so every weight starts at ``start``.

    Args:
        features: number of features n.
        dim: size of a vector.
        id_positions: positions of the ID features among the vectors.
        count_mean, count_std: [count], of log(1 + count) over the training rows.
        signals: which of "id", "norm", "count" are used.
        hidden: widths of the hidden layers of h.
        weight_scale: multiplies the sigmoid; 1 is the paper's.
        detach_state: whether the embeddings get no gradient through the adapter's input.
        start: every weight before training, above 0 and below `weight_scale`; None: the sigmoid's
            middle, ``weight_scale / 2``. The paper names no start.
    """

    count_mean: Tensor
    count_std: Tensor
    id_positions: Tensor

    def __init__(
        self,
        features: int,
        dim: int,
        id_positions: Sequence[int],
        count_mean: Tensor,
        count_std: Tensor,
        *,
        signals: Sequence[str] = ("id", "norm", "count"),
        hidden: Sequence[int] = (64,),
        weight_scale: float = 1.0,
        detach_state: bool = True,
        start: float | None = None,
    ) -> None:
        super().__init__()
        self.signals = tuple(signals)
        self.weight_scale = weight_scale
        self.detach_state = detach_state
        self.register_buffer("id_positions", torch.tensor(list(id_positions)), persistent=False)
        self.register_buffer("count_mean", count_mean.clone().float())
        # A count that does not vary in training carries no state: its signal is then 0, also for
        # a value met later, whose distance from the mean no weight has ever seen.
        std = count_std.clone().float()
        std[std < SMALLEST_SPREAD] = torch.inf
        self.register_buffer("count_std", std)
        sizes = {
            "id": len(id_positions) * dim,
            "norm": len(id_positions) * 4,
            "count": count_mean.shape[0],
        }
        width = sum(sizes[signal] for signal in self.signals)
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [linear(width, size), nn.ReLU()]
            width = size
        output = linear(width, features)
        nn.init.zeros_(output.weight)
        if start is not None:
            nn.init.constant_(output.bias, math.log(start / (weight_scale - start)))
        self.h = nn.Sequential(*layers, output)

    def state(self, vectors: Tensor, counts: Tensor) -> Tensor:
        """[r_ID, r_norm, r_count]: float [batch, signal].

        Args:
            vectors: unmasked, [batch, feature, dim].
            counts: raw interaction counts, [batch, count].
        """
        ids = vectors.index_select(1, self.id_positions)  # [batch, id, dim]
        if self.detach_state:
            ids = ids.detach()
        parts = []
        if "id" in self.signals:
            parts.append(ids.flatten(1))
        if "norm" in self.signals:
            norm = ids.square().sum(-1).clamp_min(SMALLEST_NORM**2).sqrt()  # [batch, id]
            parts.append(torch.cat((norm, norm.log(), norm.sqrt(), norm.square()), dim=1))
        if "count" in self.signals:
            parts.append((torch.log1p(counts) - self.count_mean) / self.count_std)
        return torch.cat(parts, dim=1)

    def forward(self, vectors: Tensor, counts: Tensor) -> Tensor:
        """Weights w in (0, weight_scale): float [batch, feature].

        Args:
            vectors: unmasked, [batch, feature, dim].
            counts: raw interaction counts, [batch, count].
        """
        weights: Tensor = torch.sigmoid(self.h(self.state(vectors, counts)))
        return weights if self.weight_scale == 1.0 else weights * self.weight_scale
