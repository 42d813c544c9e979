"""Compiled steps of models side by side: in one piece, and close to the plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.training.test_trainer import config_for
from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.training.side_by_side.stack import Member, Stack
from workbench.training.trainer import Trainer


def trained(dataset: Dataset, fast: bool) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Weights and losses of two members after an epoch."""
    members = []
    for seed in (0, 1):
        values = config_for("full", seed=seed, compile=fast).model_dump()
        values["model"]["options"]["dropout"] = 0.0
        config = ExperimentConfig.parse(values)
        members.append(Member(Trainer(model_for(config, dataset), dataset, config.training)))
    stack = Stack(members)
    losses = stack.train_epoch()
    return {name: value.detach() for name, value in stack.parameters.items()}, losses


@pytest.mark.slow
def test_compiled_in_one_piece_and_close(small_world: Dataset) -> None:
    torch._dynamo.utils.counters.clear()
    weights, losses = trained(small_world, True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    expected, their_losses = trained(small_world, False)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(losses, their_losses, rtol=1e-4, atol=1e-5)
