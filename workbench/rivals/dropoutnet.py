"""DropoutNet (Volkovs et al. 2017) as a click-through-rate model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config import ExperimentConfig
from workbench.nn.embedding import FeatureEmbedding
from workbench.rivals.base import Rival
from workbench.schema import Schema


class DropoutNet(Rival):
    """Zeroes the user's and the item's ID embeddings, each for a share of the training samples.

    The two are drawn independently, so a quarter of the samples keeps both with a share of one
    half. Serving leaves every embedding as it is; an unseen ID looks up a row that starts at zero,
    so it is served what training has shown for a zeroed one.

    Args:
        embedding, base, config, schema: as in `Rival`.
    """

    positions: Tensor

    def __init__(
        self,
        embedding: FeatureEmbedding,
        base: nn.Module,
        config: ExperimentConfig,
        schema: Schema,
    ) -> None:
        super().__init__(embedding, base, config, schema)
        self.share = config.rival.dropoutnet.share
        ids = [schema.names.index(name) for name in (schema.user, schema.item)]
        self.register_buffer("positions", torch.tensor(ids), persistent=False)

    def kept(
        self,
        batch: int,
        features: int,
        device: torch.device,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw which vectors stay: float [batch, feature], 0 for a zeroed ID and 1 elsewhere."""
        draws = torch.rand(batch, 2, device=device, generator=generator)
        kept = torch.ones(batch, features, device=device)
        return kept.index_copy(1, self.positions, (draws >= self.share).float())

    def training_vectors(self, vectors: Tensor, generator: torch.Generator | None) -> Tensor:
        """[batch, feature, dim], in which some vectors of the two IDs are zero."""
        batch, features, _ = vectors.shape
        kept = self.kept(batch, features, vectors.device, generator)
        return vectors * kept.unsqueeze(-1)
