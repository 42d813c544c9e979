"""Compiled steps of models side by side: in one piece, and close to the plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.training.test_compiled import needs_compiler, without_dropout
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.training.side_by_side.stack import Member, Stack
from workbench.training.trainer import Trainer


def trained(dataset: Dataset, fast: bool) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Weights and losses of two members after an epoch."""
    configs = [without_dropout(seed=seed, compile=fast) for seed in (0, 1)]
    stack = Stack(
        [Member(Trainer(model_for(one, dataset), dataset, one.training)) for one in configs]
    )
    losses = stack.train_epoch()
    return {name: value.detach() for name, value in stack.parameters.items()}, losses


@pytest.mark.slow
def test_compiled_in_one_piece_and_close(small_world: Dataset) -> None:
    needs_compiler()
    torch._dynamo.utils.counters.clear()
    weights, losses = trained(small_world, True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    expected, their_losses = trained(small_world, False)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(losses, their_losses, rtol=1e-4, atol=1e-5)
