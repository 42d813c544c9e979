"""Sides, similarity and vectors of the two-tower model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.errors import InputError
from workbench.models.base import FeatureLayout
from workbench.models.two_tower import TwoTower
from workbench.schema import Side

# The item side stands between the others, so positions matter.
LAYOUT = FeatureLayout(("user", "item", "hour"), (Side.USER, Side.ITEM, Side.CONTEXT), 2)


def model_of(**options: object) -> TwoTower:
    torch.manual_seed(0)
    settings = {"hidden": [32], "output_dim": 3} | options
    model = TwoTower(LAYOUT, TwoTower.check_options("two_tower", settings)).eval()
    torch.nn.init.constant_(model.bias, 0.25)
    return model


def tower_by_numpy(tower: torch.nn.Sequential, x: np.ndarray) -> np.ndarray:
    first, last = tower[0], tower[-1]
    hidden = np.maximum(x @ first.weight.detach().numpy().T + first.bias.detach().numpy(), 0)
    return hidden @ last.weight.detach().numpy().T + last.bias.detach().numpy()


@pytest.mark.parametrize(
    ("similarity", "temperature", "divisor"),
    [
        ("inner_product", None, 1.0),
        ("inner_product", 4.0, 4.0),
        ("cosine", None, 0.1),
        ("cosine", 0.5, 0.5),
    ],
)
def test_logit_by_numpy(similarity: str, temperature: float | None, divisor: float) -> None:
    model = model_of(similarity=similarity, temperature=temperature)
    vectors = torch.randn(5, 3, 2)
    rows = vectors.numpy()
    user = tower_by_numpy(model.user_tower, np.hstack((rows[:, 0], rows[:, 2])))
    item = tower_by_numpy(model.item_tower, rows[:, 1])
    products = (user * item).sum(1)
    if similarity == "cosine":
        products /= np.linalg.norm(user, axis=1) * np.linalg.norm(item, axis=1)
    expected = products / divisor + 0.25
    np.testing.assert_allclose(model(vectors).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_vectors_of_a_side_read_that_side_only() -> None:
    model = model_of()
    vectors = torch.randn(4, 3, 2)
    other_item, other_user, other_hour = vectors.clone(), vectors.clone(), vectors.clone()
    other_item[:, 1] += 1
    other_user[:, 0] += 1
    other_hour[:, 2] += 1
    assert torch.equal(model.user_vector(vectors), model.user_vector(other_item))
    assert torch.equal(model.item_vector(vectors), model.item_vector(other_user))
    assert torch.equal(model.item_vector(vectors), model.item_vector(other_hour))
    assert not torch.equal(model.user_vector(vectors), model.user_vector(other_user))
    assert not torch.equal(model.user_vector(vectors), model.user_vector(other_hour))
    assert not torch.equal(model.item_vector(vectors), model.item_vector(other_item))


def test_inner_product_of_the_vectors_ranks_as_the_logit() -> None:
    """What retrieval indexes: vectors alone give a user's ranking of all items."""
    model = model_of(similarity="cosine")
    user, items = torch.randn(1, 3, 2), torch.randn(20, 3, 2)
    pairs = user.repeat(20, 1, 1)
    pairs[:, 1] = items[:, 1]
    scores = model.item_vector(items) @ model.user_vector(user)[0]
    assert torch.equal(scores.argsort(), model(pairs).argsort())


def test_cosine_vectors_have_length_one_and_a_zero_stays_finite() -> None:
    model = model_of(similarity="cosine")
    lengths = model.user_vector(torch.randn(6, 3, 2)).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(6))
    zero = torch.zeros(2, 3, 2, requires_grad=True)  # all biases start at zero, so the output is 0
    assert model.user_vector(zero).abs().max() == 0
    model(zero).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("sides", "missing"),
    [((Side.USER, Side.CONTEXT), "item"), ((Side.ITEM, Side.ITEM), "user or context")],
)
def test_a_missing_side_is_refused(sides: tuple[Side, ...], missing: str) -> None:
    layout = FeatureLayout(("a", "b"), sides, 2)
    with pytest.raises(InputError, match=f"model two_tower: no feature of side {missing}"):
        TwoTower(layout, TwoTower.Options())
