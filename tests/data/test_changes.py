"""Data changed on purpose: which rows, labels and IDs, worked out by hand on ten samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.tiny import tiny_raw
from workbench.config import ChangeConfig, DataConfig
from workbench.data.changes import WHOLE, change_dataset, history_groups, shorten_histories
from workbench.data.dataset import Dataset
from workbench.data.encode import build_dataset, split_rows
from workbench.data.registry import load
from workbench.errors import InputError


def by_time(**change: object) -> DataConfig:
    return DataConfig.model_validate({"split": "time", "change": change})


def test_nothing_changes_by_default(small_world: Dataset) -> None:
    assert shorten_histories(tiny_raw(), DataConfig()) is None
    assert change_dataset(small_world, ChangeConfig()) is small_world


def test_labels_of_the_test_rows_are_never_flipped(small_world: Dataset) -> None:
    flipped = change_dataset(small_world, ChangeConfig(flipped=0.25, seed=3))
    for split, share in (("train", 0.25), ("valid", 0.25), ("test", 0.0)):
        rows = small_world.splits[split]
        different = (flipped.labels[rows, 0] != small_world.labels[rows, 0]).sum()
        assert int(different) == round(share * len(rows))


def test_hashing_shrinks_the_table(small_world: Dataset) -> None:
    hashed = change_dataset(small_world, ChangeConfig(id_buckets=5))
    assert len(hashed.vocabularies["user_id"]) == 6
    assert torch.equal(hashed.users, small_world.users)


def test_every_user_cut_keeps_the_newest_rows() -> None:
    # Six training rows by time: user 0 has rows 0, 1, 3 and 5, user 1 has 2 and 4.
    splits = shorten_histories(tiny_raw(), by_time(history=[1], history_share=1.0))
    assert splits is not None
    assert splits["train"].tolist() == [4, 5]
    whole = split_rows(tiny_raw(), by_time())
    assert splits["valid"].tolist() == whole["valid"].tolist()
    assert splits["test"].tolist() == whole["test"].tolist()


def test_users_outside_the_share_keep_their_history() -> None:
    splits = shorten_histories(tiny_raw(), by_time(history=[0], history_share=0.0))
    assert splits is not None
    assert splits["train"].tolist() == split_rows(tiny_raw(), by_time())["train"].tolist()


def test_groups_share_users_evenly_and_do_not_depend_on_how_many_there_are() -> None:
    change = ChangeConfig(history=(0, 1, 5), history_share=0.6, seed=2)
    groups = history_groups(30_000, change)
    share = np.bincount(groups + 1) / len(groups)  # whole, then the three lengths
    np.testing.assert_allclose(share, [0.4, 0.2, 0.2, 0.2], atol=0.01)
    assert history_groups(100, change).tolist() == groups[:100].tolist()
    assert (history_groups(10, ChangeConfig()) == WHOLE).all()


def test_a_cut_user_has_exactly_that_many_training_rows() -> None:
    world = {"rows": 3000}
    config = DataConfig.model_validate({"planted": world, "change": {"history": [0, 2]}})
    dataset = load(config)
    groups = torch.from_numpy(history_groups(dataset.user_rows.shape[0], config.change))
    activity = dataset.activity()
    assert int(activity[groups == 0].sum()) == 0
    assert int(activity[groups == 1].max()) == 2
    assert int(activity[groups == WHOLE].max()) > 50


@pytest.mark.parametrize(("split", "keys"), [("users", "users"), ("items", "items")])
def test_held_out_keys_are_unseen_in_test(split: str, keys: str) -> None:
    dataset = load(DataConfig.model_validate({"planted": {"rows": 3000}, "split": split}))
    index = getattr(dataset, keys).long()
    seen = set(index[dataset.splits["train"]].tolist())
    assert not seen & set(index[dataset.splits["test"]].tolist())
    assert dataset.card["split"]["seed"] == 0


def test_a_prepared_data_set_cannot_have_its_histories_cut(tmp_path: Path) -> None:
    config = DataConfig.model_validate({"source": str(tmp_path), "change": {"history": [1]}})
    with pytest.raises(InputError, match="no histories to cut"):
        load(config)


def test_cutting_everything_away_is_refused() -> None:
    config = by_time(history=[0], history_share=1.0)
    splits = shorten_histories(tiny_raw(), config)
    assert splits is not None
    assert splits["train"].tolist() == []
    with pytest.raises(InputError, match="train split"):
        build_dataset(tiny_raw(), config, splits)
