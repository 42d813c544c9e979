from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.splits import (
    SPLITS,
    check_classes,
    held_out_split,
    random_split,
    time_split,
    truncate_history,
)
from workbench.errors import InputError

RATIOS = (0.6, 0.2, 0.2)


def _assert_partition(splits: dict[str, np.ndarray], rows: int) -> None:
    assert tuple(splits) == SPLITS
    assert all(np.all(np.diff(index) > 0) for index in splits.values())
    together = np.sort(np.concatenate(list(splits.values())))
    assert together.tolist() == list(range(rows))


def test_random_split_has_the_ratios_and_follows_the_seed() -> None:
    splits = random_split(1000, RATIOS, seed=3)
    _assert_partition(splits, 1000)
    assert [len(splits[name]) for name in SPLITS] == [600, 200, 200]
    again, other = random_split(1000, RATIOS, seed=3), random_split(1000, RATIOS, seed=4)
    assert np.array_equal(splits["test"], again["test"])
    assert not np.array_equal(splits["test"], other["test"])


def test_random_split_is_spread_over_all_rows() -> None:
    test = random_split(10_000, RATIOS, seed=0)["test"]
    # Mean of 2,000 uniform rows: 5,000 with a standard error of 58.
    assert abs(test.mean() - 5_000) < 300


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_empty_random_split_is_refused(rows: int) -> None:
    with pytest.raises(InputError, match=rf"(train|valid|test) split is empty .* of {rows} rows"):
        random_split(rows, RATIOS, seed=0)


def test_time_split_by_hand() -> None:
    time = np.array([9, 1, 2, 3, 4, 5, 6, 7, 8, 10])
    splits = time_split(time, RATIOS)
    assert {name: time[index].tolist() for name, index in splits.items()} == {
        "train": [1, 2, 3, 4, 5, 6],
        "valid": [7, 8],
        "test": [9, 10],
    }


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_equal_times_stay_together_and_later_splits_are_later(times: list[int]) -> None:
    time, ordered, rows = np.array(times), sorted(times), len(times)
    begins = [ordered[min(at, rows - 1)] for at in (0, round(0.6 * rows), round(0.8 * rows))]
    if round(0.8 * rows) == rows or len(set(begins)) < 3:
        # Two splits would begin at one moment, or no row is left for the last.
        with pytest.raises(InputError, match="split is empty"):
            time_split(time, RATIOS)
        return
    splits = time_split(time, RATIOS)
    _assert_partition(splits, len(time))
    assert time[splits["train"]].max() < time[splits["valid"]].min()
    assert time[splits["valid"]].max() < time[splits["test"]].min()


def test_empty_time_split_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"train split is empty .* 10 rows at 1 moments"):
        time_split(np.full(10, 5), RATIOS)
    with pytest.raises(InputError, match="valid split is empty"):
        time_split(np.array([1, 2, 3, 3, 3, 3]), RATIOS)


def test_held_out_split_shares_no_key() -> None:
    keys = np.random.default_rng(0).integers(0, 50, 2_000)
    splits = held_out_split(keys, RATIOS, seed=1)
    _assert_partition(splits, 2_000)
    owned = [set(keys[index].tolist()) for index in splits.values()]
    assert [len(one) for one in owned] == [30, 10, 10]
    assert not owned[0] & owned[1]
    assert not owned[0] & owned[2]
    assert not owned[1] & owned[2]


def test_held_out_split_needs_enough_keys() -> None:
    with pytest.raises(InputError, match="of 2 keys"):
        held_out_split(np.array([1, 2, 1, 2]), RATIOS, seed=0)


def test_truncated_history_keeps_the_newest() -> None:
    keys = np.array([5, 5, 5, 7, 7, 5])
    time = np.array([3, 9, 1, 4, 2, 8])
    train = np.array([0, 1, 2, 3, 4])
    assert truncate_history(train, keys, 2, time=time).tolist() == [0, 1, 3, 4]
    assert truncate_history(train, keys, 1, time=time).tolist() == [1, 3]
    assert truncate_history(train, keys, 0, time=time).tolist() == []


def test_truncated_history_draws_by_seed() -> None:
    keys = np.repeat(np.arange(20), 50)
    train = np.arange(1000)
    first = truncate_history(train, keys, 5, seed=1)
    assert np.bincount(keys[first]).tolist() == [5] * 20
    assert np.array_equal(first, truncate_history(train, keys, 5, seed=1))
    assert not np.array_equal(first, truncate_history(train, keys, 5, seed=2))
    assert np.array_equal(truncate_history(train, keys, 50, seed=1), train)


def test_negative_keep_is_refused() -> None:
    with pytest.raises(InputError, match="keep = -1"):
        truncate_history(np.arange(3), np.zeros(3, int), -1)


@pytest.mark.parametrize(("value", "split"), [(0, "valid"), (1, "test")])
def test_one_class_is_refused_by_split_and_label(value: int, split: str) -> None:
    label = np.array([0, 1, 0, 1, 0, 1])
    splits = {"train": np.array([0, 1]), "valid": np.array([2, 3]), "test": np.array([4, 5])}
    check_classes(label, "finish", splits)
    label[splits[split]] = value
    with pytest.raises(InputError, match=f"{split} split: all 2 rows have finish = {value}"):
        check_classes(label, "finish", splits)
