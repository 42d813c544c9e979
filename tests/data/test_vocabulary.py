from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.vocabulary import QuantileBuckets, Vocabulary
from workbench.errors import InputError


def test_codes_are_sorted_training_values_from_one() -> None:
    vocabulary = Vocabulary.build(np.array([30, 10, 20, 10]))
    assert vocabulary.values.tolist() == [10, 20, 30]
    assert len(vocabulary) == 4
    assert vocabulary.encode(np.array([20, 99, 10, 30])).tolist() == [2, 0, 1, 3]
    assert vocabulary.encode(np.array([20])).dtype == np.int32


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array(["b", None, "a", "z"], dtype=object), [2, 0, 1, 0]),
        (np.array(["b", float("nan"), "a"], dtype=object), [2, 0, 1]),
        (["a", "b"], [1, 2]),
        (np.array([1, 2]), [0, 0]),
        (np.array([], dtype=object), []),
    ],
)
def test_text_with_missing_values(values: object, expected: list[int]) -> None:
    vocabulary = Vocabulary.build(np.array(["b", "a", None, "b"], dtype=object))
    assert vocabulary.encode(values).tolist() == expected  # type: ignore[arg-type]


def test_whole_floats_are_integers_with_gaps() -> None:
    vocabulary = Vocabulary.build(np.array([3.0, np.nan, 1.0]))
    assert vocabulary.values.dtype == np.int64
    assert vocabulary.encode(np.array([1.0, 3.0, np.nan, 2.5, np.inf])).tolist() == [1, 2, 0, 0, 0]
    assert vocabulary.encode(np.array([1, 2, 3])).tolist() == [1, 0, 2]


def test_fractions_stay_floats() -> None:
    vocabulary = Vocabulary.build(np.array([0.5, 2.0]))
    assert vocabulary.encode(np.array([2.0, 0.5, 0.25])).tolist() == [2, 1, 0]
    assert vocabulary.encode(np.array([2, 1])).tolist() == [2, 0]


def test_large_ids_do_not_collide() -> None:
    # As float32 (and the last pair as float64) these would be equal.
    ids = [2**24, 2**24 + 1, 2**60, 2**60 + 1]
    vocabulary = Vocabulary.build(np.array(ids))
    assert vocabulary.encode(np.array(ids)).tolist() == [1, 2, 3, 4]
    with_gap = np.array([2**60 + 1, None], dtype=object)
    assert vocabulary.encode(with_gap).tolist() == [4, 0]


def test_min_count_counts_weighted_rows() -> None:
    values = np.array(["a", "b", "c", "b"], dtype=object)
    assert Vocabulary.build(values, min_count=2).values.tolist() == ["b"]
    weights = np.array([3, 1, 0, 0])
    assert Vocabulary.build(values, weights=weights).values.tolist() == ["a", "b"]
    assert Vocabulary.build(values, min_count=2, weights=weights).values.tolist() == ["a"]


def test_nothing_seen() -> None:
    vocabulary = Vocabulary.build(np.array([None, None], dtype=object))
    assert len(vocabulary) == 1
    assert vocabulary.encode(np.array(["a", None], dtype=object)).tolist() == [0, 0]


def test_mixed_types_are_refused() -> None:
    with pytest.raises(InputError, match="all numbers or all text"):
        Vocabulary.build(np.array([1, "a"], dtype=object))


@given(st.lists(st.one_of(st.integers(-(2**62), 2**62), st.none()), max_size=30))
def test_every_training_value_decodes_to_itself(values: list[int | None]) -> None:
    vocabulary = Vocabulary.build(np.array(values, dtype=object))
    codes = vocabulary.encode(np.array(values, dtype=object))
    decoded = [None if code == 0 else int(vocabulary.values[code - 1]) for code in codes]
    assert decoded == values


def test_buckets_by_hand() -> None:
    # Eight training rows 1..8 in four buckets: cuts after every second value.
    buckets = QuantileBuckets.at_quantiles(np.arange(1, 9), buckets=4)
    assert buckets.bounds.tolist() == [1, 2, 4, 6, 8]
    assert len(buckets) == 5
    numbers = np.array([-5.0, 1, 2, 2.5, 4, 6.1, 8, 900, np.nan, np.inf, -np.inf])
    assert buckets.encode(numbers).tolist() == [1, 1, 1, 2, 2, 4, 4, 4, 0, 4, 1]
    assert buckets.values.tolist() == ["1 to 2", "2 to 4", "4 to 6", "6 to 8"]


def test_equal_cuts_are_merged_and_every_bucket_has_training_rows() -> None:
    numbers = np.array([0.0] * 9 + [5.0])
    buckets = QuantileBuckets.at_quantiles(numbers, buckets=4)
    assert len(buckets) == 3
    assert np.bincount(buckets.encode(numbers)).tolist() == [0, 9, 1]


def test_one_value_and_no_value() -> None:
    one = QuantileBuckets.at_quantiles(np.array([7.0, 7.0]), buckets=4)
    assert one.encode(np.array([7.0, 1.0, np.nan])).tolist() == [1, 1, 0]
    none = QuantileBuckets.at_quantiles(np.array([np.nan]), buckets=4)
    assert len(none) == 1
    assert none.encode(np.array([7.0, np.nan])).tolist() == [0, 0]


@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 5)), min_size=1, max_size=40),
    st.integers(2, 8),
)
def test_weighted_cuts_match_repeated_rows(rows: list[tuple[int, int]], parts: int) -> None:
    values = np.array([value for value, _ in rows], np.float64)
    weights = np.array([weight for _, weight in rows])
    buckets = QuantileBuckets.at_quantiles(values, parts, weights)
    repeated = np.sort(np.repeat(values, weights))
    if not len(repeated):
        assert len(buckets) == 1
        return
    # The j-th cut by its definition: the first value with at least j/parts of the rows below it.
    cuts = {float(repeated[-(-j * len(repeated) // parts) - 1]) for j in range(1, parts)} - {
        float(repeated[-1])
    }
    assert buckets.bounds[1:-1].tolist() == sorted(cuts)
    assert np.all(np.bincount(buckets.encode(repeated), minlength=len(buckets))[1:] > 0)


@pytest.mark.parametrize(
    "vocabulary",
    [
        Vocabulary.build(np.array([3, 1])),
        Vocabulary.build(np.array([0.5, 1.0])),
        Vocabulary.build(np.array(["ä", "b", ""], dtype=object)),
        Vocabulary.build(np.array([], dtype=object)),
        QuantileBuckets.at_quantiles(np.array([1.5, 2.0, 9.0]), 3),
        QuantileBuckets.at_quantiles(np.array([]), 3),
    ],
)
def test_round_trip_through_json(vocabulary: Vocabulary) -> None:
    again = Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict())))
    assert type(again) is type(vocabulary)
    assert again == vocabulary
    probe = vocabulary.values if type(vocabulary) is Vocabulary else np.array([0.0, 1.7, 99.0])
    assert again.encode(probe).tolist() == vocabulary.encode(probe).tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "needs the keys"),
        ({"kind": "values"}, "needs the keys"),
        ({"kind": "other", "values": []}, "'other'"),
        ({"kind": "values", "values": [2, 1]}, "ascending"),
        ({"kind": "values", "values": [1, 1]}, "distinct"),
        ({"kind": "values", "values": [1, "a"]}, "list of int"),
        ({"kind": "values", "values": [True]}, "list of int"),
        ({"kind": "values", "values": [[1]]}, "list of int"),
        ({"kind": "values", "values": "ab"}, "list of int"),
        ({"kind": "values", "values": [10**30]}, "list of int"),
        ({"kind": "values", "values": [float("nan")]}, "finite"),
        ({"kind": "quantiles", "bounds": [1.0]}, "bounds"),
        ({"kind": "quantiles", "bounds": [2.0, 1.0]}, "bounds"),
        ({"kind": "quantiles", "bounds": [1.0, float("inf")]}, "bounds"),
        ({"kind": "quantiles", "bounds": ["a", "b"]}, "bounds"),
    ],
)
def test_tampered_json_is_refused(content: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        Vocabulary.from_dict(content, "here")
    assert str(refusal.value).startswith("here: ")
