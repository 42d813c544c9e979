"""The gated cross layer by hand."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.models.base import FeatureLayout
from workbench.models.dcn_v2 import CrossLayer
from workbench.models.gdcn import GDCN, GatedCrossLayer
from workbench.schema import Side

LAYOUT = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 2)


def test_gated_cross_layer_by_hand() -> None:
    layer = GatedCrossLayer(2)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        layer.linear.bias.copy_(torch.tensor([0.5, 1.0]))
        layer.gate.copy_(torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]))
    # W x + b = [-0.5, 2]; times x_0 = [-1, 6]; gates sigmoid [ln 3, 0] = [3/4, 1/2] make it
    # [-0.75, 3]; plus x = [0.25, 2].
    crossed = layer(torch.tensor([[2.0, 3.0]]), torch.tensor([[1.0, -1.0]]))
    assert crossed[0].tolist() == pytest.approx([0.25, 2.0])


def test_open_gates_leave_the_cross_layer_of_dcn_v2() -> None:
    layer, plain = GatedCrossLayer(3), CrossLayer(3)
    plain.linear.load_state_dict(layer.linear.state_dict())
    first, x = torch.rand(4, 3) + 1, torch.rand(4, 3) + 1
    torch.nn.init.constant_(layer.gate, 20.0)  # sigmoid of at least 60 is 1
    torch.testing.assert_close(layer(first, x), plain(first, x))
    torch.nn.init.constant_(layer.gate, -50.0)
    torch.testing.assert_close(layer(first, x), x)


@pytest.mark.parametrize(
    ("options", "entries"),
    [
        ({"structure": "parallel", "hidden": [3]}, 4 + 3),
        ({"structure": "stacked", "hidden": [3]}, 3),
        ({"structure": "parallel", "hidden": []}, 4),
        ({"structure": "stacked", "hidden": []}, 4),
    ],
)
def test_networks_are_wired_as_the_options_say(options: dict, entries: int) -> None:
    torch.manual_seed(0)
    model = GDCN(LAYOUT, GDCN.check_options("gdcn", options | {"cross_layers": 2}))
    assert model.output.in_features == entries
    vectors = torch.randn(5, 2, 2)
    first = vectors.flatten(1)
    crossed = model.crosses[1](first, model.crosses[0](first, first))
    if not options["hidden"]:
        read = crossed
    elif options["structure"] == "stacked":
        read = model.tower(crossed)
    else:
        read = torch.cat((crossed, model.tower(first)), dim=1)
    torch.testing.assert_close(model(vectors), model.output(read).squeeze(1))
