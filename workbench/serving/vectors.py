"""User and item vectors whose inner product is the logit, for retrieval.

**Exact** without weights (base and mask variants): the two-tower model is an inner product of its
towers, and FM splits into what each side adds alone and one inner product between the sides,

    logit = b + l_U + P_U + l_I + P_I + <S_U, S_I>,

with S the sum of a side's factors, l that of its first-order weights and P its pairs among
themselves. The context is known when a user asks, so it counts to the user's side.

**Approximate** under the adapter (or a gate): w_i = sigmoid(h(r))_i reads the state of the user
and of the item at once, so a song's features weigh something else for every listener, and no item
vector of finite length gives all pairs their own logit. (It is exact again only where all ID
features and counts that the adapter reads belong to one side, and for that side's features alone.)
A side's features here take their weights' mean over reference rows of the other side, drawn in
proportion to training impressions: the constant that errs least, in mean square, for each weight.
How far that is from the model is measured by `workbench.serving.retrieval.agreement`, and a few
hundred candidates found this way are to be ranked again by the model itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.data.encoding import Encoding
from workbench.errors import InputError
from workbench.models.fm import FM
from workbench.models.two_tower import TwoTower
from workbench.nn.framework import AdaF2M2
from workbench.schema import Side

REFERENCES = 64
"""Rows of the other side that an approximate side's weights are averaged over."""
# Pairs of an entity and a reference that are weighted at once.
_PAIRS = 65_536


@dataclass(frozen=True)
class Entities:
    """Users (with their context) or items, encoded.

    Attributes:
        ids: [entity] as the data names them.
        rows: int32 [entity, width]; the other side's columns are not read.
        counts: float32 [entity, count]; likewise.
        impressions: [entity] training rows.
    """

    ids: NDArray[Any]
    rows: Tensor
    counts: Tensor
    impressions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[np.int64]) -> Entities:
        """Some of them."""
        where = torch.from_numpy(index)
        return Entities(
            self.ids[index], self.rows[where], self.counts[where], self.impressions[index]
        )

    def drawn(self, size: int, seed: int) -> Entities:
        """`size` of them, with replacement, in proportion to 1 + impressions."""
        chance = self.impressions + 1.0
        draw = np.random.default_rng(seed)
        return self.take(draw.choice(len(self), size, p=chance / chance.sum()))


class Factorised:
    """A model as a user vector and an item vector.

    Args:
        model: trained, of base model two_tower or fm.
        encoding: of its run.
        users, items: whom references are drawn from, for a model with weights.
        references: of the other side, per weight.
        seed: of that draw.

    Attributes:
        exact: whether the inner product is the logit; see the module.

    Raises:
        InputError: a base model that has no user and item vectors.
    """

    def __init__(
        self,
        model: AdaF2M2,
        encoding: Encoding,
        users: Entities,
        items: Entities,
        *,
        references: int = REFERENCES,
        seed: int = 0,
    ) -> None:
        if not isinstance(model.base, FM | TwoTower):
            raise InputError(
                f"a {type(model.base).__name__} scores user and item together and has no vectors "
                "of them; --format vectors needs a run of model two_tower or fm"
            )
        self.model = model
        schema = encoding.schema
        sides = [slot.side is Side.ITEM for slot in encoding.layout.slots]
        self._is_item = torch.tensor(sides)  # [feature]
        self._counts_item = torch.tensor(
            [schema[count.feature].side is Side.ITEM for count in schema.counts], dtype=torch.bool
        )
        weighted = model.adapter is not None or hasattr(model, "gate")
        self.exact = not weighted
        self._others: dict[bool, tuple[Tensor, Tensor]] = {}
        if weighted:
            for is_item, others in ((True, users), (False, items)):
                drawn = others.drawn(references, seed)
                self._others[is_item] = (self._embedded(drawn.rows), drawn.counts)

    @torch.no_grad()
    def user_vectors(self, users: Entities) -> Tensor:
        """float [user, dim]."""
        vectors = self._weighted(users, is_item=False)
        base = self.model.base
        if isinstance(base, TwoTower):
            found = base.user_vector(vectors) / base.temperature
            return torch.cat((found, base.bias.expand(len(users), 1)), dim=1)
        assert isinstance(base, FM)
        alone, together = _halves(vectors[:, ~self._is_item])
        ones = torch.ones_like(alone)
        return torch.cat((together, alone + base.bias, ones), dim=1)

    @torch.no_grad()
    def item_vectors(self, items: Entities) -> Tensor:
        """float [item, dim]."""
        vectors = self._weighted(items, is_item=True)
        base = self.model.base
        if isinstance(base, TwoTower):
            found = base.item_vector(vectors)
            return torch.cat((found, torch.ones(len(items), 1)), dim=1)
        alone, together = _halves(vectors[:, self._is_item])
        return torch.cat((together, torch.ones_like(alone), alone), dim=1)

    @torch.no_grad()
    def logits(self, users: Entities, items: Entities) -> Tensor:
        """The model's own logit of every pair: float [user, item]."""
        parts = []
        item_vectors = self._embedded(items.rows)
        for row in range(len(users)):
            one = self._embedded(users.rows[row : row + 1])
            vectors = torch.where(self._is_item[:, None], item_vectors, one)
            counts = torch.where(self._counts_item, items.counts, users.counts[row])
            parts.append(self.model.serve(vectors, counts))
        return torch.stack(parts)

    def _embedded(self, rows: Tensor) -> Tensor:
        with torch.no_grad():
            vectors: Tensor = self.model.embedding(rows)
        return vectors

    def _weighted(self, entities: Entities, *, is_item: bool) -> Tensor:
        """[entity, feature, dim] under the mean weights of the entity's side."""
        vectors = self._embedded(entities.rows)
        if self.exact:
            return vectors
        others, other_counts = self._others[is_item]
        own, own_count = self._is_item == is_item, self._counts_item == is_item
        size = max(1, _PAIRS // len(others))
        means = []
        parts = (torch.split(vectors, size), torch.split(entities.counts, size))
        for mine, counts in zip(*parts, strict=True):
            pairs = torch.where(own[:, None], mine[:, None], others[None])
            pair_counts = torch.where(own_count, counts[:, None], other_counts[None])
            weights = self.model.weights(pairs.flatten(0, 1), pair_counts.flatten(0, 1))
            assert weights is not None
            means.append(weights.view(len(mine), len(others), -1).mean(1))
        return vectors * torch.cat(means).unsqueeze(-1)


def _halves(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """What a side of FM adds alone [batch, 1], and the sum of its factors [batch, dim - 1]."""
    factors, first_order = vectors[..., :-1], vectors[..., -1]
    together = factors.sum(1)
    pairs = 0.5 * (together.square() - factors.square().sum(1)).sum(1)
    return (first_order.sum(1) + pairs).unsqueeze(1), together
