"""What if this user were more active, or had another ID: weights, contributions, items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.insight.contributions import contributions
from workbench.insight.ranking import Request, vectors_of, with_counts, with_user_id
from workbench.nn.framework import AdaF2M2

BEFORE, AFTER = "as it is", "edited"
BASELINE, LOGIT = "nothing known", "logit"
"""First and last bar of the waterfall."""


@dataclass(frozen=True)
class Edit:
    """What is changed about a request.

    Attributes:
        counts: name of a state count -> new value.
        norm: factor on the vector of the user's ID; its direction stays.
        user_code: code of the user whose ID is put in; 0 is `[MASK]`, an unseen user; None: own.
    """

    counts: Mapping[str, float] = field(default_factory=dict)
    norm: float = 1.0
    user_code: int | None = None

    @property
    def empty(self) -> bool:
        """True where nothing is changed."""
        return not self.counts and self.norm == 1.0 and self.user_code is None

    def apply(self, dataset: Dataset, request: Request) -> Request:
        """The request after the change.

        Raises:
            InputError: an unknown count or code, a negative count or factor.
        """
        if not (np.isfinite(self.norm) and self.norm >= 0):
            raise InputError(f"norm = {self.norm}: must be 0 or more")
        changed = with_counts(dataset, request, self.counts)
        if self.user_code is not None:
            changed = with_user_id(dataset, changed, self.user_code)
        return replace(changed, norm=request.norm * self.norm)


class Explained(NamedTuple):
    """What the model does with some requests.

    Attributes:
        weights: one row per feature and request: `feature`, `is_id`, `state` (the request's name),
            `weight` (1 without an adapter), `norm` |v|, `contribution` w*|v|, `start` (the weight
            before training; nan without an adapter). ID features first.
        parts: the waterfall, one row per bar and request: `part` (`BASELINE`, the features by the
            size of their largest contribution, `LOGIT`), `order`, `state`, `value` (of a bar: what
            it adds; of the two ends: the logit there), `start` and `end` of the bar,
            `standard_error` (0 where exact).
        exact: whether the contributions are exact, see `workbench.insight.contributions`.
    """

    weights: pd.DataFrame
    parts: pd.DataFrame
    exact: bool


@torch.no_grad()
def explain(model: AdaF2M2, dataset: Dataset, requests: Mapping[str, Request]) -> Explained:
    """Weights and logit contributions of some requests, by their names.

    Raises:
        InputError: no request.
    """
    if not requests:
        raise InputError("name at least one request to explain")
    looked_up = [
        vectors_of(model, dataset, request.rows[None], request.norm)
        for request in requests.values()
    ]
    vectors = torch.cat([own for own, _ in looked_up])  # [request, feature, dim]
    counts = torch.stack([request.counts for request in requests.values()])
    weights = model.weights(vectors, counts)
    norms = vectors.norm(dim=-1)
    if weights is None:
        weights = torch.ones_like(norms)
    found = contributions(model, vectors, counts, looked_up[0][1])
    start = start_weight(model)
    slots = dataset.layout.slots
    order = sorted(range(len(slots)), key=lambda place: not slots[place].is_id)
    records: list[dict[str, Any]] = []
    for row, state in enumerate(requests):
        for place in order:
            weight, norm = float(weights[row, place]), float(norms[row, place])
            records.append(
                {
                    "feature": slots[place].name,
                    "is_id": slots[place].is_id,
                    "state": state,
                    "weight": weight,
                    "norm": norm,
                    "contribution": weight * norm,
                    "start": start,
                }
            )
    largest = np.argsort(-np.abs(found.values).max(axis=0), kind="stable")
    names = [BASELINE, *(found.players[i] for i in largest), LOGIT]
    frames = []
    for row, state in enumerate(requests):
        values = found.values[row, largest]
        steps = found.baseline[row] + np.concatenate(([0.0], np.cumsum(values)))
        logit = found.logit[row]
        frames.append(
            pd.DataFrame(
                {
                    "part": names,
                    "order": np.arange(len(names)),
                    "state": state,
                    "value": [found.baseline[row], *values, logit],
                    "start": [0.0, *steps[:-1], 0.0],
                    "end": [*steps, logit],
                    "standard_error": [0.0, *found.errors[row, largest], 0.0],
                }
            )
        )
    return Explained(pd.DataFrame(records), pd.concat(frames, ignore_index=True), found.exact)


def start_weight(model: AdaF2M2) -> float:
    """The adapter's weight before training; nan without an adapter."""
    if model.adapter is None:
        return float("nan")
    config = model.config
    return config.weight_scale / 2 if config.adapter_start is None else config.adapter_start


def moves(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Two lists of `workbench.insight.ranking.top_items` side by side.

    Returns:
        The rows of `after` with `rank_before` (nullable; missing for an item that was not in the
        list) and `moved` in words: "same", "up 3", "down 1" or "new".
    """
    old = before.set_index("item")["rank"]
    ranks = after["item"].map(old).astype("Int64")
    words = []
    for now, then in zip(after["rank"], ranks, strict=True):
        if pd.isna(then):
            words.append("new")
        elif then == now:
            words.append("same")
        else:
            words.append(f"{'up' if then > now else 'down'} {abs(then - now)}")
    return after.assign(rank_before=ranks, moved=words)
