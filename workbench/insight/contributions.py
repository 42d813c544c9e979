"""What each feature adds to one logit: Shapley values over features and interaction counts."""

from __future__ import annotations

from functools import lru_cache
from math import factorial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.nn.framework import AdaF2M2, primary_logit

COUNTS = "state counts"
"""The interaction counts take part as one player, where the adapter sees them."""
EXACT_PLAYERS = 11
"""Up to here all 2^n coalitions are evaluated: 2,048 forward passes of one sample."""
PERMUTATIONS = 64
"""Orders drawn beyond that; each is also walked backwards."""


class Contributions(NamedTuple):
    """An additive decomposition: baseline + sum of the values = logit, up to rounding.

    Attributes:
        players: the features in schema order, then `COUNTS` where the adapter sees counts.
        baseline: [sample] logit where nothing is known: all features `[MASK]_i`, all counts 0.
        values: [sample, player].
        errors: [sample, player] standard error of a value; 0 where it is exact.
        logit: [sample].
        exact: whether all coalitions were evaluated.
    """

    players: list[str]
    baseline: NDArray[np.float64]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    logit: NDArray[np.float64]
    exact: bool


@torch.no_grad()
def contributions(
    model: AdaF2M2,
    vectors: Tensor,
    counts: Tensor,
    masks: Tensor,
    *,
    exact_players: int = EXACT_PLAYERS,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Contributions:
    """Share the difference between a logit and the logit of nothing known among the features.

    Let v(S) be the logit of the serving path where the features outside S are replaced by their
    `[MASK]_i`, and the counts by 0 where they are outside. Feature i gets its Shapley value

        phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! * (v(S + i) - v(S)),

    the mean of what it adds over all orders in which the features can become known (Shapley 1953).
    It is the one decomposition that adds up to v(all) - v(none), treats equal features equally and
    gives nothing to a feature that changes nothing. The adapter sees what the base model sees, as
    it does for an unseen value. Beyond `exact_players` the mean is taken over drawn orders and
    their reverses; the values still add up, since every single order does.

    Args:
        model: in evaluation mode.
        vectors: [sample, feature, dim].
        counts: [sample, count] raw counts.
        masks: [feature, dim], `[MASK]_i`.
        exact_players: see above.
        permutations: orders to draw, at least 2.
        seed: of the orders.
    """
    players = list(model.embedding.layout.names)
    if sees_counts(model):
        players.append(COUNTS)
    exact = len(players) <= exact_players
    if exact:
        present, coefficients = _all_coalitions(len(players))
        pairs = coefficients[None]
    else:
        present, pairs = _walks(len(players), permutations, seed)
    features = vectors.shape[1]
    known = present[:, :features, None]
    logits = []
    for own_vectors, own_counts in zip(vectors, counts, strict=True):
        coalitions = torch.where(known, own_vectors, masks)  # [coalition, feature, dim]
        shown = own_counts.expand(len(present), -1)
        if len(players) > features:
            shown = torch.where(present[:, features:], shown, 0.0)
        logits.append(primary_logit(model.serve(coalitions, shown)).double())
    value = torch.stack(logits)  # [sample, coalition]
    single = torch.einsum("opc,sc->osp", pairs, value)  # [order, sample, player]
    errors = torch.zeros_like(single[0])
    if not exact:
        errors = single.std(0) / len(single) ** 0.5
    # In both ways of drawing, nobody and everybody are the first and the last coalition.
    return Contributions(
        players,
        value[:, 0].numpy(),
        single.mean(0).numpy(),
        errors.numpy(),
        value[:, -1].numpy(),
        exact,
    )


def sees_counts(model: AdaF2M2) -> bool:
    """Whether interaction counts change the model's logit."""
    adapter = model.adapter
    return adapter is not None and "count" in adapter.signals and len(model.count_positions) > 0


@lru_cache(maxsize=16)
def _all_coalitions(players: int) -> tuple[Tensor, Tensor]:
    """Who is present [coalition, player], and the weight of each logit in phi [player, coalition].

    The coalitions are numbered by their bits, so the first is nobody and the last everybody.
    """
    numbers = torch.arange(2**players)
    present = (numbers[:, None] >> torch.arange(players)) & 1 == 1
    size = present.sum(1)
    # For a coalition of `size` with player i: the weight of S = coalition without i, whose size is
    # one less; without i: minus the weight of S = the coalition itself.
    weight = torch.tensor(
        [factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)],
        dtype=torch.float64,
    )
    gains = weight[(size - 1).clamp_min(0)]
    losses = weight[size.clamp_max(players - 1)]
    return present, torch.where(present.T, gains, -losses)


@lru_cache(maxsize=16)
def _walks(players: int, permutations: int, seed: int) -> tuple[Tensor, Tensor]:
    """Coalitions along drawn orders and their reverses, and the weights of their logits.

    Returns:
        present: [coalition, player], nobody first and everybody last.
        pairs: [order, player, coalition]; an order's row takes the mean of its two walks.
    """
    draw = np.random.default_rng(seed)
    coalitions: dict[bytes, int] = {}
    rows: list[NDArray[np.bool_]] = []

    def place(row: NDArray[np.bool_]) -> int:
        key = row.tobytes()
        if key not in coalitions:
            coalitions[key] = len(rows)
            rows.append(row.copy())
        return coalitions[key]

    steps = []
    place(np.zeros(players, np.bool_))
    for order in range(permutations):
        walk = draw.permutation(players)
        for way in (walk, walk[::-1]):
            row = np.zeros(players, np.bool_)
            for player in way:
                before = place(row)
                row[player] = True
                steps.append((order, int(player), before, place(row)))
    everybody = coalitions[np.ones(players, np.bool_).tobytes()]
    weights = torch.zeros(permutations, players, len(rows), dtype=torch.float64)
    taken = torch.tensor(steps)
    half = torch.full((len(steps),), 0.5, dtype=torch.float64)
    weights.index_put_((taken[:, 0], taken[:, 1], taken[:, 3]), half, accumulate=True)
    weights.index_put_((taken[:, 0], taken[:, 1], taken[:, 2]), -half, accumulate=True)
    last = [i for i in range(len(rows)) if i != everybody] + [everybody]
    return torch.from_numpy(np.array(rows))[last], weights[:, :, last]
