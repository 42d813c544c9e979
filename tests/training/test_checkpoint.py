"""A checkpoint is read as untrusted data, and keeps what JSON has no word for."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.nn.build import model_for
from workbench.training import checkpoint
from workbench.training.trainer import Trainer

CONFIG = ExperimentConfig.parse(
    {
        "data": {"planted": {"rows": 3000}},
        "model": {"name": "fm", "dim": 2},
        "training": {"batch_size": 600, "epochs": 1, "device": "cpu"},
    }
)


def fresh(dataset: Dataset) -> Trainer:
    return Trainer(model_for(CONFIG, dataset), dataset, CONFIG.training)


@pytest.fixture(scope="module")
def packed(small_world: Dataset) -> tuple[checkpoint.Tensors, dict[str, Any]]:
    trainer = fresh(small_world)
    trainer.fit()
    return checkpoint.pack(trainer)


def test_a_score_that_is_not_a_number_survives(small_world: Dataset) -> None:
    """UAUC is one where no user of the validation rows has both classes."""
    trainer = fresh(small_world)
    trainer.fit()
    assert trainer.best_scores is not None
    trainer.best_scores = trainer.best_scores._replace(uauc=math.nan, uauc_macro=math.nan)
    tensors, facts = checkpoint.pack(trainer)
    text = json.dumps(facts, allow_nan=False)
    again = fresh(small_world)
    checkpoint.unpack(again, tensors, json.loads(text))
    assert again.best_scores is not None
    assert math.isnan(again.best_scores.uauc)
    assert again.best_scores.auc == trainer.best_scores.auc


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("best/adapter.h.0.bias", (1, 64)),
        ("model/embedding.weight", (3, 3)),
        ("adam/0/exp_avg", (1,)),
        ("adam/0/exp_avg_sq", (2, 2)),
        ("adam/0/step", (3,)),
        ("adam/99/step", ()),
        ("random/shuffle", (3,)),
    ],
)
def test_a_tensor_of_another_shape_is_refused(
    small_world: Dataset, packed: Any, key: str, shape: tuple[int, ...]
) -> None:
    tensors, facts = packed
    with pytest.raises(InputError, match="the checkpoint does not fit this run's config: ") as seen:
        checkpoint.unpack(fresh(small_world), tensors | {key: torch.zeros(shape)}, facts)
    assert "\n" not in str(seen.value)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": -1},
        {"epoch": 10**400},
        {"best_epoch": 7},
        {"best_scores": ["a", 1, 1, 1]},
        {"best_scores": [1, 2]},
        {"best_scores": 3},
        {"train_seconds": 10**400},
        {"train_samples": None},
    ],
)
def test_a_fact_that_cannot_be_is_refused(
    small_world: Dataset, packed: Any, change: dict[str, Any]
) -> None:
    tensors, facts = packed
    with pytest.raises(InputError, match="the checkpoint does not fit this run's config: "):
        checkpoint.unpack(fresh(small_world), tensors, facts | change)


def test_a_missing_part_is_refused(small_world: Dataset, packed: Any) -> None:
    tensors, facts = packed
    for name in ("random/masks", "model/embedding.weight", "adam/0/exp_avg", "adam/0/step"):
        rest = {key: value for key, value in tensors.items() if key != name}
        with pytest.raises(InputError, match="does not fit"):
            checkpoint.unpack(fresh(small_world), rest, facts)
    with pytest.raises(InputError, match="does not fit"):
        checkpoint.unpack(fresh(small_world), tensors, {})
