"""Who is in a data set: users and items by code, raw key and activity, with their values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.vocabulary import Vocabulary
from workbench.errors import InputError
from workbench.schema import FeatureSlot, Side

UNSEEN = "unseen"
"""Stands for every value that training did not have; its row is `[MASK]_i`."""
ORDERS = ("active", "newest", "middle")
SPLITS = ("test", "valid", "train")


def user_table(dataset: Dataset) -> pd.DataFrame:
    """Every user of the data set.

    Returns:
        One row per user: `user` (index into ``Dataset.user_rows``), `code` (of the user ID; 0 for
        one without a training sample), `key` (raw value, "unseen" for code 0), `activity`
        (training samples), `test_rows`.
    """
    codes = _codes(dataset, dataset.schema.user, Side.USER)
    test = dataset.users.index_select(0, dataset.splits["test"])
    return pd.DataFrame(
        {
            "user": np.arange(len(codes)),
            "code": codes.numpy(),
            "key": _keys(dataset, dataset.schema.user, codes),
            "activity": dataset.activity().cpu().numpy(),
            "test_rows": torch.bincount(test.long(), minlength=len(codes)).cpu().numpy(),
        }
    )


def item_table(dataset: Dataset) -> pd.DataFrame:
    """Every item: `item`, `code`, `key`, `popularity` (training samples), as in `user_table`."""
    codes = _codes(dataset, dataset.schema.item, Side.ITEM)
    return pd.DataFrame(
        {
            "item": np.arange(len(codes)),
            "code": codes.numpy(),
            "key": _keys(dataset, dataset.schema.item, codes),
            "popularity": dataset.popularity().cpu().numpy(),
        }
    )


def find_users(
    table: pd.DataFrame,
    *,
    order: str = "active",
    low: float = 0.0,
    high: float = float("inf"),
    key: str = "",
    limit: int = 50,
) -> pd.DataFrame:
    """Users that fit, best first.

    Args:
        table: from `user_table`.
        order: "active" for the most training samples first, "newest" for the fewest, "middle" for
            those nearest to the median of the users that fit (on a log scale).
        low, high: activity from `low` up to, not including, `high`.
        key: the raw key starts with this text; an exact match comes first.
        limit: at most this many.

    Returns:
        Rows of `table` with at least one test sample, those with more of them first among equals.

    Raises:
        InputError: an unknown order.
    """
    if order not in ORDERS:
        raise InputError(f"order '{order}': allowed: {', '.join(ORDERS)}")
    fits = (table["activity"] >= low) & (table["activity"] < high) & (table["test_rows"] > 0)
    if key:
        fits &= table["key"].str.startswith(key)
    found = table[fits]
    activity = found["activity"].to_numpy(np.float64)
    if order == "middle" and len(found):
        distance = np.abs(np.log1p(activity) - np.median(np.log1p(activity)))
    else:
        distance = -activity if order == "active" else activity
    exact = (found["key"] != key).to_numpy()
    places = np.lexsort((-found["test_rows"].to_numpy(), distance, exact))
    return found.iloc[places[:limit]].reset_index(drop=True)


def typical_user(table: pd.DataFrame) -> int:
    """A user to begin with: of those with a few test samples, the one nearest to 10 training ones.

    Raises:
        InputError: no user has a test sample.
    """
    several = table[table["test_rows"] >= 3]
    found = several if len(several) else table[table["test_rows"] > 0]
    if found.empty:
        raise InputError("no user has a test sample")
    distance = np.abs(np.log1p(found["activity"].to_numpy()) - np.log1p(10))
    return int(found["user"].iloc[int(distance.argmin())])


def user_of_code(table: pd.DataFrame, code: int) -> int | None:
    """The user with this code of the user ID; the most active one where hashing lets several share
    it; None where nobody has it, and for 0, which all unseen users have."""
    found = table[(table["code"] == code) & (table["code"] > 0)]
    if found.empty:
        return None
    return int(found.sort_values("activity", ascending=False, kind="stable")["user"].iloc[0])


def samples_of(dataset: Dataset, user: int) -> pd.DataFrame:
    """The samples of a user: test, then validation, then training, each in stored order.

    Returns:
        `sample`, `split`, `item`, `label`.
    """
    frames = []
    for split in SPLITS:
        index = dataset.splits[split]
        own = index[dataset.users.index_select(0, index) == user]
        frames.append(
            pd.DataFrame(
                {
                    "sample": own.cpu().numpy(),
                    "split": split,
                    "item": dataset.items.index_select(0, own).long().cpu().numpy(),
                    "label": dataset.labels[:, 0].index_select(0, own).cpu().numpy(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def describe(dataset: Dataset, rows: Tensor, side: Side | None = None) -> dict[str, str]:
    """The values of a sample's features in words.

    Args:
        dataset: with its vocabularies.
        rows: [width] table rows of one sample, all sides.
        side: only the features of this side; None: all.

    Returns:
        Feature -> raw value; values of a list joined by commas; "unseen" where none is known.
    """
    return {
        slot.name: _text(dataset, slot, rows[slot.start : slot.stop])
        for slot in dataset.layout.slots
        if side is None or slot.side is side
    }


def vocabulary_of(dataset: Dataset, feature: str) -> Vocabulary:
    """The vocabulary that a feature looks its values up in: its own, or the one it shares."""
    return dataset.vocabularies[dataset.schema[feature].shares or feature]


def _text(dataset: Dataset, slot: FeatureSlot, rows: Tensor) -> str:
    values = vocabulary_of(dataset, slot.name).values
    codes = [int(row) - slot.offset for row in rows if int(row) not in (0, slot.mask_row)]
    return ", ".join(str(values[code - 1]) for code in codes) or UNSEEN


def _codes(dataset: Dataset, feature: str, side: Side) -> Tensor:
    """Codes [entity] of a single-valued feature of users or items; 0 is unseen."""
    slot = dataset.layout[feature]
    rows = dataset.user_rows if side is Side.USER else dataset.item_rows
    before = 0 if side is Side.USER else dataset.user_rows.shape[1]
    column = rows[:, slot.start - before].long().cpu()
    return (column - slot.offset).masked_fill(column == slot.mask_row, 0)


def _keys(dataset: Dataset, feature: str, codes: Tensor) -> list[str]:
    names = [UNSEEN, *(str(value) for value in vocabulary_of(dataset, feature).values)]
    return [names[code] for code in codes.tolist()]
