"""Feature weights from the features themselves, in training and serving."""

from __future__ import annotations

from torch import Tensor, nn

from workbench.config import ExperimentConfig
from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.gates import FeatureGate, SENet
from workbench.rivals.base import Rival
from workbench.schema import Schema


class _Gated(Rival):
    """y = g([w_1 v_1, ..., w_n v_n]) with the weights of `gate`.

    The gate's input carries gradient to the embeddings, as in the published methods.
    """

    gate: nn.Module

    def weights(self, vectors: Tensor, counts: Tensor) -> Tensor:
        """The gate's weights [batch, feature]; the counts are not read."""
        weights: Tensor = self.gate(vectors)
        return weights


class SENetRival(_Gated):
    """Weights by squeeze and excitation; see `SENet`.

    FiBiNET feeds both the vectors and the weighted vectors to its bilinear interactions; here the
    weighted ones go to the base model, as those of the adapter do.

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
        settings = config.rival.senet
        self.gate = SENet(
            len(schema.features),
            settings.reduction,
            settings.activation,
            config.framework.weight_scale,
        )


class GateRival(_Gated):
    """Weights by a network over all vectors; see `FeatureGate`.

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
        self.gate = FeatureGate(
            len(schema.features),
            embedding.dim,
            config.rival.gate.hidden,
            config.framework.weight_scale,
        )
