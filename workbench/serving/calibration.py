"""Are probabilities right for users and items that training has never seen?

A split that holds users and items out entirely, and how far predicted probabilities are from the
observed rates, with intervals over users.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workbench.data.raw import Array
from workbench.data.splits import SPLITS, Splits
from workbench.errors import InputError

BINS = 15
"""Equal-width bins of the expected calibration error, as Guo et al. (2017) take them."""

# Keeps the logarithm of a probability that float32 rounds to 0 or 1 finite.
_SMALLEST = 1e-7

Float = NDArray[np.float64]


class Calibration(NamedTuple):
    """Of one group of samples.

    Attributes:
        ece: expected calibration error, sum_b n_b / n |mean p - mean y| over bins b of p.
        log_loss: mean over samples.
        predicted, observed: mean probability, and share of positive labels.
        gap: |predicted - observed|.
    """

    ece: float
    log_loss: float
    predicted: float
    observed: float
    gap: float


def held_out_users_and_items(
    users: Array, items: Array, share: float, seed: int, warm: float = 0.1
) -> Splits:
    """Hold a share of the users and of the items out of training, for validation and for test.

    A sample goes to test where its user or its item is one of test's, else to validation where one
    is validation's. Of the other samples a share goes to either, so that both splits have samples
    of known users and items too.

    Args:
        users, items: [row] the user and the item of each row.
        share: of the users, and of the items, that test holds; validation holds as many again.
        seed: the same seed gives the same split.
        warm: share of the other rows that goes to validation, and to test.

    Raises:
        InputError: a share outside 0..0.5, or a split that would be empty.
    """
    for name, value in (("share", share), ("warm", warm)):
        if not 0 < value < 0.5:
            raise InputError(f"{name} = {value}: must lie between 0 and 0.5")
    rng = np.random.default_rng(seed)
    cold = np.maximum(_roles(users, share, rng), _roles(items, share, rng))
    drawn = rng.random(len(cold))
    known = np.select([drawn < warm, drawn < 2 * warm], [1, 2], 0)
    parts = np.where(cold > 0, cold, known)
    splits = {name: np.flatnonzero(parts == part) for part, name in enumerate(SPLITS)}
    for name, index in splits.items():
        if not len(index):
            raise InputError(f"{name} split is empty: share = {share} of {len(cold)} rows")
    return splits


def _roles(keys: Array, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Of each row, 0, 1 or 2 where its key belongs to training, validation or test."""
    distinct, codes = np.unique(keys, return_inverse=True)
    held = round(share * len(distinct))
    roles = np.zeros(len(distinct), np.int64)
    order = rng.permutation(len(distinct))
    roles[order[:held]] = 2
    roles[order[held : 2 * held]] = 1
    return roles[codes]


def calibration(probability: ArrayLike, label: ArrayLike) -> Calibration:
    """Calibration of samples.

    Args:
        probability: [sample] in 0..1.
        label: [sample] 0 or 1.

    Raises:
        InputError: no samples, or a probability outside 0..1.
    """
    sums = _sums(*_checked(probability, label, np.zeros(np.size(label), np.int64)))
    return Calibration(*(float(value[0]) for value in _measures(sums.sum(0)[None])))


def calibration_by_group(
    models: dict[str, ArrayLike],
    label: ArrayLike,
    user: ArrayLike,
    groups: dict[str, NDArray[np.bool_]],
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Calibration of several models on the same samples, paired with the first of them.

    Args:
        models: name -> probability [sample]; the first is what the others are compared with.
        label: [sample] 0 or 1.
        user: [sample] whole bootstrap units; the samples of a user stay together.
        groups: name -> [sample], which samples belong to it; they may overlap.
        replicates, seed: of the bootstrap over users.

    Returns:
        One row per group and model: `group`, `model`, `rows`, `users`, the fields of
        `Calibration`; and for `ece`, `log_loss` and `gap` the difference to the first model with
        the bounds of its 95% interval: `delta_ece`, `delta_ece_low`, `delta_ece_high` and so on
        (nan for the first itself).

    Raises:
        InputError: a group without a sample, or a probability outside 0..1.
    """
    records = []
    label, user = np.asarray(label), np.asarray(user)
    for group, here in groups.items():
        if not here.any():
            raise InputError(f"group '{group}' has no samples")
        draws: Float | None = None
        first: tuple[Calibration, NDArray[np.float64]] | None = None
        for name, probability in models.items():
            sums = _sums(*_checked(np.asarray(probability)[here], label[here], user[here]))
            if draws is None:
                chance = np.full(len(sums), 1 / len(sums))
                rng = np.random.default_rng(seed)
                draws = rng.multinomial(len(sums), chance, replicates).astype(np.float64)
            whole = Calibration(*(float(value[0]) for value in _measures(sums.sum(0)[None])))
            flat = draws @ sums.reshape(len(sums), -1)
            spread = np.stack(_measures(flat.reshape(-1, *sums.shape[1:])))
            record = {"group": group, "model": name, "rows": int(here.sum()), "users": len(sums)}
            record |= whole._asdict()
            for place, field in enumerate(Calibration._fields):
                if field not in ("ece", "log_loss", "gap"):
                    continue
                record |= _difference(field, place, whole, spread, first)
            records.append(record)
            first = first or (whole, spread)
    return pd.DataFrame(records)


def _difference(
    field: str,
    place: int,
    whole: Calibration,
    spread: Float,
    first: tuple[Calibration, Float] | None,
) -> dict[str, float]:
    values = [np.nan] * 3
    if first is not None:
        low, high = np.quantile(spread[place] - first[1][place], (0.025, 0.975))
        values = [whole[place] - first[0][place], float(low), float(high)]
    names = (f"delta_{field}", f"delta_{field}_low", f"delta_{field}_high")
    return dict(zip(names, values, strict=True))


def _checked(
    probability: ArrayLike, label: ArrayLike, user: ArrayLike
) -> tuple[Float, Float, NDArray[np.int64]]:
    p, y = np.asarray(probability, np.float64), np.asarray(label, np.float64)
    if not len(p):
        raise InputError("calibration needs at least one sample")
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise InputError("a probability lies outside 0..1")
    return p, y, np.unique(np.asarray(user), return_inverse=True)[1]


def _sums(p: Float, y: Float, user: NDArray[np.int64]) -> Float:
    """Additive parts [user, bin, (samples, sum of p, sum of y, sum of the log loss)]."""
    bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    clipped = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    loss = -(y * np.log(clipped) + (1 - y) * np.log1p(-clipped))
    users = int(user.max()) + 1
    cell = user * BINS + bins
    parts = [np.bincount(cell, weights, users * BINS) for weights in (np.ones_like(p), p, y, loss)]
    return np.stack(parts, axis=-1).reshape(users, BINS, 4).astype(np.float64)


def _measures(sums: Float) -> tuple[Float, ...]:
    """The fields of `Calibration`, each [draw], of sums [draw, bin, part]."""
    n, p, y, loss = (sums[..., part] for part in range(4))
    total = n.sum(1)
    predicted, observed = p.sum(1) / total, y.sum(1) / total
    ece = np.abs(p - y).sum(1) / total
    return ece, loss.sum(1) / total, predicted, observed, np.abs(predicted - observed)
