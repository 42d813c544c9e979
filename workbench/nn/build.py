"""From a config and a table layout to a model, with seeded weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.memory import check_fits
from workbench.models import model_class
from workbench.models.base import FeatureLayout
from workbench.nn.cold_states import ColdStates
from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.framework import AdaF2M2
from workbench.rivals import RIVALS, Rival
from workbench.schema import Schema, TableLayout

TableMaker = Callable[[TableLayout, int, float], FeatureEmbedding]
"""From a layout, a dimension and the scale of new vectors to an embedding."""


def build_model(
    config: ExperimentConfig,
    schema: Schema,
    layout: TableLayout,
    default_counts: tuple[str, ...] = (),
    log_counts: tuple[Tensor, Tensor] | None = None,
    make_table: TableMaker = FeatureEmbedding,
    parts: int = 1,
) -> AdaF2M2:
    """Build a model on the CPU; the same seed gives the same weights.

    Embedding and base model are drawn before the adapter, so all four variants of one seed, and the
    rivals, start from the same base model.

    Args:
        config: the experiment.
        schema, layout: of the data set.
        default_counts: the data set's own choice of state counts.
        log_counts: mean and standard deviation [count] of log(1 + count) over the training rows, in
            the schema's order; None for a model whose weights are loaded afterwards.
        make_table: from a layout, a dimension and a scale to the embedding.
        parts: that the table is split into, of which this process holds one.

    Raises:
        InputError: an unknown model, option or state count, more tasks than labels, or a model that
            is larger than the memory.
    """
    kind = model_class(config.model.name)
    options = kind.check_options(config.model.name, config.model.options)
    positions = _count_positions(config, schema, default_counts)
    _check_memory(config, layout, parts)
    mean, std = log_counts or (torch.zeros(len(schema.counts)), torch.ones(len(schema.counts)))
    # The caller's own random state is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        dim = config.model.dim + kind.extra_entries(options, config.model.dim)
        embedding = make_table(layout, dim, config.model.embedding_scale)
        base = kind(FeatureLayout.of(layout, dim), options)
        if base.tasks > len(schema.labels):
            raise InputError(
                f"model.options of {config.model.name}: {base.tasks} tasks, but the data set has "
                f"{len(schema.labels)} label(s): {', '.join(schema.labels)}"
            )
        if config.rival.name != "none":
            return RIVALS[config.rival.name](embedding, base, config, schema)
        model = AdaF2M2(
            embedding, base, config.framework, positions, mean[positions], std[positions]
        )
        if config.framework.cold_states.share > 0:
            model.cold_states = ColdStates(schema, embedding, config.framework.cold_states)
        return model


def _check_memory(config: ExperimentConfig, layout: TableLayout, parts: int) -> None:
    """Add the sizes up before a number is made: a config may ask for anything.

    Raises:
        InputError: the model alone is larger than the memory.
    """
    kind = model_class(config.model.name)
    options = kind.check_options(config.model.name, config.model.options)
    dim = config.model.dim + kind.extra_entries(options, config.model.dim)
    with torch.device("meta"):
        base = kind(FeatureLayout.of(layout, dim), options)
    numbers = layout.rows * dim // parts + sum(parameter.numel() for parameter in base.parameters())
    check_fits(
        4 * numbers,
        f"model '{config.model.name}' with {layout.rows:,} embedding rows of {dim} numbers",
        "lower model.dim or the sizes in model.options",
    )


def model_for(
    config: ExperimentConfig,
    dataset: Dataset,
    make_table: TableMaker = FeatureEmbedding,
    parts: int = 1,
) -> AdaF2M2:
    """`build_model` with what the model takes from the data: the state counts' moments over the
    training rows, what a rival learns before the first step, and simulated histories.

    Raises:
        InputError: as `build_model`.
    """
    model = build_model(
        config,
        dataset.schema,
        dataset.layout,
        dataset.default_counts,
        log_count_moments(dataset),
        make_table,
        parts,
    )
    if isinstance(model, Rival):
        model.prepare(dataset)
    if model.cold_states is not None:
        model.cold_states.prepare(dataset, config.training.seed)
    return model


def log_count_moments(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [count] of log(1 + count) over the training rows."""
    return dataset.log_count_moments()


def _count_positions(
    config: ExperimentConfig, schema: Schema, default_counts: tuple[str, ...]
) -> Tensor:
    known = [count.name for count in schema.counts]
    wanted = config.framework.counts
    names = default_counts if wanted is None else wanted
    for name in names:
        if name not in known:
            raise InputError(
                f"framework.counts: '{name}' is not counted here; allowed: {', '.join(known)}"
            )
    return torch.tensor([known.index(name) for name in names], dtype=torch.int64)
