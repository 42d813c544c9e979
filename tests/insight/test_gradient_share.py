"""Gradients per feature, against autograd through the engine's own losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.models.tiny import gradient_of, losses_of, tiny_batch, tiny_config, tiny_model
from workbench.config import ExperimentConfig
from workbench.data.registry import load
from workbench.insight.gradient_share import GradientProbe, gradient_share, vector_gradients
from workbench.nn.framework import AdaF2M2
from workbench.training.experiment import train

BATCH = tiny_batch(32)


def model_of(variant: str, name: str = "dcn_v2", **framework: Any) -> AdaF2M2:
    return tiny_model(tiny_config(name, variant, **framework))


@pytest.mark.parametrize("name", ["fm", "afn", "dcn_v2"])
def test_single_rows_get_the_gradients_of_the_engine(name: str) -> None:
    """Summed over the samples that hold it, a user's gradient is that of its table row."""
    model = model_of("full", name)
    losses = losses_of(model, BATCH, seed=5)
    main_table = gradient_of(model, losses.main)["embedding.weight"]
    auxiliary_table = 0.2 * gradient_of(model, losses.auxiliary)["embedding.weight"]
    main, auxiliary = vector_gradients(model, BATCH, seed=5)
    slot = model.embedding.layout["user_id"]
    position = model.embedding.layout.names.index("user_id")
    rows = BATCH.rows[:, slot.start].long()
    for by_sample, table in ((main, main_table), (auxiliary, auxiliary_table)):
        summed = torch.zeros_like(table).index_add(0, rows, by_sample[:, position] / len(BATCH))
        own = slice(slot.offset + 1, slot.offset + slot.size)
        assert table[own].abs().max() > 0
        torch.testing.assert_close(summed[own], table[own], rtol=1e-5, atol=1e-8)


def test_variants_without_a_loss_have_none_of_its_gradient() -> None:
    assert not vector_gradients(model_of("base"), BATCH)[1].any()
    assert not vector_gradients(model_of("full", alpha=0.0), BATCH)[1].any()
    main, auxiliary = vector_gradients(model_of("full", main_grad_to_embeddings=False), BATCH)
    assert not main.any()
    assert auxiliary.any()


def test_frame_holds_mean_lengths_and_shares() -> None:
    model = model_of("full")
    frame = gradient_share(model, BATCH, seed=1)
    main, auxiliary = (x.numpy() for x in vector_gradients(model, BATCH, seed=1))
    total = np.sqrt(((main + auxiliary) ** 2).sum(2)).mean(0)
    np.testing.assert_allclose(frame["total"], total, rtol=1e-5)
    np.testing.assert_allclose(frame["share"], total / total.sum(), rtol=1e-5)
    np.testing.assert_allclose(frame["main"], np.sqrt((main**2).sum(2)).mean(0), rtol=1e-5)
    weights = model.weights(model.embedding(BATCH.rows), BATCH.counts)
    np.testing.assert_allclose(frame["weight"], weights.detach().mean(0).numpy(), rtol=1e-5)
    assert frame["feature"].tolist() == ["history", "user_id", "genres", "item_id", "hour"]
    assert frame["is_id"].tolist() == [True, True, False, True, False]


def test_measuring_changes_nothing() -> None:
    model = model_of("full", "afn")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    gradient_share(model, BATCH)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_probe_reads_before_and_during_training_and_leaves_it_alone() -> None:
    config = ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 1000}},
            "model": {"name": "fm", "dim": 4},
            "training": {"epochs": 2, "batch_size": 100, "log_every": 2, "device": "cpu"},
        }
    )
    dataset = load(config.data)
    probe = GradientProbe(dataset.batch(dataset.splits["train"][:64]))
    assert probe.frame.empty
    probed, plain = train(config, dataset, probe), train(config, dataset)
    assert probe.frame["step"].unique().tolist() == [0, 2, 4, 6, 8, 10, 12]
    pairs = zip(probed.model.parameters(), plain.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
