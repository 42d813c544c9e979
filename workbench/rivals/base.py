"""What every rival shares: the surface of `AdaF2M2`, so that nothing else has to know of rivals."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch, Dataset
from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.framework import AdaF2M2, Losses, task_loss
from workbench.schema import Schema


class Rival(AdaF2M2):
    """The base variant, trained or weighted in another way.

    A rival overrides `training_vectors` (what the base model sees while it is trained), `weights`
    (of the features, in training and serving) or `losses`.

    Args:
        embedding: rows -> vectors.
        base: vectors [batch, feature, dim] -> logit [batch] or [batch, task].
        config: its framework is of variant base.
        schema: of the data set.

    Raises:
        InputError: settings that do not fit the schema.
    """

    def __init__(
        self,
        embedding: FeatureEmbedding,
        base: nn.Module,
        config: ExperimentConfig,
        schema: Schema,
    ) -> None:
        nothing = torch.zeros(0)
        super().__init__(embedding, base, config.framework, nothing.long(), nothing, nothing)

    def prepare(self, dataset: Dataset) -> None:
        """Take from the training rows what has to be known before the first step.

        A model whose weights are loaded for serving does without.
        """

    def training_vectors(self, vectors: Tensor, generator: torch.Generator | None) -> Tensor:
        """The vectors [batch, feature, dim] that the loss is computed on."""
        return vectors

    def losses(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """The task loss on `training_vectors`; there is no auxiliary loss.

        Args:
            batch: samples with labels.
            generator: for whatever is drawn, on the batch's device.
        """
        vectors = self.training_vectors(self.embedding(batch.rows), generator)
        main = task_loss(self.serve(vectors, batch.counts), batch.labels)
        return Losses(main, torch.zeros_like(main), main)
