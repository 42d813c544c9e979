"""AFN and AFN+ (Cheng et al. 2020): crosses of learned order through logarithms."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from workbench.models.base import BaseRanker, Dropout, FeatureLayout, ModelOptions, Width
from workbench.nn.layers import linear, relu_tower

# Entries closer to zero count as this large: the logarithm of zero is not finite.
SMALLEST_ENTRY = 1e-4


class AFNOptions(ModelOptions):
    """Hyperparameters of `AFN`."""

    # Each neuron learns one cross. The paper takes 600 to 1500, which is ten times the work.
    neurons: Width = 64
    hidden: tuple[Width, ...] = Field(default=(256, 128), min_length=1)
    dropout: Dropout = 0.0
    # AFN+: a deep tower on a second table, its logit added.
    plus: bool = False
    deep_hidden: tuple[Width, ...] = Field(default=(256, 128), min_length=1)


class BatchNorm(nn.BatchNorm1d):
    """Batch norm over [batch, entry, channel] that takes its running statistics for a single row.

    One row has no spread over the batch to normalise by: torch raises where it has one entry, and
    normalises over its own entries otherwise, which is another function than serving computes. Such
    a row (the last of an epoch, at most) leaves the running statistics as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[batch, entry, channel] -> the same shape."""
        rows = x.flatten(0, 1)
        if not self.training or x.shape[0] > 1:
            return super().forward(rows).view_as(x)
        mean, variance = self.running_mean, self.running_var
        return batch_norm(rows, mean, variance, self.weight, self.bias, eps=self.eps).view_as(x)


class LogarithmicLayer(nn.Module):
    """Logarithmic neurons, y_j = exp(sum_i W_ji z_i + b_j) with z = BN(log max(|v|, 1e-4)).

    In the space of logarithms a sum is a product, so neuron j is the cross prod_i |v_i|^(W_ji) of
    orders that are learned; each entry of the vectors is crossed with the same entry of the others.
    Both batch norms have one channel per feature (per neuron), shared by its entries.
    """

    def __init__(self, features: int, neurons: int) -> None:
        super().__init__()
        self.log_norm = BatchNorm(features)
        self.orders = linear(features, neurons)
        self.cross_norm = BatchNorm(neurons)

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> crosses [batch, dim, neuron]."""
        # Features last: all entries of all rows then pass through one matrix product.
        z = self.log_norm(magnitude(vectors).log().transpose(1, 2))  # [batch, dim, feature]
        crosses: Tensor = self.cross_norm(self.orders(z).exp())
        return crosses


def magnitude(vectors: Tensor) -> Tensor:
    """max(|v|, 1e-4), with the gradient of |v| everywhere, and of v at 0.

    The gradients of the clamp and of |v| at 0 are 0: an entry that is exactly zero, such as those
    of an untrained `[MASK]_i`, would stay zero for ever.
    """
    # The sign as a factor: a third of the time of `where`, whose gradient takes two more of them.
    sign = 1 - 2 * (vectors.detach() < 0).to(vectors.dtype)
    absolute = vectors * sign
    return absolute + (absolute.clamp_min(SMALLEST_ENTRY) - absolute).detach()


class AFN(BaseRanker):
    """Logarithmic neurons under a ReLU tower; AFN+ adds the logit of a deep tower.

    The tower of AFN+ reads a table of its own: the second half of every vector, so that masking and
    weighting act on both. Their weighted sum in the paper is the plain sum here, since both logits
    come from linear layers that hold the weights already.
    """

    Options = AFNOptions

    def __init__(self, layout: FeatureLayout, options: AFNOptions) -> None:
        super().__init__(layout, options)
        self.dim = layout.dim // 2 if options.plus else layout.dim
        self.crosses = LogarithmicLayer(layout.features, options.neurons)
        self.tower = relu_tower(options.neurons * self.dim, options.hidden, options.dropout)
        self.output = linear(options.hidden[-1], 1)
        self.deep: nn.Sequential | None = None
        if options.plus:
            self.deep = relu_tower(
                layout.features * self.dim, options.deep_hidden, options.dropout
            ).append(linear(options.deep_hidden[-1], 1))

    @classmethod
    def extra_entries(cls, options: ModelOptions, dim: int) -> int:
        """As many again for AFN+, none for AFN."""
        assert isinstance(options, AFNOptions)
        return dim if options.plus else 0

    def forward(self, vectors: Tensor) -> Tensor:
        """[batch, feature, dim] -> logit [batch]."""
        crosses = self.crosses(vectors[..., : self.dim])  # [batch, dim, neuron]
        logit: Tensor = self.output(self.tower(crosses.flatten(1)))
        if self.deep is not None:
            logit = logit + self.deep(vectors[..., self.dim :].flatten(1))
        return logit.squeeze(-1)
