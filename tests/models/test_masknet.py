"""Mask blocks and per-feature layer norm against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.models.base import FeatureLayout
from workbench.models.masknet import FeatureNorm, MaskBlock, MaskNet
from workbench.schema import Side

LAYOUT = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 4)


def array(parameter: torch.Tensor) -> np.ndarray:
    return parameter.detach().numpy()


def layer_norm(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


def test_block_by_numpy() -> None:
    torch.manual_seed(0)
    block = MaskBlock(instance=3, inputs=2, outputs=4, reduction=2.5).double()
    assert block.mask[0].out_features == 5
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    instance = torch.randn(6, 3, dtype=torch.float64)
    x = torch.randn(6, 2, dtype=torch.float64)
    up, down = block.mask[0], block.mask[2]
    expected = np.empty((6, 4))
    for row in range(6):
        aggregated = np.maximum(array(up.weight) @ array(instance[row]) + array(up.bias), 0)
        mask = array(down.weight) @ aggregated + array(down.bias)
        hidden = array(block.weight) @ (mask * array(x[row]))
        normed = layer_norm(hidden) * array(block.norm.weight) + array(block.norm.bias)
        expected[row] = np.maximum(normed, 0)
    np.testing.assert_allclose(array(block(instance, x)), expected, atol=1e-12)


def test_features_are_normed_apart_by_hand() -> None:
    norm = FeatureNorm(2, 2)
    with torch.no_grad():
        norm.gain.copy_(torch.tensor([[1.0, 1.0], [2.0, 3.0]]))
        norm.bias.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    # Two entries normed are -1 and 1, whatever their scale.
    out = norm(torch.tensor([[[10.0, 30.0], [500.0, -500.0]]]))
    expected = torch.tensor([[[-1.0, 1.0], [3.0, -3.0]]])
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("structure", ["serial", "parallel"])
def test_blocks_are_wired_as_the_structure_says(structure: str) -> None:
    torch.manual_seed(0)
    options = {"structure": structure, "blocks": 2, "width": 3, "hidden": []}
    model = MaskNet(LAYOUT, MaskNet.check_options("masknet", options))
    vectors = torch.randn(5, 2, 4)
    instance, x = vectors.flatten(1), model.norm(vectors).flatten(1)
    first, second = model.blocks
    if structure == "serial":
        read = second(instance, first(instance, x))
    else:
        read = torch.cat((first(instance, x), second(instance, x)), dim=1)
    torch.testing.assert_close(model(vectors), model.output(read).squeeze(1))


def test_weights_of_an_adapter_act_through_the_masks() -> None:
    model = MaskNet(LAYOUT, MaskNet.Options()).eval()
    vectors = torch.randn(5, 2, 4)
    weighted = vectors * torch.tensor([0.5, 0.9]).view(1, 2, 1)
    # Layer norm takes the scale out of the other side.
    torch.testing.assert_close(model.norm(weighted), model.norm(vectors), rtol=0, atol=1e-3)
    assert not torch.allclose(model(weighted), model(vectors), atol=1e-4)
