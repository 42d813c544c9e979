"""Logarithmic neurons by hand, their batch norms by numpy, and AFN+'s two halves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from workbench.models.afn import AFN, BatchNorm, LogarithmicLayer, magnitude
from workbench.models.base import FeatureLayout
from workbench.schema import Side

LAYOUT = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 2)


def layer_without_norms(features: int, neurons: int) -> LogarithmicLayer:
    """In eval mode with mean 0, variance 1 and no epsilon, both norms are the identity."""
    layer = LogarithmicLayer(features, neurons).eval()
    layer.log_norm.eps = layer.cross_norm.eps = 0.0
    return layer


def test_neurons_are_products_of_powers() -> None:
    layer = layer_without_norms(2, 2)
    with torch.no_grad():
        layer.orders.weight.copy_(torch.tensor([[1.0, 2.0], [0.5, -1.0]]))
        layer.orders.bias.copy_(torch.tensor([0.0, math.log(2.0)]))
    crosses = layer(torch.tensor([[[2.0, 0.0], [-4.0, 3.0]]]))
    expected = [
        [2 * 4**2, 1e-4 * 3**2],  # |a| |b|^2; a zero counts as 1e-4
        [2 * math.sqrt(2) / 4, 2 * math.sqrt(1e-4) / 3],  # e^(ln 2) |a|^0.5 / |b|
    ]
    np.testing.assert_allclose(crosses[0].detach().numpy().T, expected, rtol=1e-5)


def test_norms_have_a_channel_per_feature_and_per_neuron() -> None:
    torch.manual_seed(0)
    layer = LogarithmicLayer(3, 4).double()
    torch.nn.init.normal_(layer.orders.bias)
    vectors = torch.randn(5, 3, 2, dtype=torch.float64)

    def normed(x: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        for channel in range(x.shape[1]):
            values = x[:, channel]  # over batch and entries
            out[:, channel] = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
        return out

    z = normed(np.log(np.maximum(np.abs(vectors.numpy()), 1e-4)))
    orders, bias = (t.detach().numpy() for t in (layer.orders.weight, layer.orders.bias))
    crosses = np.empty((5, 4, 2))
    for row in range(5):
        for neuron in range(4):
            for entry in range(2):
                total = sum(orders[neuron, i] * z[row, i, entry] for i in range(3))
                crosses[row, neuron, entry] = math.exp(total + bias[neuron])
    out = layer(vectors).detach().numpy().transpose(0, 2, 1)  # [batch, neuron, dim]
    np.testing.assert_allclose(out, normed(crosses), rtol=1e-9)


def test_magnitude_is_clamped_and_keeps_its_gradient() -> None:
    values = torch.tensor([-2.0, -1e-5, 0.0, 1e-5, 3.0], requires_grad=True)
    clamped = magnitude(values)
    torch.testing.assert_close(clamped, torch.tensor([2.0, 1e-4, 1e-4, 1e-4, 3.0]))
    clamped.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("entries", [1, 3])
def test_one_row_takes_running_statistics(entries: int) -> None:
    norm = BatchNorm(2).train()
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor([1.0, -1.0]))
        norm.running_var.copy_(torch.tensor([4.0, 0.25]))
    norm.eps = 0.0
    x = torch.full((1, entries, 2), 3.0)
    expected = torch.tensor([1.0, 8.0]).expand(1, entries, 2)
    torch.testing.assert_close(norm(x), expected)  # (3 - 1) / 2 and (3 + 1) / 0.5
    assert norm.running_mean.tolist() == [1.0, -1.0]
    assert norm.num_batches_tracked.item() == 0


def test_two_rows_are_normalised_by_themselves() -> None:
    norm = BatchNorm(1).train()
    out = norm(torch.tensor([[[1.0]], [[5.0]]]))
    torch.testing.assert_close(out, torch.tensor([[[-1.0]], [[1.0]]]))
    assert norm.num_batches_tracked.item() == 1


def test_afn_plus_adds_the_logit_of_a_deep_tower_on_the_second_half() -> None:
    options = {"neurons": 3, "hidden": [4], "deep_hidden": [5]}
    torch.manual_seed(0)
    plus = AFN(
        FeatureLayout(LAYOUT.names, LAYOUT.sides, 4),
        AFN.check_options("afn", options | {"plus": True}),
    ).eval()
    plain = AFN(LAYOUT, AFN.check_options("afn", options)).eval()
    own = {k: v for k, v in plus.state_dict().items() if not k.startswith("deep.")}
    plain.load_state_dict(own)
    vectors = torch.randn(6, 2, 4)
    first, second = vectors[..., :2], vectors[..., 2:]
    deep = second.flatten(1)
    for layer in plus.deep:
        deep = layer(deep)
    torch.testing.assert_close(plus(vectors), plain(first) + deep.squeeze(1))
