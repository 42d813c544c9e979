"""YouTube DNN against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from workbench.models.base import FeatureLayout
from workbench.models.youtube_dnn import YouTubeDNN
from workbench.schema import Side


def test_tower_by_hand() -> None:
    layout = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 1)
    model = YouTubeDNN(layout, YouTubeDNN.check_options("youtube_dnn", {"hidden": [2]}))
    with torch.no_grad():
        model.tower[0].weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
        model.tower[0].bias.copy_(torch.tensor([0.5, 0.0]))
        model.output.weight.copy_(torch.tensor([[2.0, 10.0]]))
        model.output.bias.fill_(-1.0)
    # x = [3, -1]: hidden = ReLU [3 - 2 + 0.5, -3 - 1] = [1.5, 0]; logit = 3 - 1 = 2.
    assert model(torch.tensor([[[3.0], [-1.0]]])).item() == pytest.approx(2.0)


def test_dropout_acts_in_training_only() -> None:
    layout = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 4)
    options = {"hidden": [64], "dropout": 0.5}
    model = YouTubeDNN(layout, YouTubeDNN.check_options("youtube_dnn", options))
    vectors = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(model(vectors), model(vectors))
    model.eval()
    assert torch.equal(model(vectors), model(vectors))
