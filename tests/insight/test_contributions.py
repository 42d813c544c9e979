"""Shapley values, against hand calculations and against all orders written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from tests.insight.small_models import small_dataset, small_model
from workbench.insight.contributions import COUNTS, contributions, sees_counts
from workbench.nn.framework import AdaF2M2

DATASET = small_dataset()


def inputs(model: AdaF2M2, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batch = DATASET.batch(DATASET.splits["test"][:rows])
    with torch.no_grad():
        vectors, masks = model.embedding.with_masks(batch.rows)
    return vectors, batch.counts, masks


@pytest.mark.parametrize("variant", ["base", "mask", "adapter", "full"])
def test_baseline_and_contributions_add_up_to_the_logit(variant: str) -> None:
    model = small_model(variant)
    found = contributions(model, *inputs(model))
    assert found.exact
    assert (found.errors == 0).all()
    with torch.no_grad():
        logit = model(DATASET.batch(DATASET.splits["test"][:2])).double().numpy()
    np.testing.assert_allclose(found.logit, logit, atol=1e-5)
    np.testing.assert_allclose(found.baseline + found.values.sum(1), logit, atol=1e-4)


def test_the_adapters_counts_are_a_player_of_their_own() -> None:
    assert contributions(small_model("full"), *inputs(small_model("full"))).players[-1] == COUNTS
    assert not sees_counts(small_model("base"))
    players = contributions(small_model("base"), *inputs(small_model("base"))).players
    assert tuple(players) == DATASET.layout.names


def test_nothing_known_is_all_masks_and_no_counts() -> None:
    model = small_model("full")
    vectors, counts, masks = inputs(model)
    found = contributions(model, vectors, counts, masks)
    with torch.no_grad():
        nothing = float(model.serve(masks[None], torch.zeros_like(counts[:1])))
    np.testing.assert_allclose(found.baseline, nothing, atol=1e-6)


class Formula(torch.nn.Module):
    """logit = a + 2 b + a c, of the first entries of the first three vectors."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        a, b, c = vectors[:, 0, 0], vectors[:, 1, 0], vectors[:, 2, 0]
        return a + 2 * b + a * c


def with_formula() -> AdaF2M2:
    model = small_model("base")
    copy = AdaF2M2.__new__(AdaF2M2)
    torch.nn.Module.__init__(copy)
    copy.config, copy.embedding, copy.base = model.config, model.embedding, Formula()
    copy.mask = copy.adapter = None
    return copy


def test_sums_go_to_their_feature_and_a_product_is_halved() -> None:
    vectors, counts, masks = inputs(small_model("base"), 1)
    vectors, masks = torch.zeros_like(vectors), torch.zeros_like(masks)
    vectors[0, :3, 0] = torch.tensor([3.0, 5.0, 4.0])
    found = contributions(with_formula(), vectors, counts, masks)
    # a + half of a c = 3 + 6; 2 b = 10; half of a c = 6; the others change nothing.
    np.testing.assert_allclose(found.values[0, :3], [9.0, 10.0, 6.0], atol=1e-5)
    np.testing.assert_allclose(found.values[0, 3:], 0.0, atol=1e-5)


def test_the_exact_values_are_the_mean_over_all_orders() -> None:
    vectors, counts, masks = inputs(small_model("base"), 1)
    model = with_formula()
    found = contributions(model, vectors, counts, masks)
    gains = np.zeros(3)
    orders = list(permutations(range(3)))
    for order in orders:
        shown = masks[None].clone()
        before = float(model.base(shown))
        for player in order:
            shown[0, player] = vectors[0, player]
            after = float(model.base(shown))
            gains[player] += (after - before) / len(orders)
            before = after
    np.testing.assert_allclose(found.values[0, :3], gains, atol=1e-5)


def test_drawn_orders_add_up_too_and_come_near_the_exact_values() -> None:
    model = small_model("full")
    exact = contributions(model, *inputs(model))
    drawn = contributions(model, *inputs(model), exact_players=3, permutations=200)
    assert not drawn.exact
    np.testing.assert_allclose(drawn.baseline, exact.baseline, atol=1e-6)
    np.testing.assert_allclose(drawn.logit, exact.logit, atol=1e-6)
    np.testing.assert_allclose(drawn.values.sum(1), exact.values.sum(1), atol=1e-4)
    distance = np.abs(drawn.values - exact.values)
    # 22 values: none beyond five standard errors.
    assert (distance <= 5 * drawn.errors + 1e-4).all()
    again = contributions(model, *inputs(model), exact_players=3, permutations=200)
    np.testing.assert_array_equal(again.values, drawn.values)
