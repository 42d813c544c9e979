"""What holds for every vocabulary, whatever the values: round trips, and row 0."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.vocabulary import QuantileBuckets, Vocabulary

WHOLE = st.lists(st.integers(-(2**62), 2**62), max_size=30)
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=30)
NUMBERS = st.lists(st.floats(-1e9, 1e9), max_size=30)
ANY = st.one_of(WHOLE.map(np.array), TEXTS.map(lambda v: np.array(v, dtype=object)))


def dtyped(values: Any) -> Any:
    """An empty list has no type of its own; codes of whole numbers are meant."""
    return values if len(values) else np.array([], np.int64)


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_every_training_value_comes_back(values: Any) -> None:
    values = dtyped(values)
    vocabulary = Vocabulary.build(values)
    codes = vocabulary.encode(values)
    assert (codes > 0).all()
    assert [vocabulary.values[code - 1] for code in codes] == list(values)
    assert len(vocabulary) == len(set(values.tolist())) + 1


@settings(max_examples=60, deadline=None)
@given(ANY, ANY)
def test_row_0_is_exactly_what_training_has_not_seen(train: Any, served: Any) -> None:
    train, served = dtyped(train), dtyped(served)
    codes = Vocabulary.build(train).encode(served)
    known = set(train.tolist())
    same_kind = train.dtype == served.dtype
    assert [code > 0 for code in codes] == [same_kind and v in known for v in served.tolist()]


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_a_vocabulary_survives_json(values: Any) -> None:
    vocabulary = Vocabulary.build(dtyped(values))
    again = Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict())))
    assert again == vocabulary
    assert again.encode(dtyped(values)).tolist() == vocabulary.encode(dtyped(values)).tolist()


@settings(max_examples=60, deadline=None)
@given(WHOLE.filter(len), st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_does_not_matter_and_rare_values_have_row_0(
    values: list[int], draw: Any, min_count: int
) -> None:
    shuffled = draw.sample(values, len(values))
    vocabulary = Vocabulary.build(np.array(values), min_count)
    assert vocabulary == Vocabulary.build(np.array(shuffled), min_count)
    kept = sorted(v for v in set(values) if values.count(v) >= min_count)
    assert vocabulary.values.tolist() == kept


@settings(max_examples=60, deadline=None)
@given(NUMBERS, st.integers(2, 8), NUMBERS)
def test_buckets_are_ordered_and_cover_every_number(
    train: list[float], buckets: int, served: list[float]
) -> None:
    found = QuantileBuckets.at_quantiles(np.array(train, float), buckets)
    assert len(found) - 1 <= buckets
    codes = found.encode(np.array(sorted(served), float))
    assert (np.diff(codes) >= 0).all()
    if train:
        assert ((codes > 0) & (codes < len(found))).all()
        assert found.encode(np.array([np.nan])).tolist() == [0]
    else:
        assert (codes == 0).all()
    assert Vocabulary.from_dict(json.loads(json.dumps(found.to_dict()))) == found
