"""Data that is changed on purpose, as `DataConfig.change` says: noise, hashing, short histories.

Test rows and their labels stay, so scores under different changes compare.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.config import ChangeConfig, DataConfig
from workbench.data.dataset import Dataset
from workbench.data.encode import split_rows
from workbench.data.perturb import flip_labels, hash_ids
from workbench.data.raw import RawData
from workbench.data.splits import Splits, truncate_history
from workbench.data.stream.dataset import StreamedDataset
from workbench.errors import InputError

WHOLE = -1
"""The group of users who keep their history; see `history_groups`."""


def change_dataset(dataset: Dataset, change: ChangeConfig) -> Dataset:
    """Flip labels of training and validation rows, and hash IDs.

    Labels are flipped before a model is chosen as well as while it is trained: a noisy log is
    noisy in both.

    Raises:
        InputError: the data set is streamed, so that its training rows cannot be changed.
    """
    if isinstance(dataset, StreamedDataset) and change != ChangeConfig(seed=change.seed):
        raise InputError(
            f"data.change: the rows of '{dataset.name}' are streamed as they are; allowed: no "
            "change, or data prepared without --stream"
        )
    if change.flipped > 0:
        for split in ("train", "valid"):
            dataset = flip_labels(dataset, change.flipped, seed=change.seed, split=split)
    if change.id_buckets is not None:
        dataset = hash_ids(dataset, change.id_buckets, seed=change.seed)
    return dataset


def shorten_histories(raw: RawData, config: DataConfig) -> Splits | None:
    """The config's split with the training rows that `change.history` leaves, or None for all.

    The newest rows of a user stay where rows have a time, else rows drawn by the change's seed.
    Rows that are cut are in no split; vocabularies and counts then do not know them.
    """
    change = config.change
    if not change.history:
        return None
    splits = split_rows(raw, config)
    users = int(raw.user_index.max()) + 1
    groups = history_groups(users, change)
    train = splits["train"]
    group_of_row = groups[raw.user_index[train]]
    kept = [train[group_of_row == WHOLE]]
    for group, length in enumerate(change.history):
        rows = train[group_of_row == group]
        kept.append(truncate_history(rows, raw.user_index, length, seed=change.seed, time=raw.time))
    return {**splits, "train": np.sort(np.concatenate(kept))}


def history_groups(users: int, change: ChangeConfig) -> NDArray[np.int64]:
    """Which users have their history cut, and to what.

    A user's group depends on the seed and the user's index alone, so the groups of the first
    users are the same however many follow.

    Args:
        users: users of the data set, by their index.
        change: `history`, `history_share` and `seed`.

    Returns:
        [user] position in ``change.history``, or `WHOLE`.
    """
    groups = np.full(users, WHOLE, np.int64)
    if change.history and change.history_share > 0:
        place = np.random.default_rng(change.seed).random(users) / change.history_share
        cut = place < 1
        groups[cut] = (place[cut] * len(change.history)).astype(np.int64)
    return groups
