"""The cross layers of DCN-V2 against numbers worked out by hand and by explicit loops."""

from __future__ import annotations

import numpy as np
import torch

from workbench.models.base import FeatureLayout
from workbench.models.dcn_v2 import DCNV2, CrossLayer, LowRankMixtureCrossLayer
from workbench.schema import Side

LAYOUT = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 2)


def test_cross_layer_by_hand() -> None:
    layer = CrossLayer(2)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        layer.linear.bias.copy_(torch.tensor([0.5, 1.0]))
    # W x + b = [1 - 2 + 0.5, 1 + 1] = [-0.5, 2]; times x_0 = [-1, 6]; plus x = [0, 5].
    crossed = layer(torch.tensor([[2.0, 3.0]]), torch.tensor([[1.0, -1.0]]))
    assert crossed.tolist() == [[0.0, 5.0]]


def test_low_rank_mixture_by_loops() -> None:
    torch.manual_seed(0)
    width, rank, experts = 3, 2, 2
    layer = LowRankMixtureCrossLayer(width, rank, experts).double()
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.normal_(layer.gate.bias)
    first, x = torch.randn(2, 4, width, dtype=torch.float64).unbind(0)
    down, core, up, bias = (
        t.detach().numpy() for t in (layer.down, layer.core, layer.up, layer.bias)
    )
    gate, gate_bias = layer.gate.weight.detach().numpy(), layer.gate.bias.detach().numpy()
    expected = np.empty((4, width))
    for row in range(4):
        x0, xl = first[row].numpy(), x[row].numpy()
        scores = np.exp(gate @ xl + gate_bias)
        total = np.zeros(width)
        for e in range(experts):
            low = np.tanh(down[e].T @ xl)  # V' x
            low = np.tanh(core[e].T @ low)  # C x
            total += scores[e] / scores.sum() * (x0 * (up[e].T @ low + bias))
        expected[row] = total + xl
    np.testing.assert_allclose(layer(first, x).detach().numpy(), expected, rtol=1e-12)


def test_structures_read_what_their_names_say() -> None:
    """With dead crosses (W = 0, b = 0) x_L = x_0, so stacked equals the tower alone."""
    vectors = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(0))
    for structure in ("parallel", "stacked"):
        options = {"structure": structure, "hidden": [3], "cross_layers": 2}
        model = DCNV2(LAYOUT, DCNV2.check_options("dcn_v2", options))
        for layer in model.bottom.crosses:
            torch.nn.init.zeros_(layer.linear.weight)
        flat = vectors.flatten(1)
        deep = model.bottom.tower(flat)
        read = torch.cat((flat, deep), dim=1) if structure == "parallel" else deep
        torch.testing.assert_close(model(vectors), model.output(read).squeeze(1))


def test_degree_grows_by_one_per_layer() -> None:
    """L crosses with b = 0 make a polynomial of degree L + 1 in the scale of x."""
    options = {"cross_layers": 2, "hidden": [1]}
    model = DCNV2(LAYOUT, DCNV2.check_options("dcn_v2", options)).double()
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(1)).double()

    def crossed(scale: float) -> torch.Tensor:
        first = x * scale
        out = first
        for layer in model.bottom.crosses:
            out = layer(first, out)
        return out.detach()

    # A cubic without constant term: its third difference over s = 0, 1, 2, 3 is 6 times the
    # leading coefficient, and its fourth is 0.
    values = torch.stack([crossed(float(s)) for s in range(5)])
    third, fourth = values.diff(n=3, dim=0), values.diff(n=4, dim=0)
    assert third.abs().max() > 1e-3
    assert fourth.abs().max() < 1e-9
