"""Models of the planted world with drawn weights, for tests that need answers but no training."""

from __future__ import annotations

from functools import lru_cache

import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2

VALUES = {
    "data": {"split": "time", "planted": {"rows": 3000, "rows_per_item": 60.0}},
    "model": {"name": "dcn_v2", "dim": 4, "options": {"hidden": [8]}, "embedding_scale": 1.0},
}


@lru_cache
def small_dataset() -> Dataset:
    """3,000 samples, split by time; nobody changes it."""
    return load(ExperimentConfig.parse(VALUES).data)


@lru_cache
def small_model(variant: str = "full", seed: int = 0) -> AdaF2M2:
    """A model whose `[MASK]_i`, adapter and logits all say something; nobody changes it."""
    config = ExperimentConfig.parse({**VALUES, "framework": {"variant": variant}})
    model = model_for(config, small_dataset())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
        model.embedding.weight[0] = 0  # padding
    return model.eval()


def active_user(dataset: Dataset, least: int = 12) -> tuple[int, int]:
    """A user with at least so many training samples and a test sample, and that sample."""
    test = dataset.splits["test"]
    users = dataset.users[test].long()
    place = int((dataset.activity()[users] >= least).nonzero()[0, 0])
    return int(users[place]), int(test[place])


def new_user(dataset: Dataset) -> tuple[int, int]:
    """A user without any training sample, and a test sample of that user."""
    test = dataset.splits["test"]
    users = dataset.users[test].long()
    place = int((dataset.activity()[users] == 0).nonzero()[0, 0])
    return int(users[place]), int(test[place])
