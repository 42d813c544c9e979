"""Gated rivals: their weights act where the adapter's do, and are reported as the adapter's are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.models.tiny import tiny_batch
from tests.rivals.rival_models import rival_model
from workbench.data.dataset import Batch
from workbench.nn.framework import task_loss
from workbench.nn.gates import FeatureGate, SENet

BATCH = tiny_batch(32)
GATES: list[tuple[str, dict[str, Any]]] = [
    ("senet", {}),
    ("senet", {"activation": "relu"}),
    ("gate", {}),
]
every_gate = pytest.mark.parametrize(("name", "settings"), GATES)


@every_gate
def test_weights_are_the_gates_in_training_and_serving(name: str, settings: Any) -> None:
    model = rival_model(name, **settings)
    vectors = model.embedding(BATCH.rows)
    weights = model.gate(vectors)
    assert weights.std() > 0
    logit = model.base(vectors * weights.unsqueeze(-1))
    assert torch.equal(model(BATCH), logit)
    losses = model.losses(BATCH)
    assert torch.equal(losses.total, task_loss(logit, BATCH.labels))
    assert losses.auxiliary == 0


@every_gate
def test_explain_reports_the_weights(name: str, settings: Any) -> None:
    model = rival_model(name, **settings).eval()
    explanation = model.explain(BATCH)
    vectors = model.embedding(BATCH.rows).detach()
    norms = np.linalg.norm(vectors.numpy(), axis=2)
    weights = model.gate(vectors).detach()
    assert torch.equal(explanation.weights, weights)
    np.testing.assert_allclose(explanation.contributions, weights.numpy() * norms, rtol=1e-5)
    assert torch.equal(explanation.logit, model(BATCH))


@every_gate
def test_counts_do_not_matter(name: str, settings: Any) -> None:
    model = rival_model(name, **settings).eval()
    assert torch.equal(model(Batch(BATCH.rows, BATCH.counts + 100, BATCH.labels)), model(BATCH))


@every_gate
def test_embeddings_learn_through_the_gates_input(name: str, settings: Any) -> None:
    model = rival_model(name, **settings)
    vectors = model.embedding(BATCH.rows).detach().requires_grad_()
    model.weights(vectors, BATCH.counts).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.abs().max() > 0


def test_settings_reach_the_gates() -> None:
    senet = rival_model("senet", reduction=1.0, weight_scale=2.0).gate
    assert isinstance(senet, SENet)
    assert (senet.activation, senet.weight_scale) == ("sigmoid", 2.0)
    assert senet.squeeze.weight.shape == (5, 5)
    gate = rival_model("gate", hidden=(7, 3), weight_scale=2.0).gate
    assert isinstance(gate, FeatureGate)
    assert [tuple(p.shape) for p in gate.parameters() if p.dim() == 2] == [(7, 20), (3, 7), (5, 3)]
    assert gate.weight_scale == 2.0
