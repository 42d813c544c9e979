"""Compiled losses of one model: in one piece, with the same masks, and close to the plain ones."""

from __future__ import annotations

import pytest
import torch

from tests.training.test_trainer import config_for
from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.nn.build import model_for
from workbench.training.compiled import check_compiler
from workbench.training.trainer import Trainer


def needs_compiler() -> None:
    """Skip where there is no C++ compiler, which torch.compile needs on a CPU."""
    try:
        check_compiler(torch.device("cpu"))
    except InputError as error:
        pytest.skip(str(error))


def without_dropout(variant: str = "full", **training: object) -> ExperimentConfig:
    values = config_for(variant, **training).model_dump()
    values["model"]["options"]["dropout"] = 0.0
    return ExperimentConfig.parse(values)


def trained(dataset: Dataset, fast: bool) -> Trainer:
    """After an epoch."""
    config = without_dropout(compile=fast)
    trainer = Trainer(model_for(config, dataset), dataset, config.training)
    trainer._train_epoch()
    return trainer


@pytest.mark.slow
def test_compiled_in_one_piece_and_close(small_world: Dataset) -> None:
    needs_compiler()
    torch._dynamo.utils.counters.clear()
    fast = trained(small_world, True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    plain = trained(small_world, False)
    assert torch.equal(fast.masks.get_state(), plain.masks.get_state())
    torch.testing.assert_close(fast.loss_sum, plain.loss_sum, rtol=1e-4, atol=1e-4)
    expected = plain.model.state_dict()
    for name, value in fast.model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)
