from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.data.tiny import SPLITS, tiny_raw
from workbench.config import DataConfig, PlantedConfig
from workbench.data.dataset import Dataset
from workbench.data.encode import build_dataset
from workbench.data.perturb import PartlyHidden, flip_labels, hash_ids, hide_values
from workbench.data.sources.planted import read_planted
from workbench.data.store import save_dataset
from workbench.errors import InputError

TENSORS = ("user_rows", "item_rows", "context_rows", "users", "items", "labels", "counts")


@pytest.fixture
def dataset() -> Dataset:
    return build_dataset(tiny_raw(), DataConfig(source="tiny"), SPLITS)


@pytest.fixture(scope="module")
def planted() -> Dataset:
    config = DataConfig(planted=PlantedConfig(rows=3_000))
    return build_dataset(read_planted(config.planted), config)


def everything(dataset: Dataset) -> Dataset:
    """A copy of all tensors, to see whether a function writes into its argument."""
    return Dataset(
        **{
            name: value.clone() if isinstance(value, torch.Tensor) else value
            for name, value in vars(dataset).items()
        }
    )


def assert_same(one: Dataset, other: Dataset, leave_out: tuple[str, ...] = ()) -> None:
    for name in set(TENSORS) - set(leave_out):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


# --- labels -------------------------------------------------------------------------------------


def test_all_training_labels_flipped_by_hand(dataset: Dataset) -> None:
    flipped = flip_labels(dataset, 1.0, seed=0)
    # "finish" was 1 1 0 1 1 0 in training; the other two splits and "like" stay.
    assert flipped.labels[:, 0].tolist() == [0, 0, 1, 0, 0, 1, 1, 0, 0, 1]
    assert flipped.labels[:, 1].tolist() == [1, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    assert flipped.labels.dtype == torch.uint8


@pytest.mark.parametrize(("share", "rows"), [(0.0, 0), (0.1, 1), (0.4, 2), (0.5, 3), (1.0, 6)])
def test_exactly_the_rounded_share_is_flipped(dataset: Dataset, share: float, rows: int) -> None:
    changed = flip_labels(dataset, share, seed=5).labels != dataset.labels
    assert changed.sum() == rows
    assert not changed[6:].any()


def test_flipping_again_gives_the_labels_back_and_counts_stay(planted: Dataset) -> None:
    before = everything(planted)
    flipped = flip_labels(planted, 0.3, seed=1, split="test", label="like")
    assert_same(planted, before)
    assert_same(flipped, planted, leave_out=("labels",))  # counts too: what the log said
    different = (flipped.labels != planted.labels).nonzero()
    assert set(different[:, 1].tolist()) == {1}  # "like"
    assert set(different[:, 0].tolist()) <= set(planted.splits["test"].tolist())
    assert len(different) == round(0.3 * len(planted.splits["test"]))
    assert_same(flip_labels(flipped, 0.3, seed=1, split="test", label="like"), planted)


def test_a_larger_share_contains_the_smaller_one(planted: Dataset) -> None:
    small, large, other = (
        flip_labels(planted, share, seed=seed).labels != planted.labels
        for share, seed in ((0.1, 2), (0.3, 2), (0.1, 3))
    )
    assert not (small & ~large).any()
    assert not torch.equal(small, other)


# --- missing values -----------------------------------------------------------------------------


def test_all_values_but_the_keys_hidden_by_hand(dataset: Dataset) -> None:
    hidden = hide_values(dataset, 1.0, seed=0)
    rows = hidden.batch(torch.tensor([8, 9])).rows
    # user, item | tags, tags | length | place | history, history: the mask rows of the layout, and
    # padding where a list has a second place. Row 8 is user 11 with item 22, row 9 user 12 and 20.
    assert rows.tolist() == [
        [3, 7, 8, 0, 12, 15, 18, 0],
        [1, 5, 8, 0, 12, 15, 18, 0],
    ]
    everyone = torch.arange(8)
    assert torch.equal(hidden.batch(everyone).rows, dataset.batch(everyone).rows)


def test_hidden_ids_have_no_code_and_no_counts(dataset: Dataset) -> None:
    hidden = hide_values(dataset, 1.0, seed=0, split="train", features=["item", "place"])
    assert hidden.codes("item").tolist() == [0] * 6 + dataset.codes("item")[6:].tolist()
    assert hidden.codes("place").tolist() == [0] * 6 + dataset.codes("place")[6:].tolist()
    assert torch.equal(hidden.codes("user"), dataset.codes("user"))
    assert hidden.training_counts("item").tolist() == [0, 0, 0, 0]
    # Counts are user, user that finished, item that was liked.
    assert torch.equal(hidden.counts[:, :2], dataset.counts[:, :2])
    assert hidden.counts[:, 2].tolist() == [0.0] * 6 + dataset.counts[6:, 2].tolist()
    assert torch.equal(hidden.activity(), dataset.activity())


def test_every_value_goes_missing_with_the_probability(planted: Dataset) -> None:
    before = everything(planted)
    hidden = hide_values(planted, 0.3, seed=4)
    assert_same(planted, before)
    test = planted.splits["test"]
    shares = hidden.hidden[test].float().mean(0)
    names = planted.layout.names
    assert [name for name, share in zip(names, shares, strict=True) if share == 0] == [
        "user_id",
        "item_id",
    ]
    # 600 rows: a standard error of 0.019. Two features are missing together by chance alone.
    assert (shares[shares > 0] - 0.3).abs().max() < 4 * 0.019
    gender, age = (hidden.hidden[test][:, names.index(name)] for name in ("gender", "age"))
    assert abs((gender & age).float().mean().item() - 0.09) < 4 * 0.012
    hit = hidden.hidden.any(1).nonzero().flatten()
    assert set(hit.tolist()) <= set(test.tolist())


def test_more_is_missing_at_a_larger_share_and_draws_do_not_depend_on_names(
    planted: Dataset,
) -> None:
    small, large = (hide_values(planted, share, seed=2) for share in (0.1, 0.5))
    assert not (small.hidden & ~large.hidden).any()
    one = hide_values(planted, 0.1, seed=2, features=["age"])
    place = planted.layout.names.index("age")
    assert torch.equal(one.hidden[:, place], small.hidden[:, place])
    assert one.hidden.sum() == one.hidden[:, place].sum()


def test_hidden_values_are_not_written_as_if_they_were_there(
    dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="hidden values cannot be written"):
        save_dataset(hide_values(dataset, 0.5, seed=0), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_hiding_twice_hides_both(dataset: Dataset) -> None:
    once = hide_values(dataset, 1.0, seed=0, features=["place"])
    twice = hide_values(once, 1.0, seed=0, features=["length"])
    assert twice.batch(torch.tensor([8])).rows.tolist() == [[3, 7, 11, 9, 12, 15, 6, 0]]
    assert isinstance(flip_labels(twice, 0.5, seed=0), PartlyHidden)
    assert torch.equal(twice.to("cpu").hidden, twice.hidden)


# --- hashed IDs ---------------------------------------------------------------------------------


def test_one_bucket_by_hand(dataset: Dataset) -> None:
    hashed = hash_ids(dataset, 1, seed=0)
    # user 1-2, item 3-4, tags 5-8, length 9-11, place 12-14, history's mask 15.
    assert hashed.layout.rows == 16
    assert hashed.user_rows.tolist() == [[2], [2], [1]]
    assert hashed.item_rows.tolist() == [[4, 7, 6, 10], [4, 5, 0, 11], [4, 8, 6, 11], [3, 6, 0, 9]]
    assert hashed.context_rows[5].tolist() == [14, 4, 4]  # its history follows the item's rows
    assert hashed.context_rows[0].tolist() == [13, 15, 0]
    assert hashed.training_counts("user").tolist() == [0, 6]
    assert hashed.vocabularies["user"].values.tolist() == ["bucket 1"]
    assert_same(hashed, dataset, leave_out=("user_rows", "item_rows", "context_rows"))


def test_a_vocabulary_that_fits_is_left_alone(dataset: Dataset) -> None:
    same = hash_ids(dataset, 3, seed=0)  # two users and three items were seen
    assert same.layout == dataset.layout
    assert same.vocabularies == dataset.vocabularies
    assert_same(same, dataset)


def test_values_are_spread_over_the_buckets_and_stay_together(planted: Dataset) -> None:
    hashed = hash_ids(planted, 8, features=["user_id"], seed=3)
    old, new = planted.codes("user_id"), hashed.codes("user_id")
    assert torch.equal(old == 0, new == 0)
    pairs = set(zip(old.tolist(), new.tolist(), strict=True))
    assert len(pairs) == len(set(old.tolist()))  # each value has one bucket
    assert {bucket for _, bucket in pairs} - {0} == set(range(1, 9))
    for name in ("item_id", "artist_id", "gender", "age", "genre", "duration", "scene"):
        assert torch.equal(hashed.codes(name), planted.codes(name)), name
    together = hash_ids(planted, 8, features=["artist_id", "user_id"], seed=3)
    assert torch.equal(together.codes("user_id"), new)
    assert not torch.equal(hash_ids(planted, 8, seed=4).codes("user_id"), new)


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_shares_outside_0_to_1_are_refused(dataset: Dataset, share: float) -> None:
    for function in (flip_labels, hide_values):
        with pytest.raises(InputError, match=r"share = .*: must be from 0 to 1"):
            function(dataset, share, seed=0)


def test_unknown_names_are_refused(dataset: Dataset) -> None:
    with pytest.raises(InputError, match=r"split = 'dev': must be one of train, valid, test"):
        flip_labels(dataset, 0.1, seed=0, split="dev")
    with pytest.raises(InputError, match=r"label = 'skip': allowed: finish, like"):
        flip_labels(dataset, 0.1, seed=0, label="skip")
    with pytest.raises(InputError, match=r"feature 'mood': must be one of user, item, tags"):
        hide_values(dataset, 0.1, seed=0, features=["mood"])
    with pytest.raises(InputError, match=r"buckets = 0: must be at least 1"):
        hash_ids(dataset, 0, seed=0)
    for name in ("place", "history"):
        with pytest.raises(InputError, match=f"'{name}': only IDs with rows of their own"):
            hash_ids(dataset, 2, features=[name], seed=0)
