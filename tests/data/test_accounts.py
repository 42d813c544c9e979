"""People split into accounts: who has which rows, and who is asked what."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.config import DataConfig
from workbench.data.accounts import Accounts, split_into_accounts
from workbench.data.raw import RawData
from workbench.data.registry import SOURCES
from workbench.data.splits import random_split
from workbench.errors import InputError

CONFIG = DataConfig.model_validate({"planted": {"rows": 5000, "user_tail": 1.0}})
LENGTHS = (0, 1, 3, 6)


@pytest.fixture(scope="module")
def raw() -> RawData:
    return SOURCES["planted"].read(CONFIG)


@pytest.fixture(scope="module")
def world(raw: RawData) -> Accounts:
    return split_into_accounts(raw, CONFIG, share=0.2, lengths=LENGTHS)


def test_every_account_has_its_rows_and_none_twice(world: Accounts, raw: RawData) -> None:
    train = world.dataset.splits["train"].numpy()
    rows = world.row[train]
    assert len(np.unique(rows)) == len(rows)
    original = random_split(len(raw), CONFIG.ratios, CONFIG.split_seed)["train"]
    assert set(rows) <= set(original)
    users = world.dataset.users.numpy()
    for length in LENGTHS:
        asked = np.unique(users[world.length == length])
        counts = np.bincount(users[train], minlength=users.max() + 1)[asked]
        assert (counts == length).all()
        people = np.unique(world.person[world.length == length])
        assert len(asked) == len(people)
    # 0.2 of the people, for each length the same ones.
    everyone = len(np.unique(raw.user_index))
    assert len(people) == round(0.2 * (raw.user_index.max() + 1)) < everyone


def test_others_keep_all_their_rows(world: Accounts, raw: RawData) -> None:
    splits = random_split(len(raw), CONFIG.ratios, CONFIG.split_seed)
    split_people = np.unique(world.person[world.length >= 0])
    for name in ("train", "valid", "test"):
        samples = world.dataset.splits[name].numpy()
        kept = world.row[samples[world.length[samples] < 0]]
        others = splits[name][~np.isin(raw.user_index[splits[name]], split_people)]
        np.testing.assert_array_equal(np.sort(kept), others)


@pytest.mark.parametrize("name", ["valid", "test"])
def test_every_account_is_asked_the_same_rows(world: Accounts, raw: RawData, name: str) -> None:
    samples = world.dataset.splits[f"{name}_accounts"].numpy()
    splits = random_split(len(raw), CONFIG.ratios, CONFIG.split_seed)
    split_people = np.unique(world.person[world.length >= 0])
    rows = splits[name][np.isin(raw.user_index[splits[name]], split_people)]
    for length in LENGTHS:
        own = samples[world.length[samples] == length]
        np.testing.assert_array_equal(world.row[own], rows)
        np.testing.assert_array_equal(world.person[own], raw.user_index[rows])
    once = world.dataset.splits[name].numpy()
    np.testing.assert_array_equal(np.sort(world.row[once]), splits[name])


def test_labels_features_and_counts_follow(world: Accounts, raw: RawData) -> None:
    dataset = world.dataset
    finish = raw.labels[raw.schema.labels[0]]
    np.testing.assert_array_equal(dataset.labels[:, 0], finish[world.row])
    counts = dataset.counts[:, [c.name for c in dataset.schema.counts].index("user_id:impression")]
    asked = dataset.splits["test_accounts"].numpy()
    np.testing.assert_array_equal(counts[asked], world.length[asked])
    assert (dataset.codes("user_id").numpy()[asked] == 0).sum() == (world.length[asked] == 0).sum()
    # A person's accounts share what is known of the person.
    gender = dataset.codes("gender").numpy()
    for person in np.unique(world.person[asked])[:20]:
        assert len(np.unique(gender[world.person == person])) == 1


def test_the_split_seed_draws_them(world: Accounts, raw: RawData) -> None:
    again = split_into_accounts(raw, CONFIG, share=0.2, lengths=LENGTHS)
    np.testing.assert_array_equal(world.person, again.person)
    np.testing.assert_array_equal(world.dataset.users, again.dataset.users)
    other = CONFIG.model_copy(update={"split_seed": 1})
    different = split_into_accounts(raw, other, share=0.2, lengths=LENGTHS)
    assert set(different.person[different.length >= 0]) != set(world.person[world.length >= 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0.0}, r"share = 0\.0"),
        ({"lengths": (1, 1)}, "different numbers"),
        ({"lengths": (-1,)}, "none below 0"),
        ({"lengths": ()}, "different numbers"),
        ({"lengths": (4000,)}, "nobody has the 4000 training rows"),
    ],
)
def test_settings_that_cannot_be_used(raw: RawData, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_into_accounts(raw, CONFIG, **options)
