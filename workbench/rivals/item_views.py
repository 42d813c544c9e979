"""Two complementary views of an item: which features each hides, and their vectors.

Correlated feature masking of Yao et al. (2021): features that tell the same are hidden together,
since a view that keeps one of them would make the task easy without learning the others.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.data.dataset import Dataset
from workbench.rivals.mutual_information import mutual_information, value_codes
from workbench.schema import FeatureSlot, Side, TableLayout


class ItemViews(nn.Module):
    """Looks items up and makes two views of each.

    A seed feature is drawn at each step, the same for all items: the first view hides it and the
    features with the highest mutual information to it, half of all (rounded down) in total; the
    second view hides the others. A hidden feature is its `[MASK]_i`. In both views each value of a
    multi-valued feature is dropped on its own; one that loses all its values is its `[MASK]_i` too.

    Args:
        layout: of the embedding table.
        value_dropout: probability that a value of a multi-valued feature is dropped.

    Attributes:
        positions: of the item features among the table's slots.
        hidden: bool [seed feature, item feature], what the first view hides; learned from data.
    """

    hidden: Tensor
    membership: Tensor
    droppable: Tensor
    mask_rows: Tensor

    def __init__(self, layout: TableLayout, value_dropout: float) -> None:
        super().__init__()
        self.positions = [i for i, slot in enumerate(layout.slots) if slot.side is Side.ITEM]
        self.value_dropout = value_dropout
        slots = [layout.slots[i] for i in self.positions]
        spans = item_columns(slots)
        membership = torch.zeros(max(stop for _, stop in spans), len(slots))
        for position, (start, stop) in enumerate(spans):
            membership[start:stop, position] = 1
        # Which column belongs to which feature, and which are values of a list.
        self.register_buffer("membership", membership, persistent=False)
        lists = torch.tensor([slot.kind in ("multi", "sequence") for slot in slots])
        self.register_buffer("droppable", membership @ lists.float() > 0, persistent=False)
        rows = torch.tensor([slot.mask_row for slot in slots])
        self.register_buffer("mask_rows", rows, persistent=False)
        # Until the data says more, the features that follow the seed in the schema go with it.
        self.register_buffer("hidden", most_related(torch.zeros(len(slots), len(slots))))

    def prepare(self, dataset: Dataset) -> None:
        """Learn from the training rows which features tell the same."""
        slots = [dataset.layout.slots[i] for i in self.positions]
        codes = torch.stack(
            [value_codes(dataset.item_rows[:, a:b]) for a, b in item_columns(slots)], dim=1
        )
        # All features of an item follow from the item, so its training rows are its weight.
        information = mutual_information(codes, dataset.popularity())
        self.hidden.copy_(most_related(information))

    def forward(
        self, rows: Tensor, weight: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Two views of some items.

        Args:
            rows: integer [item, column], the item side of a batch's rows.
            weight: the embedding table [row, dim].
            generator: on the rows' device.

        Returns:
            Two tensors [item, item feature, dim].
        """
        items, columns = rows.shape
        # One lookup for everything: each costs a gradient of the table's size.
        index = torch.cat((rows.reshape(-1), self.mask_rows.to(rows.dtype)))
        looked_up = F.embedding(index, weight)
        values = looked_up[: items * columns].view(items, columns, -1)
        masks = looked_up[items * columns :]  # [item feature, dim]
        seed = torch.randint(len(self.positions), (1,), device=rows.device, generator=generator)
        hidden = self.hidden.index_select(0, seed)  # [1, item feature]
        first, second = (
            self._view(values, self._kept(rows, generator), masks, chosen)
            for chosen in (hidden, ~hidden)
        )
        return first, second

    def _kept(self, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        """Which values stay: bool [item, column]; padding never does."""
        draws = torch.rand(rows.shape, device=rows.device, generator=generator)
        return (rows != 0) & ((draws >= self.value_dropout) | ~self.droppable)

    def _view(self, values: Tensor, kept: Tensor, masks: Tensor, hidden: Tensor) -> Tensor:
        kept_values = values * kept.unsqueeze(-1)
        sums = torch.einsum("icd,cf->ifd", kept_values, self.membership)
        counts = (kept.to(values.dtype) @ self.membership).unsqueeze(-1)  # [item, item feature, 1]
        shown = (counts > 0) & ~hidden.unsqueeze(-1)
        return torch.where(shown, sums / counts.clamp_min(1), masks)


def item_columns(slots: list[FeatureSlot]) -> list[tuple[int, int]]:
    """Columns (start, stop) of each item feature among those of the item side alone."""
    first = min(slot.start for slot in slots)
    return [(slot.start - first, slot.stop - first) for slot in slots]


def most_related(information: Tensor) -> Tensor:
    """For each seed feature: itself and its most related ones, half of all features in total.

    Args:
        information: [feature, feature], symmetric; of equally related features the one that comes
            next in the schema, cyclically, goes first.

    Returns:
        Bool [seed feature, feature]; at least one per row, and never all where there are two.
    """
    features = len(information)
    ahead = (torch.arange(features) + torch.arange(features).unsqueeze(1)) % features
    ranked = information.cpu().double().clone().fill_diagonal_(torch.inf).gather(1, ahead)
    order = ranked.argsort(dim=1, descending=True, stable=True)[:, : max(1, features // 2)]
    hidden = torch.zeros(features, features, dtype=torch.bool)
    return hidden.scatter(1, ahead.gather(1, order), True)
