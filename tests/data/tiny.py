"""A data set small enough to check by hand."""

from __future__ import annotations

import numpy as np

from workbench.data.raw import Ragged, RawData
from workbench.schema import Feature, Kind, Schema, Side, StateCount

SCHEMA = Schema(
    features=(
        Feature(name="user", side=Side.USER, is_id=True),
        Feature(name="item", side=Side.ITEM, is_id=True),
        Feature(name="tags", side=Side.ITEM, kind=Kind.MULTI, max_length=2),
        Feature(name="length", side=Side.ITEM, kind=Kind.NUMERIC, buckets=2),
        Feature(name="place", side=Side.CONTEXT),
        Feature(name="history", side=Side.CONTEXT, kind=Kind.SEQUENCE, max_length=2, shares="item"),
    ),
    labels=("finish", "like"),
    user="user",
    item="item",
    has_time=True,
    counts=(
        StateCount(feature="user"),
        StateCount(feature="user", event="finish"),
        StateCount(feature="item", event="like"),
    ),
)


def lists(*values: list[str]) -> Ragged:
    """Lists end to end."""
    flat = [value for one in values for value in one]
    return Ragged(
        values=np.array(flat, dtype=object),
        offsets=np.cumsum([0, *(len(one) for one in values)]),
    )


def tiny_raw() -> RawData:
    """Ten samples of three users (a fourth has none) and four items, in the order of time.

    The splits `SPLITS` train on rows 0 to 5, so user 12, item 23 and place "bus" are unseen.
    """
    return RawData(
        name="tiny",
        schema=SCHEMA,
        user_index=np.array([0, 0, 1, 0, 1, 0, 2, 0, 1, 2]),
        item_index=np.array([0, 1, 0, 2, 1, 0, 3, 1, 2, 0]),
        users={"user": np.array([10, 11, 12, 13])},
        items={
            "item": np.array([20, 21, 22, 23]),
            "tags": lists(["b", "a"], [], ["c", "a", "b"], ["d", "a"]),
            "length": np.array([1.0, 2.0, 3.0, np.nan]),
        },
        context={
            "place": np.array(
                ["home", "home", None, "work", "home", "work", "home", "bus", "home", None],
                dtype=object,
            )
        },
        labels={
            "finish": np.array([1, 1, 0, 1, 1, 0, 1, 0, 0, 1], np.uint8),
            "like": np.array([1, 0, 0, 1, 0, 0, 1, 0, 0, 0], np.uint8),
        },
        time=np.array([1, 2, 2, 3, 4, 4, 5, 6, 7, 8]),
        default_counts=("user:impression",),
        dropped={"broken": 3},
        notes={"made": "by hand"},
    )


SPLITS = {"train": np.arange(6), "valid": np.array([6, 7]), "test": np.array([8, 9])}
