"""Self-supervised learning of items beside the task (Yao et al. 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch, Dataset
from workbench.errors import InputError
from workbench.models.two_tower import TwoTower
from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.framework import Losses
from workbench.nn.layers import linear, relu_tower
from workbench.rivals.base import Rival
from workbench.rivals.item_views import ItemViews
from workbench.schema import Schema, Side

# Keeps the direction of a vector that is exactly zero, and its gradient, finite.
SMALLEST_NORM = 1e-4


class SSL(Rival):
    """L = L_main + weight * InfoNCE between two complementary views of items.

    The items are drawn uniformly from the item table at each step, whatever the batch holds: a
    batch follows popularity, which would leave the tail unlearned. Both views go through one tower
    over the item's vectors (a two-tower model's own, else one made for it), and each item's two
    outputs have to find each other. Serving is the
    base model's alone; items learn through the embeddings that both losses share, and so do the
    `[MASK]_i`, which unseen values look up.

    Args:
        embedding, base, config, schema: as in `Rival`.

    Raises:
        InputError: fewer than two features describe the item; one cannot be split into two views.
    """

    item_rows: Tensor

    def __init__(
        self,
        embedding: FeatureEmbedding,
        base: nn.Module,
        config: ExperimentConfig,
        schema: Schema,
    ) -> None:
        super().__init__(embedding, base, config, schema)
        self.settings = config.rival.ssl
        features = sum(feature.side is Side.ITEM for feature in schema.features)
        if features < 2:
            raise InputError(
                f"rival.name = 'ssl': {features} feature of side item in the schema, and two "
                "complementary views need at least 2"
            )
        self.views = ItemViews(embedding.layout, self.settings.value_dropout)
        # A two-tower model has an item tower already, which is the one that Yao et al. train.
        self.tower: nn.Module | None = None
        if not isinstance(base, TwoTower):
            self.tower = relu_tower(features * embedding.dim, self.settings.hidden)
            width = (features * embedding.dim, *self.settings.hidden)[-1]
            self.tower.append(linear(width, self.settings.output_dim))
        columns = self.views.membership.shape[0]
        empty = torch.zeros(0, columns, dtype=torch.int32)
        self.register_buffer("item_rows", empty, persistent=False)

    def prepare(self, dataset: Dataset) -> None:
        """Keep the item table at hand, and learn which features tell the same."""
        self.item_rows = dataset.item_rows
        self.views.prepare(dataset)

    def losses(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """The task loss, InfoNCE and their weighted sum.

        Args:
            batch: samples with labels.
            generator: draws the items and their views, on the batch's device.
        """
        main = super().losses(batch, generator).main
        if self.settings.weight == 0:
            return Losses(main, torch.zeros_like(main), main)
        items = torch.randint(
            self.item_rows.shape[0],
            (self.settings.items,),
            device=self.item_rows.device,
            generator=generator,
        )
        rows = self.item_rows.index_select(0, items)
        first, second = self.views(rows, self.embedding.weight, generator)
        tower = self.tower
        if tower is None:
            assert isinstance(self.base, TwoTower)
            tower = self.base.item_tower
        outputs = tower(torch.cat((first, second)).flatten(1))  # [2 * item, output]
        one, other = outputs[: len(items)], outputs[len(items) :]
        auxiliary = info_nce(one, other, items, self.settings.temperature)
        return Losses(main, auxiliary, main + self.settings.weight * auxiliary)


def info_nce(first: Tensor, second: Tensor, items: Tensor, temperature: float) -> Tensor:
    """-mean log(exp(s(i, i) / t) / sum_j exp(s(i, j) / t)), s the cosine of two views.

    An item that was drawn twice is not told apart from itself: its other draw is left out of the
    sum over j.

    Args:
        first, second: float [item, output], two views of the same items.
        items: int64 [item], which item each row is.
        temperature: t.

    Returns:
        A scalar.
    """
    cosine = _unit(first) @ _unit(second).t()  # [item, item]
    same = items.unsqueeze(0) == items.unsqueeze(1)
    same.fill_diagonal_(False)
    logits = (cosine / temperature).masked_fill(same, -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(items), device=items.device))


def _unit(vectors: Tensor) -> Tensor:
    return vectors * (vectors.square().sum(1, keepdim=True) + SMALLEST_NORM**2).rsqrt()
