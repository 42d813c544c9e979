"""The interacting layer of AutoInt against explicit loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from workbench.models.autoint import AutoInt, InteractingLayer
from workbench.models.base import FeatureLayout
from workbench.schema import Side

LAYOUT = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 2)


def test_one_head_by_hand() -> None:
    layer = InteractingLayer(1, heads=1, head_dim=1)
    with torch.no_grad():  # query 1, key ln 3, value 10, residual -1
        layer.projections.copy_(torch.tensor([1.0, math.log(3), 10.0, -1.0]).view(4, 1, 1))
    # x = [1, 0]. Feature 1 scores ln 3 and 0, so it attends 3/4 and 1/4: 7.5 - 1 = 6.5.
    # Feature 2 scores 0 and 0, so it attends half and half: 5 - 0 = 5.
    out = layer(torch.tensor([[[1.0], [0.0]]]))
    assert out[0, :, 0].tolist() == pytest.approx([6.5, 5.0])


def test_heads_by_loops() -> None:
    torch.manual_seed(0)
    heads, width, features, inputs = 2, 3, 4, 5
    layer = InteractingLayer(inputs, heads, width).double()
    x = torch.randn(2, features, inputs, dtype=torch.float64)
    query, key, value, residual = layer.projections.detach().numpy()
    expected = np.empty((2, features, heads * width))
    for row in range(2):
        rows = x[row].numpy()
        for i in range(features):
            outputs = []
            for h in range(heads):
                part = slice(h * width, (h + 1) * width)
                q = query[part] @ rows[i]
                scores = np.array([math.exp(q @ (key[part] @ rows[j])) for j in range(features)])
                shares = scores / scores.sum()
                outputs.append(sum(shares[j] * (value[part] @ rows[j]) for j in range(features)))
            expected[row, i] = np.maximum(np.concatenate(outputs) + residual @ rows[i], 0)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=1e-12)


def test_order_of_the_features_moves_with_them() -> None:
    layer = InteractingLayer(3, heads=2, head_dim=4)
    x = torch.randn(2, 5, 3)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order])


def test_autoint_plus_adds_a_deep_logit() -> None:
    torch.manual_seed(0)
    options = {"layers": 2, "heads": 2, "head_dim": 3}
    plus = AutoInt(LAYOUT, AutoInt.check_options("autoint", options | {"hidden": [4]}))
    plain = AutoInt(LAYOUT, AutoInt.check_options("autoint", options))
    own = {k: v for k, v in plus.state_dict().items() if not k.startswith("deep.")}
    plain.load_state_dict(own)
    vectors = torch.randn(6, 2, 2)
    deep = vectors.flatten(1)
    for layer in plus.deep:
        deep = layer(deep)
    torch.testing.assert_close(plus(vectors), plain(vectors) + deep.squeeze(1))
