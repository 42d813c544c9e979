from __future__ import annotations

import numpy as np

from tests.data.tiny import SPLITS, tiny_raw
from workbench.config import DataConfig
from workbench.data.card import ACTIVITY_EDGES, activity_buckets, head_share, tail_of
from workbench.data.encode import build_dataset
from workbench.insight import buckets


def test_head_share_by_hand() -> None:
    # The top 5% of 40 users are two: 30 + 20 of 88 samples.
    assert head_share(np.array([30, 20, *[1] * 38])) == 50 / 88
    # Rounded up to a whole user; 0.05 * 60 is 3 and not 4, whatever floats make of it.
    assert head_share(np.array([7, 3])) == 0.7
    assert head_share(np.ones(60)) == 3 / 60


def test_label_rate_by_activity_by_hand() -> None:
    # Four users with 0, 2, 2 and 1,000 training samples.
    records = activity_buckets(
        np.array([0, 2, 2, 1000]),
        np.array([0, 1, 2, 10]),
        np.array([5, 1, 1, 0]),
        np.array([1, 0, 1, 0]),
    )
    assert records == [
        {
            "activity": "0", "users": 1, "train_rows": 0, "train_label_rate": None,
            "test_rows": 5, "test_label_rate": 0.2,
        },
        {
            "activity": "1-2", "users": 2, "train_rows": 4, "train_label_rate": 0.75,
            "test_rows": 2, "test_label_rate": 0.5,
        },
        {
            "activity": "1000+", "users": 1, "train_rows": 1000, "train_label_rate": 0.01,
            "test_rows": 0, "test_label_rate": None,
        },
    ]  # fmt: skip


def test_buckets_are_those_of_the_views() -> None:
    assert ACTIVITY_EDGES == buckets.ACTIVITY_EDGES
    assert [r["activity"] for r in activity_buckets(*[np.array(ACTIVITY_EDGES)] * 4)] == list(
        buckets.bucket_labels()
    )


def test_the_card_of_any_source_tells_activity_and_gaps() -> None:
    dataset = build_dataset(tiny_raw(), DataConfig(source="tiny"), SPLITS)
    by_activity = dataset.card["label_rate_by_activity"]
    assert sum(record["users"] for record in by_activity) == dataset.card["users"]
    assert sum(record["train_rows"] for record in by_activity) == 6
    assert sum(record["test_rows"] for record in by_activity) == 2
    assert all(count > 0 for count in dataset.card["missing"].values())


def test_the_tail_of_every_feature_with_one_value_by_hand() -> None:
    tail = build_dataset(tiny_raw(), DataConfig(source="tiny"), SPLITS).card["tail"]
    assert set(tail) == {"user", "item", "place"}
    # Users 10 and 11 have four and two training rows; of the two test rows one is of user 12.
    assert tail["user"] == {
        "values": 2,
        "top_share": round(4 / 6, 6),
        "rare_share": 1.0,
        "unseen_test_share": 0.5,
    }
    # "home" three times and "work" twice; the last test row has no place.
    assert tail["place"]["top_share"] == 0.6
    assert tail["place"]["unseen_test_share"] == 0.5


def test_values_become_common_at_ten_rows() -> None:
    assert tail_of(np.array([9, 10, 11, 0]), None) == {
        "values": 4,
        "top_share": round(11 / 30, 6),
        "rare_share": 0.3,
    }
    assert tail_of(np.array([0]), 1.0) == {
        "values": 1,
        "top_share": None,
        "rare_share": None,
        "unseen_test_share": 1.0,
    }
