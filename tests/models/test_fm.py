"""FM against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from workbench.models.base import FeatureLayout
from workbench.models.fm import FM, InOnePass, interactions
from workbench.schema import Side


def test_logit_by_hand() -> None:
    layout = FeatureLayout(("a", "b", "c"), (Side.USER, Side.ITEM, Side.CONTEXT), 3)
    model = FM(layout, FM.Options())
    torch.nn.init.constant_(model.bias, 0.125)
    # Two factors and the first-order weight.
    vectors = torch.tensor([[[1.0, 2.0, 0.5], [3.0, -1.0, 0.25], [0.5, 1.0, -1.0]]])
    # <a, b> = 3 - 2 = 1, <a, c> = 0.5 + 2 = 2.5, <b, c> = 1.5 - 1 = 0.5: 4 in total.
    # First order: 0.5 + 0.25 - 1 = -0.25. 0.125 - 0.25 + 4 = 3.875.
    assert model(vectors).item() == pytest.approx(3.875)


def test_weighting_a_feature_weights_its_first_order_too() -> None:
    layout = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 2)
    model = FM(layout, FM.Options())
    vectors = torch.tensor([[[2.0, 3.0], [5.0, 7.0]]])
    weights = torch.tensor([[[0.5], [0.1]]])
    # 0.5 * 2 * 0.1 * 5 + 0.5 * 3 + 0.1 * 7 = 0.5 + 1.5 + 0.7
    assert model(vectors * weights).item() == pytest.approx(2.7)


@pytest.mark.parametrize("shape", [(0, 2, 3), (1, 3, 2), (256, 8, 17), (37, 20, 33)])
def test_the_gradient_written_out_is_autograds_to_the_bit(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    start, gradient = torch.randn(shape), torch.randn(shape[0])
    results = []
    for way in (interactions, InOnePass.apply):
        vectors = start.clone().requires_grad_()
        logit = sum(way(vectors))
        logit.backward(gradient)
        results.append((logit.detach(), vectors.grad))
    for by_autograd, written_out in zip(*results, strict=True):
        assert torch.equal(by_autograd, written_out)
