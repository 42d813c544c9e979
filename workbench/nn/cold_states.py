"""Simulated cold states, an extension of AdaF2M2: training samples seen as if history were short.

The paper's masked copies bypass the adapter, so nothing teaches it what a cold state is worth. The
few training rows of truly cold users teach it the wrong thing: their embeddings have learned those
very rows, so there the ID looks better than it is for a row it has not seen.

Here every user and every item (or one of the two) gets a **shadow**: a second embedding, trained
on only a few of its training rows, the shadow's history. Other rows of the same user are then
shown, through the adapter and with the task loss, with the shadow's vector, norm and counts in the
place of the user's. That is what a cold user is at serving time: an embedding made of a few rows,
asked about another.

- *Support* rows, the histories, are added to a batch, each once per epoch on average, and train the
  shadow. Their counts leave themselves out, as everywhere.
- *Query* rows are a share of a batch's own samples, never of the shadow's history. They do not
  train the shadow.
- A history of 0 rows is `[MASK]_i` with counts of zero, the state of an unseen user or item.

With ``trains: all`` query rows take the place of the samples they are made of and, as support rows,
train everything else: adapter, network, the other embeddings and `[MASK]_i`. With ``trains:
adapter`` they are added to a batch and train the adapter alone, which learns from nothing else;
support rows train the shadows alone. All other parameters are then trained by the samples as they
are, and no weight is ever learned on a row that the weighted embedding has memorised.

With the user's shadow, ID sequences of the user and of the context are masked: a short history has
next to none. Serving knows nothing of shadows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from workbench.config import ColdStatesConfig
from workbench.data.dataset import Batch, Dataset
from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.shadows import Shadows, Simulated, joined
from workbench.schema import Schema

# Keeps the draw of histories apart from everything else that a seed decides.
_STREAM = 0xC01D


class ColdStates(nn.Module):
    """The shadows of users, items or both, and the samples that are shown with them.

    Args:
        schema: names user, item and counts.
        embedding: of the model.
        config: share, sides and histories.
    """

    def __init__(
        self, schema: Schema, embedding: FeatureEmbedding, config: ColdStatesConfig
    ) -> None:
        super().__init__()
        self.config = config
        names = {"user": schema.user, "item": schema.item}
        self.shadows = nn.ModuleList(
            Shadows(schema, embedding, names[side]) for side in config.sides
        )
        self.train_rows = 1

    def prepare(self, dataset: Dataset, seed: int) -> None:
        """Draw every shadow's history from the training rows; the same seed draws the same."""
        rng = np.random.default_rng((seed, _STREAM))
        self.train_rows = len(dataset.splits["train"])
        for shadows in self._shadows():
            shadows.prepare(dataset, self.config.histories, rng)

    def forward(
        self,
        batch: Batch,
        vectors: Tensor,
        embedding: FeatureEmbedding,
        generator: torch.Generator | None = None,
    ) -> tuple[Simulated, Simulated]:
        """Turn a share of a batch into query rows, for each side, and draw support rows.

        Args:
            batch: training samples.
            vectors: theirs, [batch, feature, dim].
            embedding: of the model.
            generator: draws query and support rows, on the batch's device.

        Returns:
            The batch, in which some samples are query rows; and the support rows.
        """
        device = vectors.device
        draws = torch.rand(len(batch), len(self.shadows), device=device, generator=generator)
        none = torch.zeros(len(batch), dtype=torch.bool, device=device)
        seen = Simulated(vectors, batch.counts, batch.labels, none)
        mask_vectors = embedding.mask_vectors()
        for side, shadows in enumerate(self._shadows()):
            drawn = draws[:, side] < self.config.share
            seen = shadows.show(batch, drawn, seen, mask_vectors)
        rate = len(batch) / self.train_rows
        alone = self.config.trains == "adapter"
        support = [s.support(rate, embedding, generator, alone=alone) for s in self._shadows()]
        return seen, joined(support)

    def _shadows(self) -> list[Shadows]:
        return [shadows for shadows in self.shadows if isinstance(shadows, Shadows)]
