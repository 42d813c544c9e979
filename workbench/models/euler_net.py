"""EulerNet (Tian et al. 2023): crosses of learned order between complex numbers."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn

from workbench.models.base import BaseRanker, Dropout, FeatureLayout, ModelOptions, Width
from workbench.nn.layers import linear
from workbench.nn.polar import from_polar, on_the_circle, to_polar


class EulerNetOptions(ModelOptions):
    """Hyperparameters of `EulerNet`."""

    # Order vectors of each Euler interaction layer; the published MovieLens-1M setting is one
    # layer of 7, with dropout 0.3.
    orders: tuple[Width, ...] = Field(default=(7,), min_length=1)
    explicit_dropout: Dropout = 0.0
    implicit_dropout: Dropout = 0.0
    # Normalise the real and the imaginary part of each layer's output over its entries.
    layer_norm: bool = False


class EulerInteraction(nn.Module):
    """One Euler interaction layer: n complex vectors r + ip to m of them.

    Explicit part, with lambda e^(i theta) = r + ip and one order matrix A [n, m] for both:

        lambda'_j = exp(sum_i A_ij log lambda_i + b_j),   theta'_j = sum_i A_ij theta_i + c_j,

    which is the cross prod_i (r_i + i p_i)^(A_ij). The implicit part is a ReLU layer whose weights
    r and p share. The layer returns

        r' = lambda' cos theta' + ReLU(W r + d),   p' = lambda' sin theta' + ReLU(W p + d).

    A starts as the identity where n = m, otherwise each order vector starts on one random feature.
    """

    def __init__(self, inputs: int, outputs: int, dim: int, options: EulerNetOptions) -> None:
        super().__init__()
        if inputs == outputs:
            orders = torch.eye(inputs)
        else:
            orders = (torch.randn(inputs, outputs) / 0.01).softmax(0)
        self.orders = nn.Parameter(orders)
        self.log_modulus_bias = nn.Parameter(torch.randn(outputs, dim) * 0.01)
        self.phase_bias = nn.Parameter(torch.randn(outputs, dim) * 0.01)
        self.implicit = linear(inputs * dim, outputs * dim)
        self.explicit_dropout = nn.Dropout(options.explicit_dropout)
        self.implicit_dropout = nn.Dropout(options.implicit_dropout)
        self.real_norm = nn.LayerNorm(dim) if options.layer_norm else nn.Identity()
        self.imaginary_norm = nn.LayerNorm(dim) if options.layer_norm else nn.Identity()

    def forward(self, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        """r and p, both [batch, n, dim] -> r' and p', both [batch, m, dim]."""
        log_modulus, phase = to_polar(real, imaginary)
        log_modulus = self._by_order(self.explicit_dropout(log_modulus)) + self.log_modulus_bias
        phase = self._by_order(self.explicit_dropout(phase)) + self.phase_bias
        explicit = from_polar(log_modulus, phase)
        return (
            self.real_norm(explicit[0] + self._implicit(real)),
            self.imaginary_norm(explicit[1] + self._implicit(imaginary)),
        )

    def _by_order(self, part: Tensor) -> Tensor:
        # einsum multiplies row by row: `orders.t() @ part` copies and takes twice the time.
        ordered: Tensor = torch.einsum("nm,bnd->bmd", self.orders, part)
        return ordered

    def _implicit(self, part: Tensor) -> Tensor:
        hidden: Tensor = self.implicit(self.implicit_dropout(part).flatten(1)).relu()
        return hidden.view(-1, *self.phase_bias.shape)  # [batch, m, dim]


class EulerNet(BaseRanker):
    """Euler interaction layers over complex features; logit = w . (r + p) + b.

    Euler's formula makes feature i complex: the vector v_i is the phase and mu_i, one learned
    number per feature that starts at 1, the modulus:

        mu_i e^(i v_i) = r_i + i p_i   with   r_i = mu_i cos v_i,   p_i = mu_i sin v_i.

    So a `[MASK]_i` at zero is the real number mu_i, and the adapter's weight scales the phase.
    """

    Options = EulerNetOptions

    def __init__(self, layout: FeatureLayout, options: EulerNetOptions) -> None:
        super().__init__(layout, options)
        self.modulus = nn.Parameter(torch.ones(layout.features, 1))
        counts = (layout.features, *options.orders)
        self.layers = nn.ModuleList(
            EulerInteraction(n, m, layout.dim, options) for n, m in pairwise(counts)
        )
        self.output = linear(counts[-1] * layout.dim, 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        cosine, sine = on_the_circle(vectors)
        real, imaginary = self.modulus * cosine, self.modulus * sine
        for layer in self.layers:
            real, imaginary = layer(real, imaginary)
        logit: Tensor = self.output((real + imaginary).flatten(1)).squeeze(-1)
        return logit
