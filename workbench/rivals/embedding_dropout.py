"""Plain embedding dropout: whole feature vectors, inverted scaling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config import ExperimentConfig
from workbench.nn.embedding import FeatureEmbedding
from workbench.rivals.base import Rival
from workbench.schema import Schema


class EmbeddingDropout(Rival):
    """Zeroes each vector of each training sample with probability `rate`, independently.

    The kept ones are divided by 1 - rate, so a vector's expectation is what serving sees, where
    nothing is dropped.

    Args:
        embedding, base, config, schema: as in `Rival`.
    """

    def __init__(
        self,
        embedding: FeatureEmbedding,
        base: nn.Module,
        config: ExperimentConfig,
        schema: Schema,
    ) -> None:
        super().__init__(embedding, base, config, schema)
        self.rate = config.rival.embedding_dropout.rate

    def kept(
        self,
        batch: int,
        features: int,
        device: torch.device,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw which vectors stay: float [batch, feature, 1], 0 for a dropped one and
        1 / (1 - rate) elsewhere.
        """
        draws = torch.rand(batch, features, 1, device=device, generator=generator)
        return (draws >= self.rate) / (1 - self.rate)

    def training_vectors(self, vectors: Tensor, generator: torch.Generator | None) -> Tensor:
        """[batch, feature, dim], in which each vector is zero or divided by 1 - rate."""
        batch, features, _ = vectors.shape
        return vectors * self.kept(batch, features, vectors.device, generator)
