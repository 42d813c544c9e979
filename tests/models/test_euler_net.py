"""The Euler interaction layer against complex arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.models.base import FeatureLayout
from workbench.models.euler_net import EulerInteraction, EulerNet, EulerNetOptions
from workbench.schema import Side


def layer_of(inputs: int, outputs: int, dim: int, **options: float) -> EulerInteraction:
    torch.manual_seed(0)
    return EulerInteraction(inputs, outputs, dim, EulerNetOptions(**options)).double()


def without(layer: EulerInteraction, *names: str) -> EulerInteraction:
    for name in names:
        torch.nn.init.zeros_(layer.get_parameter(name))
    return layer


def complex_rows(batch: int, features: int, dim: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    shape = (batch, features, dim)
    return generator.normal(size=shape) + 1j * generator.normal(size=shape)


def test_cross_of_two_numbers_by_hand() -> None:
    layer = without(layer_of(2, 1, 1), "log_modulus_bias", "phase_bias", "implicit.weight")
    torch.nn.init.ones_(layer.orders)
    # i * 2 = 2i
    real, imaginary = layer(
        torch.tensor([[[0.0], [2.0]]]).double(), torch.tensor([[[1.0], [0.0]]]).double()
    )
    assert real.item() == pytest.approx(0.0, abs=1e-7)
    assert imaginary.item() == pytest.approx(2.0)


def test_explicit_part_is_a_product_of_complex_powers() -> None:
    layer = without(layer_of(3, 2, 4), "implicit.weight")
    torch.nn.init.normal_(layer.orders)
    orders = layer.orders.detach().numpy()
    bias = layer.log_modulus_bias + 1j * layer.phase_bias
    z = complex_rows(5, 3, 4)
    expected = np.empty((5, 2, 4), dtype=complex)
    for row in range(5):
        for j in range(2):
            for entry in range(4):
                powers = [z[row, i, entry] ** orders[i, j] for i in range(3)]
                expected[row, j, entry] = np.prod(powers) * np.exp(bias[j, entry].item())
    real, imaginary = layer(torch.from_numpy(z.real.copy()), torch.from_numpy(z.imag.copy()))
    np.testing.assert_allclose(real.detach().numpy(), expected.real, atol=1e-5)
    np.testing.assert_allclose(imaginary.detach().numpy(), expected.imag, atol=1e-5)


def test_implicit_part_shares_its_relu_layer() -> None:
    layer = layer_of(2, 3, 2)
    z = complex_rows(4, 2, 2)
    parts = torch.from_numpy(z.real.copy()), torch.from_numpy(z.imag.copy())
    # A bias far below zero switches the ReLU off and leaves the explicit part.
    torch.nn.init.constant_(layer.implicit.bias, -1e9)
    explicit = layer(*parts)
    torch.nn.init.normal_(layer.implicit.bias)
    both = layer(*parts)
    weight, bias = (t.detach().numpy() for t in (layer.implicit.weight, layer.implicit.bias))
    for part, out, alone in zip((z.real, z.imag), both, explicit, strict=True):
        hidden = np.maximum(part.reshape(4, -1) @ weight.T + bias, 0).reshape(4, 3, 2)
        np.testing.assert_allclose((out - alone).detach().numpy(), hidden, atol=1e-9)


def test_orders_start_as_identity_or_one_feature_each() -> None:
    assert torch.equal(layer_of(4, 4, 2).orders, torch.eye(4).double())
    orders = layer_of(6, 2000, 1).orders.detach()
    torch.testing.assert_close(orders.sum(0), torch.ones(2000).double())
    # randn / 0.01 has gaps of some 10 to 100, so nearly every softmax is one-hot.
    largest, feature = orders.max(dim=0)
    assert (largest > 0.9).sum() > 1800
    shares = feature.bincount(minlength=6) / 2000
    # Each feature is drawn with probability 1/6: standard deviation 0.0083.
    assert (shares - 1 / 6).abs().max() < 4 * 0.0083


def test_whole_model_by_eulers_formula() -> None:
    layout = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 2)
    torch.manual_seed(0)
    model = EulerNet(layout, EulerNetOptions(orders=(2,))).double()
    torch.nn.init.normal_(model.output.bias)
    with torch.no_grad():
        model.modulus.copy_(torch.tensor([[0.5], [2.0]]))
    torch.nn.init.zeros_(model.layers[0].implicit.weight)
    phases = torch.randn(3, 2, 2).double()  # between -pi and pi
    modulus = np.array([[0.5], [2.0]])
    bias = model.layers[0].log_modulus_bias + 1j * model.layers[0].phase_bias
    # The orders are the identity, so each feature keeps its own complex number.
    z = modulus * np.exp(1j * phases.numpy()) * np.exp(bias.detach().numpy())
    weight = model.output.weight.detach().numpy()[0]
    expected = (z.real + z.imag).reshape(3, -1) @ weight + model.output.bias.item()
    np.testing.assert_allclose(model(phases).detach().numpy(), expected, atol=1e-6)


def test_a_feature_without_a_modulus_keeps_gradients_finite() -> None:
    layout = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 2)
    model = EulerNet(layout, EulerNetOptions(orders=(2,)))
    torch.nn.init.zeros_(model.modulus)
    vectors = torch.randn(3, 2, 2, requires_grad=True)
    model(vectors).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", ["explicit_dropout", "implicit_dropout"])
def test_dropout_acts_in_training_only(name: str) -> None:
    layer = layer_of(3, 3, 4, **{name: 0.5})
    z = complex_rows(2, 3, 4)
    parts = torch.from_numpy(z.real.copy()), torch.from_numpy(z.imag.copy())
    assert not torch.equal(layer(*parts)[0], layer(*parts)[0])
    layer.eval()
    assert torch.equal(layer(*parts)[0], layer(*parts)[0])
