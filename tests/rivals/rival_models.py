"""Rivals over the tiny table of the base models' tests."""

from __future__ import annotations

from typing import Any

import torch

from tests.models.tiny import LAYOUT, SCHEMA, tiny_batch
from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.rivals import Rival


def rival_config(
    name: str, model: str = "dcn_v2", seed: int = 0, weight_scale: float = 1.0, **settings: Any
) -> ExperimentConfig:
    """An experiment with vectors of 4 entries and the rival's own settings."""
    return ExperimentConfig.parse(
        {
            "model": {"name": model, "dim": 4},
            "framework": {"variant": "base", "weight_scale": weight_scale},
            "rival": {"name": name, name: settings},
            "training": {"seed": seed},
        }
    )


def rival_model(name: str, *, random_masks: bool = True, **settings: Any) -> Rival:
    """A rival as training starts it, except that what starts at zero is drawn.

    That is the `[MASK]_i` rows (unless `random_masks` is off), so that they can be told apart, and
    the output layer of the gate, so that weights differ between samples. SENet's layers are drawn
    away from zero, where no ReLU is shut for all samples.
    """
    model = model_for(rival_config(name, **settings), tiny_dataset())
    assert isinstance(model, Rival)
    generator = torch.Generator().manual_seed(99)
    with torch.no_grad():
        if random_masks:
            rows = model.embedding.mask_rows
            drawn = torch.randn(len(rows), model.embedding.dim, generator=generator)
            model.embedding.weight[rows] = 0.1 * drawn
        if name == "gate":
            last = model.gate.h[-1]
            last.weight.copy_(torch.randn(last.weight.shape, generator=generator))
        if name == "senet":
            model.embedding.weight.mul_(10)
            for parameter in model.gate.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def tiny_dataset(samples: int = 40) -> Dataset:
    """As many users and items as samples, each sample with its own."""
    batch = tiny_batch(samples)
    index = torch.arange(samples)
    return Dataset(
        name="tiny",
        schema=SCHEMA,
        layout=LAYOUT,
        vocabularies={},
        user_rows=batch.rows[:, :4],
        item_rows=batch.rows[:, 4:7],
        context_rows=batch.rows[:, 7:],
        users=index.int(),
        items=index.int(),
        labels=batch.labels.to(torch.uint8),
        counts=batch.counts,
        splits={"train": index[:30], "valid": index[30:35], "test": index[35:]},
        default_counts=("item_id:impression",),
    )
