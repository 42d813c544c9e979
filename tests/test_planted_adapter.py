"""On the planted world the adapter must trust the user ID more as users become active.

There it is true by construction: the private part of a user's taste can only be learned from that
user's own samples. With the state shuffled there is nothing to respond to, and the slope must go:
its interval over users contains zero.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.config import ExperimentConfig, Variant
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.demo import demo_config
from workbench.insight.adapter_weights import adapter_weight_slope
from workbench.runs import RunStore
from workbench.statistics import slope_interval
from workbench.training.experiment import train, train_run


def config_of(**framework: object) -> ExperimentConfig:
    values = demo_config(Variant.FULL, seed=0).model_dump()
    values["framework"] |= framework
    return ExperimentConfig.parse(values)


@pytest.fixture(scope="module")
def world() -> Dataset:
    return load(config_of().data)


@pytest.mark.slow
def test_weight_of_the_user_id_rises_with_activity(tmp_path: Path, world: Dataset) -> None:
    run = train_run(config_of(), RunStore(tmp_path), dataset=world)
    assert adapter_weight_slope(run, "user_id").low > 0.01


@pytest.mark.slow
def test_weight_does_not_rise_when_the_state_is_shuffled(world: Dataset) -> None:
    """Two controls: a shuffled state at serving, and counts shuffled before training."""
    test = world.splits["test"]
    activity = np.log1p(world.activity()[world.users[test].long()].numpy())
    users = world.users[test].numpy()
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))

    trained = train(config_of(), world).model
    own, other = world.batch(test), world.batch(test[order])
    position = world.layout.names.index("user_id")
    with torch.no_grad():
        true = trained.weights(trained.embedding(own.rows), own.counts)
        shuffled = trained.weights(trained.embedding(other.rows), other.counts)
    assert true is not None
    assert shuffled is not None
    assert slope_interval(activity, true[:, position].numpy(), users).low > 0.01
    at_serving = slope_interval(activity, shuffled[:, position].numpy(), users)
    assert at_serving.low < 0 < at_serving.high

    rows = torch.randperm(len(world), generator=torch.Generator().manual_seed(1))
    noise = replace(world, counts=world.counts[rows])
    blind = train(config_of(signals=["count"]), noise).model
    batch = noise.batch(test)
    with torch.no_grad():
        weights = blind.weights(blind.embedding(batch.rows), batch.counts)
    assert weights is not None
    in_training = slope_interval(activity, weights[:, position].numpy(), users)
    assert in_training.low < 0 < in_training.high
