"""Numbers below the least normal one: flushed while a model is trained or asked, and only then."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.training.denormals import denormals_flushed
from workbench.training.evaluation import predict
from workbench.training.hooks import Hooks, Record
from workbench.training.side_by_side.fit import fit_side_by_side
from workbench.training.trainer import Trainer


class Products(Hooks):
    """Takes one after each epoch."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self.found.append(product())


def trainer_for(dataset: Dataset, hooks: Hooks, denormals: str = "flush") -> Trainer:
    config = ExperimentConfig.parse(
        {
            "model": {"name": "youtube_dnn", "dim": 4, "options": {"hidden": [8]}},
            "framework": {"variant": "base"},
            "training": {"batch_size": 256, "epochs": 2, "patience": 2, "denormals": denormals},
        }
    )
    return Trainer(model_for(config, dataset), dataset, config.training, hooks)


def product() -> float:
    """1e-30 * 1e-10, which float32 holds as a denormal number."""
    return float(torch.full((1,), 1e-30).mul(1e-10))


@pytest.fixture(autouse=True)
def _can_flush() -> None:
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor does not flush denormals")


def test_products_are_zero_within_and_as_before_after() -> None:
    assert product() == pytest.approx(1e-40, rel=1e-3)
    with denormals_flushed():
        assert product() == 0
        with denormals_flushed():
            assert product() == 0
        assert product() == 0
    assert product() > 0


def test_it_ends_with_an_error_too() -> None:
    with pytest.raises(ValueError, match="own"), denormals_flushed():
        raise ValueError("own")
    assert product() > 0


def test_who_flushes_already_goes_on() -> None:
    torch.set_flush_denormal(True)
    try:
        with denormals_flushed():
            pass
        assert product() == 0
    finally:
        torch.set_flush_denormal(False)


def test_training_flushes_them_when_told_to(small_world: Dataset) -> None:
    hooks = Products()
    trainer_for(small_world, hooks).fit()
    assert hooks.found == [0, 0]
    assert product() > 0
    kept = Products()
    trainer_for(small_world, kept, "keep").fit()
    assert all(found > 0 for found in kept.found)


def test_models_side_by_side_flush_them(small_world: Dataset) -> None:
    hooks = Products()
    fit_side_by_side([trainer_for(small_world, hooks), trainer_for(small_world, Products())], 2)
    assert hooks.found == [0, 0]
    assert product() > 0
    kept = Products()
    fit_side_by_side([trainer_for(small_world, kept, "keep")], 1)
    assert all(found > 0 for found in kept.found)


def test_predictions_flush_them(small_world: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_for(small_world, Hooks())
    seen: list[float] = []
    forward = type(trainer.model).forward

    def watched(self: Any, batch: Any) -> torch.Tensor:
        seen.append(product())
        return forward(self, batch)

    monkeypatch.setattr(type(trainer.model), "forward", watched)
    predict(trainer.model, small_world, "test")
    assert set(seen) == {0}
    assert product() > 0
