from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.data.tiny import SPLITS, tiny_raw
from workbench.config import DataConfig, PlantedConfig
from workbench.data.dataset import Dataset
from workbench.data.encode import build_dataset
from workbench.data.sources.planted import read_planted
from workbench.errors import InputError


@pytest.fixture
def dataset() -> Dataset:
    return build_dataset(tiny_raw(), DataConfig(source="tiny"), SPLITS)


def test_vocabularies_hold_training_values_only(dataset: Dataset) -> None:
    values = {name: v.values.tolist() for name, v in dataset.vocabularies.items()}
    assert values == {
        "user": [10, 11],
        "item": [20, 21, 22],
        "tags": ["a", "b", "c"],
        # Lengths of the six training rows: 1, 1, 1, 2, 2, 3; half of them are at most 1.
        "length": ["1 to 1", "1 to 3"],
        "place": ["home", "work"],
    }


def test_table_rows_by_hand(dataset: Dataset) -> None:
    # user 1-3, item 4-7, tags 8-11, length 12-14, place 15-17, history's mask 18; 0 is padding.
    assert dataset.layout.rows == 19
    assert dataset.user_rows.tolist() == [[2], [3], [1]]
    assert dataset.item_rows.tolist() == [
        [5, 10, 9, 13],
        [6, 8, 0, 14],
        [7, 11, 9, 14],
        [4, 9, 0, 12],
    ]
    assert dataset.context_rows[:, 0].tolist() == [16, 16, 15, 17, 16, 17, 16, 15, 16, 15]
    assert dataset.context_rows[:, 1:].tolist() == [
        [18, 0],
        [5, 0],
        [18, 0],
        [6, 5],
        [18, 0],
        [7, 6],
        [18, 0],
        [7, 6],
        [6, 0],
        [18, 0],
    ]


def test_types_are_those_of_the_contract(dataset: Dataset) -> None:
    for name in ("user_rows", "item_rows", "context_rows", "users", "items"):
        assert getattr(dataset, name).dtype == torch.int32, name
    assert dataset.labels.dtype == torch.uint8
    assert dataset.counts.dtype == torch.float32
    assert all(index.dtype == torch.int64 for index in dataset.splits.values())


def test_leave_one_out_counts_by_hand(dataset: Dataset) -> None:
    assert dataset.counts[:, 0].tolist() == [3, 3, 1, 3, 1, 3, 0, 4, 2, 0]
    assert dataset.counts[:, 1].tolist() == [2, 2, 1, 2, 0, 3, 0, 3, 1, 0]
    assert dataset.counts[:, 2].tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 1, 1]


def test_earlier_counts_by_hand() -> None:
    dataset = build_dataset(tiny_raw(), DataConfig(source="tiny", split="time"), SPLITS)
    assert dataset.counts[:, 0].tolist() == [0, 1, 0, 2, 1, 3, 0, 4, 2, 0]
    assert dataset.counts[:, 1].tolist() == [0, 1, 0, 2, 0, 3, 0, 3, 1, 0]
    assert dataset.counts[:, 2].tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 1, 1]


def test_batch_gathers_the_three_sides(dataset: Dataset) -> None:
    batch = dataset.batch(torch.tensor([8, 2]))
    assert batch.rows.tolist() == [[3, 7, 11, 9, 14, 16, 6, 0], [3, 5, 10, 9, 13, 15, 18, 0]]
    assert batch.labels.tolist() == [[0, 0], [0, 0]]
    assert dataset.codes("user").tolist() == [1, 1, 2, 1, 2, 1, 0, 1, 2, 0]
    assert dataset.codes("place").tolist() == [1, 1, 0, 2, 1, 2, 1, 0, 1, 0]
    assert dataset.training_counts("item").tolist() == [0, 3, 2, 1]
    assert dataset.activity().tolist() == [4, 2, 0]


def test_by_time_split_from_the_config() -> None:
    dataset = build_dataset(tiny_raw(), DataConfig(source="tiny", split="time"))
    assert {name: index.tolist() for name, index in dataset.splits.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "valid": [6, 7],
        "test": [8, 9],
    }
    assert dataset.card["split"] == {"protocol": "time", "ratios": [0.6, 0.2, 0.2], "seed": None}


def test_valid_and_test_labels_change_nothing_but_labels() -> None:
    """No feature, count or vocabulary may depend on a label outside training."""
    raw, other = tiny_raw(), tiny_raw()
    for name in other.labels:
        other.labels[name][6:] = 1 - other.labels[name][6:]
    for split in ("random", "time"):
        config = DataConfig(source="tiny", split=split)
        first, second = build_dataset(raw, config, SPLITS), build_dataset(other, config, SPLITS)
        assert torch.equal(first.context_rows, second.context_rows)
        assert torch.equal(first.counts, second.counts)
        assert first.vocabularies == second.vocabularies


def test_min_count_sends_rare_values_to_the_mask_row() -> None:
    raw = tiny_raw()
    features = [
        feature.model_copy(update={"min_count": 2}) if feature.name == "item" else feature
        for feature in raw.schema.features
    ]
    raw.schema = raw.schema.model_copy(update={"features": tuple(features)})
    dataset = build_dataset(raw, DataConfig(source="tiny"), SPLITS)
    assert dataset.vocabularies["item"].values.tolist() == [20, 21]
    assert dataset.item_rows[:, 0].tolist() == [5, 6, 4, 4]
    # Item 22 is no longer known, so neither histories nor counts tell of it.
    assert dataset.context_rows[5, 1:].tolist() == [6, 5]
    assert dataset.counts[8, 2] == 0


def test_split_seed_moves_the_split_only() -> None:
    raw = read_planted(PlantedConfig(rows=1_000))
    first, again = (build_dataset(raw, DataConfig(split_seed=1)) for _ in range(2))
    other = build_dataset(raw, DataConfig(split_seed=2))
    assert torch.equal(first.splits["test"], again.splits["test"])
    assert torch.equal(first.counts, again.counts)
    assert not torch.equal(first.splits["test"], other.splits["test"])
    assert torch.equal(first.labels, other.labels)


def test_time_split_without_time_is_refused() -> None:
    raw = replace(tiny_raw(), time=None)
    with pytest.raises(InputError, match="split = 'time': tiny has no time stamps"):
        build_dataset(raw, DataConfig(source="tiny", split="time"))
    with pytest.raises(InputError, match="history 'history' without a column needs time"):
        build_dataset(raw, DataConfig(source="tiny"), SPLITS)


def test_one_class_is_refused() -> None:
    raw = tiny_raw()
    raw.labels["finish"][:] = 1
    with pytest.raises(InputError, match="all 6 rows have finish = 1"):
        build_dataset(raw, DataConfig(source="tiny"), SPLITS)


def test_card_by_hand(dataset: Dataset) -> None:
    # What the card says of labels by activity, of gaps and tails is checked in test_card.py.
    elsewhere = ("label_rate_by_activity", "missing", "tail")
    card = {key: value for key, value in dataset.card.items() if key not in elsewhere}
    assert card == {
        "source": "tiny",
        "rows_read": 13,
        "dropped": {"broken": 3},
        "rows": 10,
        "rows_per_split": {"train": 6, "valid": 2, "test": 2},
        "users": 3,
        "items": 4,
        "label_rates": {"finish": 0.6, "like": 0.3},
        "vocabulary_sizes": {"user": 3, "item": 4, "tags": 4, "length": 3, "place": 3},
        # 5% of three users, and of four items, is one: 5 and 4 of the ten samples.
        "top_user_share": 0.5,
        "top_item_share": 0.4,
        "split": {"protocol": "random", "ratios": [0.6, 0.2, 0.2], "seed": 0},
        "counts": ["user:impression", "user:finish", "item:like"],
        "default_counts": ["user:impression"],
        "notes": {"made": "by hand"},
    }
