"""The planted world: a music app in which every true probability is known.

A sample's logit is

    bias + b_user + b_item + <P_user, Q_item> + E[scene, genre].

The biases b and the tastes P and Q are sums of parts, one per feature: gender and age, artist,
genre, mood and duration carry what every model can generalise, the user ID and the item ID carry a
private part that only they can tell. `planted_truth` turns the parts into the true importance of
each feature. Who meets which item is independent of taste, so only labels tell of the logit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.config import PlantedConfig
from workbench.data.raw import Array, RawData, Truth
from workbench.data.sources.planted_sides import (
    GENRES,
    ITEMS_PER_ARTIST,
    MOODS_PER_ITEM,
    make_items,
    make_users,
)
from workbench.data.sources.planted_truth import Parts, fisher_information, importance
from workbench.memory import check_fits
from workbench.schema import Feature, Kind, Schema, Side, StateCount

Float = NDArray[np.float64]
Int = NDArray[np.int64]

SCENES = ("commute", "work", "workout", "home", "party", "falling asleep")
# Rows: hours 0-5, 6-11, 12-17 and 18-23; columns as in SCENES.
SCENE_SHARES = (
    (0.03, 0.02, 0.02, 0.23, 0.20, 0.50),
    (0.40, 0.35, 0.12, 0.12, 0.00, 0.01),
    (0.20, 0.45, 0.15, 0.18, 0.01, 0.01),
    (0.14, 0.06, 0.14, 0.40, 0.14, 0.12),
)
QUARTER_SHARES = (0.05, 0.25, 0.30, 0.40)

# Variance of the taste and of the scene-genre table in the logit. With the biases' 1.25 the logit
# has variance 3.6; with 5% of the labels flipped the true probabilities reach an AUC of about 0.81.
TASTE = 1.9
SCENE_GENRE = 0.45
# About 46% of the samples are finished.
GLOBAL_BIAS = -0.2
# Likes and comments follow finished samples only, and are likelier where finishing was.
LIKE_BIAS = -3.0
COMMENT_BIAS = -5.0

# What a row takes at the least while the world is made: 153 were measured at a million rows.
BYTES_PER_ROW = 150

START = 1_704_067_200  # 1 January 2024, 00:00 UTC
HISTORY_LENGTH = 10

SCHEMA = Schema(
    features=(
        Feature(name="user_id", side=Side.USER, is_id=True, description="the listener"),
        Feature(name="gender", side=Side.USER),
        Feature(name="age", side=Side.USER, description="age group"),
        Feature(name="item_id", side=Side.ITEM, is_id=True, description="the song"),
        Feature(name="artist_id", side=Side.ITEM, is_id=True),
        Feature(name="genre", side=Side.ITEM),
        Feature(name="mood", side=Side.ITEM, kind=Kind.MULTI, max_length=MOODS_PER_ITEM),
        Feature(name="duration", side=Side.ITEM, kind=Kind.NUMERIC, description="seconds"),
        Feature(name="scene", side=Side.CONTEXT, description="what the listener is doing"),
        Feature(
            name="history",
            side=Side.CONTEXT,
            kind=Kind.SEQUENCE,
            is_id=True,
            max_length=HISTORY_LENGTH,
            shares="item_id",
            description="songs finished most recently",
        ),
    ),
    labels=("finish", "like", "comment"),
    user="user_id",
    item="item_id",
    has_time=True,
    counts=tuple(
        StateCount(feature=feature, event=event)
        for feature in ("user_id", "item_id", "artist_id")
        for event in (None, "finish", "like", "comment")
    ),
)


def read_planted(config: PlantedConfig) -> RawData:
    """Make the world; the same config gives the same bits.

    Args:
        config: size, tails, noise and seed.

    Returns:
        Samples in the order of time, with their `Truth`.

    Raises:
        InputError: the world is larger than the memory.
    """
    rng = np.random.default_rng(config.seed)
    rows, private = config.rows, config.private_share
    entities = rows / config.rows_per_user + rows / config.rows_per_item
    check_fits(
        round(BYTES_PER_ROW * (rows + entities)),
        f"planted world of {rows:,} rows and {entities:,.0f} users and items",
        "lower data.planted.rows",
    )
    users = make_users(
        rng, rows, max(2, round(rows / config.rows_per_user)), config.user_tail, private
    )
    items, genre = make_items(
        rng, rows, max(2, round(rows / config.rows_per_item)), config.item_tail, private
    )
    time, scene = _moments(rng, rows, config.days)

    scene_shares = np.bincount(scene, minlength=len(SCENES)) / rows
    genre_shares: Float = np.bincount(genre, items.shares, len(GENRES)).astype(np.float64)
    scene_genre = _interaction(rng, scene_shares, genre_shares)
    parts = Parts(
        user_bias=users.bias_variances(),
        item_bias=items.bias_variances(),
        user_taste=users.taste_moments(),
        item_taste=items.taste_moments(),
        taste=TASTE,
        scene_genre=float(scene_shares @ scene_genre**2 @ genre_shares),
    )
    logit = GLOBAL_BIAS + users.sample_bias() + items.sample_bias()
    logit += parts.taste_scale * np.einsum("rd,rd->r", users.sample_taste(), items.sample_taste())
    logit += scene_genre[scene, genre[items.index]]

    labels, probability = _outcomes(rng, logit, config.flipped)
    table = importance(
        parts,
        fisher_information(logit, config.flipped),
        user="user_id",
        item_observations={
            "item_id": rows / len(items.shares),
            "artist_id": rows / len(items.shares) * ITEMS_PER_ARTIST,
        },
        features=SCHEMA.names,
    )
    return RawData(
        name="planted",
        schema=SCHEMA,
        user_index=users.index,
        item_index=items.index,
        users=users.columns,
        items=items.columns,
        context={"scene": np.array(SCENES, dtype=object)[scene]},
        labels=labels,
        time=time,
        default_split="random",
        default_counts=("user_id:impression", "item_id:impression", "artist_id:impression"),
        notes={**config.model_dump(), "logit_variance": round(float(logit.var()), 4)},
        truth=Truth(probability=probability.astype(np.float32), importance=table),
    )


def _moments(rng: np.random.Generator, rows: int, days: int) -> tuple[Int, Int]:
    """Ascending time stamps in seconds, and the scene that goes with the hour."""
    quarter = rng.choice(4, size=rows, p=QUARTER_SHARES)
    second = (quarter + rng.random(rows)) * 21_600
    time = START + rng.integers(days, size=rows) * 86_400 + second.astype(np.int64)
    order = np.argsort(time, kind="stable")
    up_to = np.cumsum(SCENE_SHARES, axis=1)[:, :-1]
    scene = (rng.random((rows, 1)) > up_to[quarter[order]]).sum(axis=1)
    return time[order], scene


def _interaction(rng: np.random.Generator, rows: Float, columns: Float) -> Float:
    """A random table [row, column] with mean 0 in every row and column, variance `SCENE_GENRE`."""
    table = rng.standard_normal((len(rows), len(columns)))
    table -= rows @ table
    table -= (table @ columns)[:, None]
    deviation = float(np.sqrt(rows @ table**2 @ columns))
    return table * (np.sqrt(SCENE_GENRE) / deviation if deviation > 1e-12 else 0.0)


def _outcomes(
    rng: np.random.Generator, logit: Float, flipped: float
) -> tuple[dict[str, Array], Float]:
    """Draw the labels; also the probability of the first one, flips included."""
    finish_probability = _sigmoid(logit)
    finish = rng.random(len(logit)) < finish_probability
    finish ^= rng.random(len(logit)) < flipped
    like = finish & (rng.random(len(logit)) < _sigmoid(logit + LIKE_BIAS))
    comment = finish & (rng.random(len(logit)) < _sigmoid(logit + COMMENT_BIAS))
    labels: dict[str, Array] = {
        "finish": finish.astype(np.uint8),
        "like": like.astype(np.uint8),
        "comment": comment.astype(np.uint8),
    }
    return labels, flipped + (1 - 2 * flipped) * finish_probability


def _sigmoid(logit: Float) -> Float:
    return 1 / (1 + np.exp(-logit))
