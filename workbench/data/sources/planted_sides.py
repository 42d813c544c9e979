"""The planted world's users and items: their columns, and their parts of bias and taste."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.data.raw import Array, Ragged
from workbench.data.sources.long_tail import long_tail_counts

Float = NDArray[np.float64]
Int = NDArray[np.int64]

GENDERS = ("female", "male")
GENDER_SHARES = (0.5, 0.5)
AGES = ("under 18", "18-24", "25-34", "35-44", "45-54", "55+")
AGE_SHARES = (0.08, 0.22, 0.30, 0.20, 0.12, 0.08)
GENRES = (
    "pop", "rock", "hip hop", "electronic", "folk", "jazz", "classical", "metal", "country", "blues"
)  # fmt: skip
GENRE_SHARES = (0.24, 0.18, 0.15, 0.12, 0.08, 0.06, 0.06, 0.05, 0.04, 0.02)
MOODS = (
    "happy", "sad", "calm", "wild", "dreamy", "dark", "tender", "proud", "funny", "lonely", "warm",
    "tense",
)  # fmt: skip
MOODS_PER_ITEM = 3

# Dimensions of P and Q: few, so that a user's private taste can be learnt from dozens of samples.
TASTE_DIM = 4
USER_BIAS = 0.5
ITEM_BIAS = 0.6
DURATION = 0.15
ITEMS_PER_ARTIST = 8
ARTIST_TAIL = 1.0


@dataclass(frozen=True)
class PlantedSide:
    """Users or items.

    Attributes:
        index: [sample] entity of each sample.
        shares: [entity] share of the samples.
        columns: raw values by feature.
        bias: feature -> [entity] part of the logit.
        taste: feature -> [entity, TASTE_DIM] part of P or Q.
    """

    index: Int
    shares: Float
    columns: dict[str, Array | Ragged]
    bias: dict[str, Float]
    taste: dict[str, Float]

    def sample_bias(self) -> Float:
        """The bias [sample] of each sample's entity."""
        total: Float = np.sum(list(self.bias.values()), axis=0)
        return total[self.index]

    def sample_taste(self) -> Float:
        """The taste [sample, TASTE_DIM] of each sample's entity."""
        total: Float = np.sum(list(self.taste.values()), axis=0)
        return total[self.index]

    def bias_variances(self) -> dict[str, float]:
        """Variance of each bias part over the samples."""
        return {name: float(self.shares @ part**2) for name, part in self.bias.items()}

    def taste_moments(self) -> dict[str, Float]:
        """Second moments [TASTE_DIM, TASTE_DIM] of each taste part over the samples."""
        return {name: (part.T * self.shares) @ part for name, part in self.taste.items()}


def make_users(
    rng: np.random.Generator, rows: int, users: int, tail: float, private_share: float
) -> PlantedSide:
    """Draw users, how active they are, and what they like."""
    index, shares = _long_tailed(rng, rows, users, tail)
    groups: dict[str, Array] = {
        "user_id": np.arange(users),
        "gender": rng.choice(len(GENDERS), size=users, p=GENDER_SHARES),
        "age": rng.choice(len(AGES), size=users, p=AGE_SHARES),
    }
    variances = _variance_shares(groups, "user_id", private_share)
    return PlantedSide(
        index=index,
        shares=shares,
        columns={
            "user_id": groups["user_id"],
            "gender": np.array(GENDERS, dtype=object)[groups["gender"]],
            "age": np.array(AGES, dtype=object)[groups["age"]],
        },
        bias=_bias(rng, groups, variances, shares, USER_BIAS),
        taste=_parts(rng, groups, variances, shares, TASTE_DIM),
    )


def make_items(
    rng: np.random.Generator, rows: int, items: int, tail: float, private_share: float
) -> tuple[PlantedSide, Int]:
    """Draw songs, how popular they are, and what they are like.

    Returns:
        The side, and the genre [item] as an index into `GENRES`.
    """
    index, shares = _long_tailed(rng, rows, items, tail)
    artists = max(2, items // ITEMS_PER_ARTIST)
    songs = long_tail_counts(items, artists, ARTIST_TAIL)
    moods = _some_of(rng, items, len(MOODS), MOODS_PER_ITEM)
    groups: dict[str, Array] = {
        "item_id": np.arange(items),
        "artist_id": rng.permutation(np.repeat(np.arange(artists), songs)),
        "genre": rng.choice(len(GENRES), size=items, p=GENRE_SHARES),
        "mood": moods,
    }
    variances = _variance_shares(groups, "item_id", private_share)
    seconds = np.clip(np.exp(rng.normal(np.log(210.0), 0.3, items)), 60, 900).round()
    bias = _bias(rng, groups, variances, shares, ITEM_BIAS)
    # Longer songs are finished less often.
    bias["duration"] = -np.sqrt(DURATION) * _standardised(np.log(seconds)[:, None], shares)[:, 0]
    side = PlantedSide(
        index=index,
        shares=shares,
        columns={
            "item_id": groups["item_id"],
            "artist_id": groups["artist_id"],
            "genre": np.array(GENRES, dtype=object)[groups["genre"]],
            "mood": Ragged(
                values=np.array(MOODS, dtype=object)[np.nonzero(moods)[1]],
                offsets=np.concatenate(((0,), np.cumsum(moods.sum(axis=1)))),
            ),
            "duration": seconds,
        },
        bias=bias,
        taste=_parts(rng, groups, variances, shares, TASTE_DIM),
    )
    return side, groups["genre"]


def _long_tailed(
    rng: np.random.Generator, rows: int, entities: int, tail: float
) -> tuple[Int, Float]:
    """Entity of each sample, in random order, and each entity's share of the samples."""
    # Shuffled, so that an ID's number says nothing of its activity.
    counts = rng.permutation(long_tail_counts(rows, entities, tail))
    return rng.permutation(np.repeat(np.arange(entities), counts)), counts / rows


def _some_of(rng: np.random.Generator, rows: int, choices: int, most: int) -> Int:
    """One to `most` different choices for each row, as a 0/1 matrix [row, choice]."""
    rank = rng.random((rows, choices)).argsort(axis=1).argsort(axis=1)
    return (rank < rng.integers(1, most + 1, size=(rows, 1))).astype(np.int64)


def _variance_shares(groups: dict[str, Array], private: str, share: float) -> dict[str, float]:
    """The private part's share to the ID, the rest to the other features in equal parts."""
    others = (1 - share) / (len(groups) - 1)
    return {name: share if name == private else others for name in groups}


def _parts(
    rng: np.random.Generator,
    groups: dict[str, Array],
    variances: dict[str, float],
    shares: Float,
    dim: int,
) -> dict[str, Float]:
    """One random effect per value of each feature, laid out per entity: [entity, dim].

    A feature is codes [entity], or a 0/1 matrix [entity, value] whose effects are averaged.
    """
    parts = {}
    for name, group in groups.items():
        if group.ndim == 1:
            effect = rng.standard_normal((int(group.max()) + 1, dim))[group]
        else:
            effect = group @ rng.standard_normal((group.shape[1], dim))
            effect /= group.sum(axis=1, keepdims=True)
        parts[name] = np.sqrt(variances[name]) * _standardised(effect, shares)
    return parts


def _bias(
    rng: np.random.Generator,
    groups: dict[str, Array],
    variances: dict[str, float],
    shares: Float,
    variance: float,
) -> dict[str, Float]:
    """Parts of the bias [entity], `variance` in total."""
    parts = _parts(rng, groups, variances, shares, 1)
    return {name: np.sqrt(variance) * part[:, 0] for name, part in parts.items()}


def _standardised(effect: Float, shares: Float) -> Float:
    """Mean 0 and variance 1 over the samples in every dimension (0 where nothing varies)."""
    centred = effect - shares @ effect
    deviation = np.sqrt(shares @ centred**2)
    return centred / np.where(deviation > 1e-12, deviation, np.inf)
