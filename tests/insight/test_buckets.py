"""Activity buckets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workbench.errors import InputError
from workbench.insight.buckets import ACTIVITY_EDGES, FINE_EDGES, assign, bucket_labels


def test_labels_and_places_by_hand() -> None:
    activity = [0, 1, 2, 3, 9, 10, 29, 30, 99, 100, 299, 300, 999, 1000, 10**12]
    index, labels = assign(activity)
    assert labels == ("0", "1-2", "3-9", "10-29", "30-99", "100-299", "300-999", "1000+")
    assert index.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]


def test_single_values_and_empty_input() -> None:
    assert bucket_labels((0, 1, 2, 5)) == ("0", "1", "2-4", "5+")
    assert assign([])[0].tolist() == []
    assert assign(np.zeros((2, 3), np.int32))[0].shape == (2, 3)


@pytest.mark.parametrize("edges", [ACTIVITY_EDGES, FINE_EDGES])
def test_every_activity_has_one_bucket(edges: tuple[int, ...]) -> None:
    assert edges[0] == 0
    assert all(low < high for low, high in pairwise(edges))
    activity = np.unique(np.concatenate([np.asarray(edges) + step for step in (0, 1)]))
    index, labels = assign(activity, edges)
    assert len(labels) == len(edges)
    for value, place in zip(activity, index, strict=True):
        assert edges[place] <= value
        assert place + 1 == len(edges) or value < edges[place + 1]


def test_the_fine_grid_has_the_known_steps() -> None:
    assert FINE_EDGES[:18] == (
        *(0, 1, 2, 3, 5, 10, 17, 30, 56, 100, 178, 316, 562),
        *(1000, 1778, 3162, 5623, 10000),
    )
    assert FINE_EDGES[-1] == 10**9


def test_a_negative_activity_is_refused() -> None:
    with pytest.raises(InputError, match="activity -3: must be 0 or more"):
        assign([4, -3])
