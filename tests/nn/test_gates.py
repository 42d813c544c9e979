"""Gates over the features themselves, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.nn.gates import FeatureGate, SENet


def vectors_of(batch: int, features: int = 6, dim: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, features, dim, generator=generator)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class TestSENet:
    def test_weights_by_hand(self) -> None:
        gate = SENet(2, reduction=2.0, activation="relu")
        with torch.no_grad():
            gate.squeeze.weight.copy_(torch.tensor([[1.0, -2.0]]))
            gate.excite.weight.copy_(torch.tensor([[3.0], [-1.0]]))
        # Means (2, 0.5): the hidden unit is 2 - 1 = 1, so the weights are ReLU(3), ReLU(-1).
        # Means (0, 1): the hidden unit is ReLU(-2) = 0.
        vectors = torch.tensor([[[1.0, 3.0], [0.0, 1.0]], [[-1.0, 1.0], [2.0, 0.0]]])
        assert gate(vectors).tolist() == [[3.0, 0.0], [0.0, 0.0]]

    @pytest.mark.parametrize("activation", ["relu", "sigmoid"])
    def test_weights_by_numpy(self, activation: str) -> None:
        torch.manual_seed(0)
        gate = SENet(6, reduction=3.0, activation=activation, weight_scale=1.5)
        torch.nn.init.normal_(gate.excite.weight)  # of the sigmoid's, which starts at zero
        vectors = vectors_of(50)
        first, second = (layer.weight.detach().double().numpy() for layer in gate.children())
        assert first.shape == (2, 6)
        assert second.shape == (6, 2)
        z = vectors.double().numpy().mean(axis=2)
        raw = np.maximum(z @ first.T, 0) @ second.T
        expected = np.maximum(raw, 0) if activation == "relu" else 1.5 * sigmoid(raw)
        np.testing.assert_allclose(gate(vectors).detach(), expected, rtol=1e-5, atol=1e-6)
        assert (expected > 0).any()

    @pytest.mark.parametrize("scale", [1.0, 2.0])
    def test_sigmoid_starts_at_half_the_scale(self, scale: float) -> None:
        gate = SENet(6, weight_scale=scale)
        assert torch.equal(gate(vectors_of(7)), torch.full((7, 6), scale / 2))

    def test_relu_starts_away_from_zero(self) -> None:
        torch.manual_seed(0)
        assert (SENet(6, activation="relu")(vectors_of(7)) > 0).any()

    @pytest.mark.parametrize(("reduction", "units"), [(1.0, 6), (2.5, 2), (3.0, 2), (100.0, 1)])
    def test_hidden_units(self, reduction: float, units: int) -> None:
        assert SENet(6, reduction).squeeze.weight.shape == (units, 6)


class TestFeatureGate:
    @pytest.mark.parametrize("hidden", [(), (5,), (5, 3)])
    def test_weights_by_numpy(self, hidden: tuple[int, ...]) -> None:
        torch.manual_seed(0)
        gate = FeatureGate(6, 4, hidden, weight_scale=1.5)
        linears = [layer for layer in gate.h if isinstance(layer, torch.nn.Linear)]
        assert [layer.out_features for layer in linears] == [*hidden, 6]
        for layer in linears:
            torch.nn.init.normal_(layer.weight)
            torch.nn.init.normal_(layer.bias)
        vectors = vectors_of(50)
        x = vectors.double().numpy().reshape(50, -1)
        for layer in linears:
            weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
            x = x @ weight.T + bias
            if layer is not linears[-1]:
                x = np.maximum(x, 0)
        np.testing.assert_allclose(gate(vectors).detach(), 1.5 * sigmoid(x), rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("scale", [1.0, 2.0])
    def test_starts_at_half_the_scale(self, scale: float) -> None:
        gate = FeatureGate(6, 4, weight_scale=scale)
        assert torch.equal(gate(vectors_of(7)), torch.full((7, 6), scale / 2))


@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize("gate", [SENet(6), FeatureGate(6, 4)], ids=["senet", "gate"])
def test_batch_sizes_and_rows_alone(gate: torch.nn.Module, batch: int) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # the gate's output layer starts at zero
        for parameter in gate.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    vectors = vectors_of(batch)
    weights = gate(vectors)
    assert weights.shape == (batch, 6)
    for row in range(batch):
        torch.testing.assert_close(weights[row : row + 1], gate(vectors[row : row + 1]))
