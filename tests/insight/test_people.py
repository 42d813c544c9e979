"""Users and items by code, key and activity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.insight.small_models import active_user, new_user, small_dataset
from workbench.errors import InputError
from workbench.insight import people
from workbench.schema import Side

TABLE = pd.DataFrame(
    {
        "user": [0, 1, 2, 3, 4],
        "code": [1, 2, 0, 3, 4],
        "key": ["a1", "a", "unseen", "b", "c"],
        "activity": [5, 40, 0, 5, 100],
        "test_rows": [1, 2, 3, 4, 0],
    }
)


def test_user_table_counts_training_and_test_samples() -> None:
    dataset = small_dataset()
    table = people.user_table(dataset)
    users = dataset.users.numpy()
    for split, column in (("train", "activity"), ("test", "test_rows")):
        counted = np.bincount(users[dataset.splits[split].numpy()], minlength=len(table))
        assert table[column].tolist() == counted.tolist()
    # A user without a training sample has no code and no key.
    assert ((table["activity"] == 0) == (table["code"] == 0)).all()
    assert set(table.loc[table["code"] == 0, "key"]) == {"unseen"}
    known = table[table["code"] > 0]
    codes = dataset.vocabularies["user_id"].encode(known["key"].astype(int).to_numpy())
    assert known["code"].tolist() == codes.tolist()


def test_item_table_counts_training_samples() -> None:
    dataset = small_dataset()
    table = people.item_table(dataset)
    train = dataset.items.numpy()[dataset.splits["train"].numpy()]
    assert table["popularity"].tolist() == np.bincount(train, minlength=len(table)).tolist()


def test_users_are_found_by_order_range_and_key() -> None:
    assert people.find_users(TABLE)["user"].tolist() == [1, 3, 0, 2]
    assert people.find_users(TABLE, order="newest")["user"].tolist() == [2, 3, 0, 1]
    # Median of 0, 5, 5, 40 is 5.
    assert people.find_users(TABLE, order="middle", limit=2)["user"].tolist() == [3, 0]
    assert people.find_users(TABLE, low=5, high=40)["user"].tolist() == [3, 0]
    assert people.find_users(TABLE, key="a")["user"].tolist() == [1, 0]
    assert people.find_users(TABLE, key="c").empty  # nobody without a test sample
    with pytest.raises(InputError, match="order 'oldest': allowed: active, newest, middle"):
        people.find_users(TABLE, order="oldest")


def test_a_typical_user_is_near_ten_training_samples() -> None:
    assert people.typical_user(TABLE) == 3
    assert people.typical_user(TABLE[TABLE["test_rows"] < 3]) == 0
    with pytest.raises(InputError, match="no user has a test sample"):
        people.typical_user(TABLE[TABLE["test_rows"] == 0])


def test_a_code_names_a_user() -> None:
    assert people.user_of_code(TABLE, 3) == 3
    assert people.user_of_code(TABLE, 0) is None
    assert people.user_of_code(TABLE, 99) is None
    shared = TABLE.assign(code=1)
    assert people.user_of_code(shared, 1) == 4  # hashed IDs: the most active one


def test_samples_of_a_user_begin_with_the_test_split() -> None:
    dataset = small_dataset()
    user, sample = active_user(dataset)
    frame = people.samples_of(dataset, user)
    assert sorted(frame["sample"]) == np.flatnonzero(dataset.users.numpy() == user).tolist()
    assert frame["split"].iloc[0] == "test"
    row = frame[frame["sample"] == sample].iloc[0]
    assert row["item"] == int(dataset.items[sample])
    assert row["label"] == int(dataset.labels[sample, 0])


def test_values_are_described_in_words() -> None:
    dataset = small_dataset()
    _, sample = active_user(dataset)
    rows = dataset.batch(dataset.splits["test"][:0].new_tensor([sample])).rows[0]
    said = people.describe(dataset, rows)
    assert tuple(said) == dataset.layout.names
    for name in ("gender", "genre", "scene"):
        code = int(dataset.codes(name)[sample])
        assert dataset.vocabularies[name].encode(np.array([said[name]], object)).tolist() == [code]
    assert list(people.describe(dataset, rows, Side.USER)) == ["user_id", "gender", "age"]
    _, unseen = new_user(dataset)
    rows = dataset.batch(dataset.splits["test"][:0].new_tensor([unseen])).rows[0]
    assert people.describe(dataset, rows)["user_id"] == "unseen"
    assert people.describe(dataset, rows)["history"] == "unseen"
