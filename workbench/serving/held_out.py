"""What an index by vectors is worth on the run's test rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.insight.samples import read_predictions
from workbench.metrics import auc
from workbench.runs import Run


@dataclass(frozen=True)
class HeldOut:
    """AUC on the run's test rows whose user and item both have a vector.

    Attributes:
        rows: how many they are.
        auc: by the model's logit.
        auc_by_vectors: by the inner product of the vectors.
    """

    rows: int
    auc: float
    auc_by_vectors: float


def held_out(
    run: Run, users: Tensor, items: Tensor, known_users: Tensor, known_items: Tensor
) -> HeldOut | None:
    """Score the test rows by vectors.

    Args:
        run: with its predictions; without them there is no answer.
        users, items: vectors, float [user, dim] and [item, dim].
        known_users, known_items: int64 [user], [item]: the data's numbers of those whose vectors
            they are, rising.

    Returns:
        None, too, where no test row has both vectors.

    Raises:
        InputError: predictions that cannot be used.
    """
    if not run.has("predictions"):
        return None
    table = read_predictions(run)[["user", "item", "label", "logit"]]
    columns = {name: torch.tensor(table[name].to_numpy()) for name in table.columns}
    user, item = columns["user"].long(), columns["item"].long()
    both = torch.isin(user, known_users) & torch.isin(item, known_items)
    if not both.any():
        return None
    # The data's numbers rise, in the order of the vectors.
    mine = torch.searchsorted(known_users, user[both])
    other = torch.searchsorted(known_items, item[both])
    labels = columns["label"][both]
    return HeldOut(
        rows=int(both.sum()),
        auc=float(auc(columns["logit"][both], labels)),
        auc_by_vectors=float(auc((users[mine] * items[other]).sum(1), labels)),
    )
