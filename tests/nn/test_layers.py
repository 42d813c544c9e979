"""Linear layers, towers, and batch norm that leaves its running statistics."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from workbench.nn.layers import Product, linear, relu_tower, running_statistics_kept


def test_linear_is_xavier_normal_with_zero_bias() -> None:
    torch.manual_seed(0)
    layer = linear(300, 500)
    assert (layer.bias == 0).all()
    weight = layer.weight.detach()
    # Standard deviation sqrt(2 / (300 + 500)) = 0.05; that of 150,000 draws is known to 0.2%.
    assert weight.std().item() == pytest.approx(0.05, rel=0.01)
    assert weight.mean().item() == pytest.approx(0.0, abs=4 * 0.05 / 150_000**0.5)
    assert weight.abs().max() > 0.15  # a uniform start would end at sqrt(3) * 0.05 = 0.087


@pytest.mark.parametrize(
    ("hidden", "dropout", "kinds"),
    [
        ((), 0.5, []),
        ((4,), 0.0, [nn.Linear, nn.ReLU]),
        ((4, 2), 0.5, [nn.Linear, nn.ReLU, nn.Dropout] * 2),
    ],
)
def test_relu_tower_layers(hidden: tuple[int, ...], dropout: float, kinds: list[type]) -> None:
    tower = relu_tower(3, hidden, dropout)
    assert len(tower) == len(kinds)
    assert all(isinstance(layer, kind) for layer, kind in zip(tower, kinds, strict=True))
    assert tower(torch.randn(5, 3)).shape == (5, *((3, *hidden)[-1:]))
    assert all(layer.p == dropout for layer in tower if isinstance(layer, nn.Dropout))


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_the_product_that_a_gpu_takes_has_autograds_gradients(rows: int) -> None:
    torch.manual_seed(rows)
    layer = linear(7, 3).double()
    nn.init.normal_(layer.bias)
    x = torch.randn(rows, 7, dtype=torch.float64, requires_grad=True)
    above = torch.randn(rows, 3, dtype=torch.float64)
    inputs = (x, layer.weight, layer.bias)
    ways = [Product.apply(*inputs), nn.functional.linear(*inputs)]
    torch.testing.assert_close(*ways)
    torch.testing.assert_close(*(torch.autograd.grad(way, inputs, above) for way in ways))


def test_the_product_leaves_what_is_not_trained() -> None:
    layer = linear(2, 1).requires_grad_(False)
    x = torch.ones(3, 2, requires_grad=True)
    Product.apply(x, layer.weight, layer.bias).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, layer.weight.expand(3, 2))
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_running_statistics_are_kept_but_the_batch_normalises() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.BatchNorm1d(2)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(50, 2) * 3 + 5
    with running_statistics_kept(network):
        inside = network(x)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    # Normalised by the batch: mean 0 and variance 1, which the running statistics would not give.
    torch.testing.assert_close(inside.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(inside.var(0, correction=0), torch.ones(2), atol=1e-4, rtol=0)
    assert torch.equal(network(x), inside)
    assert not torch.equal(before["0.running_mean"], network[0].running_mean)


def test_running_statistics_serve_in_eval_mode() -> None:
    norm = nn.BatchNorm1d(1).eval()
    norm.running_mean.fill_(2.0)
    with running_statistics_kept(norm):
        assert norm(torch.tensor([[2.0], [3.0]])).tolist() == [[0.0], pytest.approx([1.0], 1e-4)]


def test_running_statistics_return_after_an_error() -> None:
    norms = nn.ModuleList([nn.BatchNorm1d(1), nn.BatchNorm1d(1, track_running_stats=False)])

    def fail() -> None:
        with running_statistics_kept(norms):
            assert [norm.track_running_stats for norm in norms] == [False, False]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [norm.track_running_stats for norm in norms] == [True, False]
