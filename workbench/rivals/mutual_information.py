"""How much features tell of each other, exactly, from weighted counts of their values."""

from __future__ import annotations

import torch
from torch import Tensor


def value_codes(columns: Tensor) -> Tensor:
    """A number for each distinct value: int64 [item].

    Args:
        columns: integer [item, column] of one feature; a list counts as the set of its values, so
            the order of its columns does not matter.
    """
    codes: Tensor = torch.unique(columns.sort(dim=1).values, dim=0, return_inverse=True)[1]
    return codes


def mutual_information(codes: Tensor, weights: Tensor) -> Tensor:
    """MI(a, b) = sum p(a, b) log(p(a, b) / (p(a) p(b))), in nats, of every pair of features.

    Args:
        codes: int64 [item, feature], from 0.
        weights: [item], how many rows an item stands for; not all zero.

    Returns:
        float64 [feature, feature]; the diagonal holds the entropies.
    """
    share = weights.double() / weights.sum()
    features = codes.shape[1]
    single = [_entropy(codes[:, i], share) for i in range(features)]
    information = torch.empty(features, features, dtype=torch.float64, device=codes.device)
    for a in range(features):
        for b in range(a + 1):
            pairs = codes[:, a] * (codes[:, b].max() + 1) + codes[:, b]
            joint = torch.unique(pairs, return_inverse=True)[1]
            # MI = H(a) + H(b) - H(a, b); rounding may leave a little below zero.
            value = (single[a] + single[b] - _entropy(joint, share)).clamp_min(0)
            information[a, b] = information[b, a] = value
    return information


def _entropy(codes: Tensor, share: Tensor) -> Tensor:
    """Entropy of the codes [item] when an item has the given share of all rows."""
    probability = torch.bincount(codes, weights=share)
    return -torch.xlogy(probability, probability).sum()
