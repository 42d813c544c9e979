"""Embedding dropout: whole vectors, inverted scaling, in training only."""

from __future__ import annotations

import pytest
import torch

from tests.models.tiny import tiny_batch
from tests.rivals.rival_models import rival_model
from workbench.nn.framework import task_loss


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_vectors_are_dropped_whole_or_scaled(rate: float) -> None:
    model = rival_model("embedding_dropout", rate=rate)
    vectors = torch.ones(8000, 5, 4)
    shown = model.training_vectors(vectors, generator())
    assert torch.equal(shown, shown[:, :, :1].expand_as(shown))
    values = shown[:, :, 0]
    torch.testing.assert_close(values.unique(), torch.tensor([0.0, 1 / (1 - rate)]))
    # Five standard errors of a share of 8000 samples.
    error = 5 * (rate * (1 - rate) / 8000) ** 0.5
    dropped = (values == 0).float()
    torch.testing.assert_close(dropped.mean(0), torch.full((5,), rate), atol=error, rtol=0)
    # Two features go together as often as two independent draws do.
    both = (dropped[:, 0] * dropped[:, 3]).mean().item()
    assert both == pytest.approx(rate * rate, abs=error)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_expectation_is_what_serving_sees(rate: float) -> None:
    model = rival_model("embedding_dropout", rate=rate)
    vectors = model.embedding(tiny_batch(1).rows).detach()
    many = model.training_vectors(vectors.expand(50_000, -1, -1), generator())
    spread = (rate / (1 - rate)) ** 0.5 * vectors.abs().max().item()
    torch.testing.assert_close(many.mean(0), vectors[0], atol=5 * spread / 50_000**0.5, rtol=0)


def test_loss_is_the_task_loss_of_the_dropped_samples() -> None:
    model, batch = rival_model("embedding_dropout", rate=0.4), tiny_batch(64)
    losses = model.losses(batch, generator(3))
    shown = model.training_vectors(model.embedding(batch.rows), generator(3))
    assert (shown == 0).any()
    assert torch.equal(losses.total, task_loss(model.base(shown), batch.labels))


def test_serving_drops_nothing() -> None:
    model, batch = rival_model("embedding_dropout", rate=0.9).eval(), tiny_batch(20)
    assert torch.equal(model(batch), model.base(model.embedding(batch.rows)))


def test_rate_zero_trains_as_base() -> None:
    model, batch = rival_model("embedding_dropout", rate=0.0), tiny_batch(20)
    expected = task_loss(model.base(model.embedding(batch.rows)), batch.labels)
    assert torch.equal(model.losses(batch, generator()).total, expected)
