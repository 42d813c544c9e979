"""What each feature of the planted world can tell a reader who has seen n samples of the user."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Float = NDArray[np.float64]

ACTIVITIES = (0, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)


@dataclass(frozen=True)
class Parts:
    """Size of every part of the logit, by feature.

    Attributes:
        user_bias, item_bias: variance of each feature's part of the bias.
        user_taste, item_taste: second moments [dim, dim] of each feature's part of P and of Q.
        taste: variance of <P, Q> in the logit.
        scene_genre: variance of the scene-genre table.
    """

    user_bias: dict[str, float]
    item_bias: dict[str, float]
    user_taste: dict[str, Float]
    item_taste: dict[str, Float]
    taste: float
    scene_genre: float

    @cached_property
    def taste_scale(self) -> float:
        """Factor on <P, Q> that gives it the variance `taste`."""
        total = sum(self._unscaled_pairs().values())
        return float(np.sqrt(self.taste / total)) if total else 0.0

    def pairs(self) -> dict[tuple[str, str], float]:
        """Variance of <P_f, Q_g> for every user feature f and item feature g.

        The parts are centred and a user meets items independently of taste, so the variance is
        trace(E[P_f P_f'] E[Q_g Q_g']).
        """
        return {pair: v * self.taste_scale**2 for pair, v in self._unscaled_pairs().items()}

    def _unscaled_pairs(self) -> dict[tuple[str, str], float]:
        return {
            (f, g): float(np.trace(p @ q))
            for f, p in self.user_taste.items()
            for g, q in self.item_taste.items()
        }


def reliability(observations: float, information: float, variance: float) -> float:
    """Share of a private part's variance that a Bayesian reader knows after n observations.

    With a normal prior of variance s2 and Fisher information I about the logit in each observation,
    the posterior variance is 1 / (1/s2 + n I), so the share known is n I s2 / (1 + n I s2).

    Args:
        observations: n, training samples of the ID.
        information: I per observation, in 1 / logit^2.
        variance: s2 of the part in the logit; of a taste, that of one dimension, because n samples
            have to pin down all dimensions.
    """
    known = observations * information * variance
    return known / (1 + known)


def fisher_information(logit: Float, flipped: float) -> float:
    """Mean information about the logit in one label, flips included.

    With p = sigmoid(logit) and q = f + (1 - 2f) p the label's probability, the information is
    (dq/dlogit)^2 / (q (1 - q)).
    """
    p = 1 / (1 + np.exp(-logit))
    q = flipped + (1 - 2 * flipped) * p
    slope = (1 - 2 * flipped) * p * (1 - p)
    return float(np.mean(slope**2 / np.maximum(q * (1 - q), 1e-300)))


def importance(
    parts: Parts,
    information: float,
    user: str,
    item_observations: dict[str, float],
    features: tuple[str, ...],
) -> pd.DataFrame:
    """True importance of every feature at every activity of the user.

    A part of the logit counts with the variance it was planted with, times the reliability of the
    private parts in it; meta features are taken as known. A part made by two features together is
    credited to both in equal halves (their Shapley value: neither tells anything of it alone). The
    information from other unknown parts is ignored. Shares sum to 1 at each activity.

    Args:
        parts: variances of the planted parts.
        information: see `fisher_information`.
        user: the user ID feature; its observations are the activity.
        item_observations: item-side ID feature -> samples of one value, at mean popularity.
        features: in the order wanted; a feature without a part gets 0.

    Returns:
        Columns feature, activity, importance; one row per feature and activity in `ACTIVITIES`.
    """
    pairs = parts.pairs()
    dims = len(next(iter(parts.user_taste.values())))
    bias = {**parts.user_bias, **parts.item_bias}
    taste = {
        name: sum(v for pair, v in pairs.items() if name in pair) / dims
        for name in (*parts.user_taste, *parts.item_taste)
    }
    records = []
    for activity in ACTIVITIES:
        seen = {**item_observations, user: float(activity)}

        def known(name: str, variance: float, seen: dict[str, float] = seen) -> float:
            return reliability(seen[name], information, variance) if name in seen else 1.0

        credit = dict.fromkeys(features, 0.0)
        for name, variance in bias.items():
            credit[name] += variance * known(name, variance)
        for (f, g), variance in pairs.items():
            usable = variance * known(f, taste[f]) * known(g, taste[g])
            credit[f] += usable / 2
            credit[g] += usable / 2
        credit["scene"] += parts.scene_genre / 2
        credit["genre"] += parts.scene_genre / 2
        total = sum(credit.values())
        records += [(name, activity, value / total) for name, value in credit.items()]
    return pd.DataFrame.from_records(records, columns=["feature", "activity", "importance"])
