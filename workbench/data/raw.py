"""What a source hands over: raw values, before vocabularies and splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.schema import Schema

Array = NDArray[Any]


@dataclass(frozen=True)
class Ragged:
    """Lists of different lengths, end to end: list i is ``values[offsets[i]:offsets[i + 1]]``."""

    values: Array
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass
class RawData:
    """A data set as read: one entry per user, per item and per sample.

    Attributes:
        name: for people and run names.
        schema: describes every column below.
        user_index, item_index: [sample] integer, row of the sample's user in `users` and of its
            item in `items`.
        users: feature name -> [user] values, a `Ragged` for list features; the same for `items`
            and, one entry per sample, for `context`.
        labels: label name -> [sample] of 0 and 1.
        time: [sample] integer time stamps of any unit, or None.
        default_split: "random" or "time".
        default_counts: names of the state counts the adapter uses unless told otherwise.
        dropped: reason -> rows left out while reading.
        notes: further facts for the data card.
        truth: planted world only: see `workbench.data.sources.planted`.
    """

    name: str
    schema: Schema
    user_index: NDArray[np.int64]
    item_index: NDArray[np.int64]
    users: dict[str, Array | Ragged]
    items: dict[str, Array | Ragged]
    context: dict[str, Array | Ragged]
    labels: dict[str, Array]
    time: NDArray[np.int64] | None = None
    default_split: str = "random"
    default_counts: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    truth: Truth | None = None

    def __len__(self) -> int:
        return len(self.user_index)


@dataclass(frozen=True)
class Truth:
    """What only the planted world knows.

    Attributes:
        probability: [sample] true probability of the first label, flips included.
        importance: columns feature, activity, importance: the planted share of each feature's
            usable evidence for a user with that many training interactions.
    """

    probability: NDArray[np.float32]
    importance: pd.DataFrame
