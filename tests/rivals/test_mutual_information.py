"""Mutual information against scikit-learn, by hand, and on real columns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from workbench.data.dataset import Dataset
from workbench.rivals.item_views import item_columns
from workbench.rivals.mutual_information import mutual_information, value_codes
from workbench.schema import Side


def by_sklearn(codes: np.ndarray) -> np.ndarray:
    features = range(codes.shape[1])
    return np.array(
        [[mutual_info_score(codes[:, a], codes[:, b]) for b in features] for a in features]
    )


def test_against_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    a = draw.integers(0, 7, 500)
    codes = np.stack([a, a // 2, draw.integers(0, 3, 500), (a + draw.integers(0, 2, 500)) % 5], 1)
    weights = draw.integers(0, 6, 500)  # some items have no training rows
    found = mutual_information(torch.from_numpy(codes), torch.from_numpy(weights))
    expected = by_sklearn(np.repeat(codes, weights, axis=0))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert torch.equal(found, found.t())


def test_by_hand() -> None:
    # A fair coin, its copy, and another coin; then a constant.
    codes = torch.tensor([[0, 1, 0, 4], [0, 1, 1, 4], [1, 0, 0, 4], [1, 0, 1, 4]])
    ln2 = np.log(2)
    expected = [[ln2, ln2, 0, 0], [ln2, ln2, 0, 0], [0, 0, ln2, 0], [0, 0, 0, 0]]
    found = mutual_information(codes, torch.ones(4))
    np.testing.assert_allclose(found, expected, atol=1e-15)
    # Without the last row a and c are dependent: H(1/3) + H(1/3) - log 3.
    entropy = np.log(3) - 2 / 3 * ln2
    found = mutual_information(codes, torch.tensor([1, 1, 1, 0]))
    assert found[0, 2].item() == pytest.approx(2 * entropy - np.log(3))


def test_a_list_is_the_set_of_its_values() -> None:
    columns = torch.tensor([[3, 5, 0], [5, 3, 0], [3, 0, 0], [5, 3, 9]])
    codes = value_codes(columns)
    assert codes[0] == codes[1]
    assert len(codes.unique()) == 3
    assert value_codes(torch.tensor([[4], [2], [4]])).tolist() == [1, 0, 1]


def test_item_features_of_the_planted_world(small_world: Dataset) -> None:
    """From items weighted by popularity, as from the training rows one by one."""
    slots = [slot for slot in small_world.layout.slots if slot.side is Side.ITEM]
    codes = torch.stack(
        [value_codes(small_world.item_rows[:, a:b]) for a, b in item_columns(slots)], dim=1
    )
    found = mutual_information(codes, small_world.popularity())
    rows = small_world.items[small_world.splits["train"]].long()
    np.testing.assert_allclose(found, by_sklearn(codes[rows].numpy()), rtol=1e-9, atol=1e-12)
