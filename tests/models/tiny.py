"""A tiny table with every kind of feature, batches of it, and models over it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch
from workbench.nn.build import build_model
from workbench.nn.framework import AdaF2M2, Losses
from workbench.schema import Feature, Kind, Schema, Side, StateCount, TableLayout, plan_table

# Lists and single values take turns, so that the schema's order has to be put together again.
SCHEMA = Schema(
    features=(
        Feature(
            name="history",
            kind=Kind.SEQUENCE,
            side=Side.USER,
            is_id=True,
            max_length=3,
            shares="item_id",
        ),
        Feature(name="user_id", side=Side.USER, is_id=True),
        Feature(name="genres", kind=Kind.MULTI, side=Side.ITEM, max_length=2),
        Feature(name="item_id", side=Side.ITEM, is_id=True),
        Feature(name="hour", kind=Kind.NUMERIC, side=Side.CONTEXT),
    ),
    labels=("finish", "like", "comment"),
    user="user_id",
    item="item_id",
    counts=(
        StateCount(feature="user_id"),
        StateCount(feature="item_id"),
        StateCount(feature="user_id", event="like"),
    ),
)
SIZES = {"user_id": 5, "genres": 4, "item_id": 6, "hour": 3}
LAYOUT: TableLayout = plan_table(SCHEMA, SIZES)
COUNTS = ("user_id:impression", "item_id:impression", "user_id:like")


def tiny_batch(size: int, seed: int = 0, dtype: torch.dtype = torch.int32) -> Batch:
    """Random samples; every list holds at least one value."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.zeros(size, LAYOUT.width, dtype=dtype)
    for slot in LAYOUT.slots:
        width = slot.stop - slot.start
        codes = torch.randint(1, slot.size, (size, width), generator=generator)
        filled = torch.randint(1, width + 1, (size, 1), generator=generator)
        columns = torch.where(torch.arange(width) < filled, slot.offset + codes, 0)
        rows[:, slot.start : slot.stop] = columns.to(dtype)
    return Batch(
        rows=rows,
        counts=torch.randint(0, 50, (size, len(SCHEMA.counts)), generator=generator).float(),
        labels=torch.randint(0, 2, (size, len(SCHEMA.labels)), generator=generator).float(),
    )


def tiny_config(
    name: str = "youtube_dnn",
    variant: str = "full",
    options: dict[str, Any] | None = None,
    seed: int = 0,
    **framework: Any,
) -> ExperimentConfig:
    """An experiment with vectors of 4 entries."""
    return ExperimentConfig.parse(
        {
            "model": {"name": name, "dim": 4, "options": options or {}},
            "framework": {"variant": variant, "counts": COUNTS} | framework,
            "training": {"seed": seed},
        }
    )


def tiny_model(config: ExperimentConfig) -> AdaF2M2:
    """The model of `config` over the tiny table, its `[MASK]_i` rows away from zero.

    Counts are standardised with made-up moments, and the adapter's output layer, which starts at
    zero, is drawn, so that weights differ between samples.
    """
    moments = (torch.tensor([2.0, 1.5, 1.0]), torch.tensor([0.5, 0.75, 1.25]))
    model = build_model(config, SCHEMA, LAYOUT, (), moments)
    generator = torch.Generator().manual_seed(99)
    with torch.no_grad():
        mask_rows = model.embedding.mask_rows
        drawn = torch.randn(len(mask_rows), model.embedding.dim, generator=generator)
        model.embedding.weight[mask_rows] = 0.1 * drawn
        if model.adapter is not None:
            last = model.adapter.h[-1]
            assert isinstance(last, torch.nn.Linear)
            last.weight.copy_(torch.randn(last.weight.shape, generator=generator))
    return model


def gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    """Copies of all gradients that there are, by parameter name."""
    named = model.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


def losses_of(model: AdaF2M2, batch: Batch, seed: int = 0) -> Losses:
    """The losses of a batch with masks drawn from `seed`."""
    return model.losses(batch, torch.Generator().manual_seed(seed))


def gradient_of(model: AdaF2M2, loss: Tensor) -> dict[str, Tensor]:
    """The gradients of one loss alone; its graph is kept."""
    model.zero_grad(set_to_none=True)
    loss.backward(retain_graph=True)
    return gradients(model)
