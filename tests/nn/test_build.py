"""From a config to a seeded model with standardised counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.tiny import COUNTS, LAYOUT, SCHEMA, tiny_batch, tiny_config
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.nn.build import build_model, log_count_moments, model_for
from workbench.nn.framework import AdaF2M2
from workbench.schema import Schema

VARIANTS = ("base", "mask", "adapter", "full")


def build(name: str = "dcn_v2", variant: str = "full", **settings: Any) -> AdaF2M2:
    return build_model(tiny_config(name, variant, **settings), SCHEMA, LAYOUT)


def dataset_of(counts: torch.Tensor) -> Dataset:
    """Six samples, of which the first four are for training."""
    batch = tiny_batch(6)
    index = torch.arange(6)
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
        counts=counts,
        splits={"train": index[:4], "valid": index[4:5], "test": index[5:]},
        default_counts=("item_id:impression", "user_id:like"),
    )


COUNT_TABLE = torch.tensor(
    [[0, 1, 5], [3, 1, 0], [10, 1, 2], [2, 1, 8], [900, 900, 900], [700, 700, 700]]
).float()


@pytest.mark.parametrize("name", ["fm", "dcn_v2", "afn", "euler_net"])
def test_variants_of_one_seed_start_from_the_same_base(name: str) -> None:
    states = [build(name, variant).state_dict() for variant in VARIANTS]
    shared = [key for key in states[0] if key.startswith(("embedding.", "base."))]
    assert shared == list(states[0])
    for state in states[1:]:
        assert all(torch.equal(states[0][key], state[key]) for key in shared)
    adapters = [{k: v for k, v in s.items() if k.startswith("adapter.")} for s in states]
    assert not adapters[0]
    assert not adapters[1]
    assert adapters[2].keys() == adapters[3].keys()
    assert all(torch.equal(adapters[2][key], adapters[3][key]) for key in adapters[2])


def test_seed_decides_the_weights() -> None:
    first, again, other = (build(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])
    assert not torch.equal(first["base.output.weight"], other["base.output.weight"])


def test_the_callers_random_state_is_left_alone() -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    build(seed=7)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "options", "dim"),
    [
        ("dcn_v2", {}, 4),
        ("fm", {}, 5),  # the first-order weight
        ("afn", {}, 4),
        ("afn", {"plus": True}, 8),  # a second table
    ],
)
def test_vectors_have_the_entries_that_the_model_wants(
    name: str, options: dict[str, Any], dim: int
) -> None:
    model = build(name, options=options)
    assert model.embedding.dim == model.base.layout.dim == dim
    assert model.embedding(tiny_batch(2).rows).shape == (2, 5, dim)


def test_counts_are_standardised_on_training_rows() -> None:
    dataset = dataset_of(COUNT_TABLE)
    logs = np.log(1 + COUNT_TABLE.numpy()[:4])
    mean, std = log_count_moments(dataset)
    np.testing.assert_allclose(mean, logs.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(std, logs.std(axis=0), rtol=1e-5, atol=1e-7)

    config = tiny_config("fm", "adapter", signals=("count",), counts=COUNTS[::2])
    model = model_for(config, dataset)
    batch = dataset.batch(dataset.splits["train"])
    used = batch.counts.index_select(1, model.count_positions)
    state = model.adapter.state(model.embedding(batch.rows), used)
    # Columns 0 and 2; standardised over the training rows, they have mean 0 and deviation 1.
    np.testing.assert_allclose(state.detach().mean(0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(state.detach().std(0, correction=0), [1, 1], rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_data_without_counts_has_no_moments_and_no_warning() -> None:
    dataset = replace(dataset_of(COUNT_TABLE), counts=torch.zeros(len(COUNT_TABLE), 0))
    mean, std = log_count_moments(dataset)
    assert mean.shape == std.shape == (0,)


def test_counts_keep_the_order_they_are_asked_in() -> None:
    model = model_for(tiny_config(counts=(COUNTS[2], COUNTS[0])), dataset_of(COUNT_TABLE))
    assert model.count_positions.tolist() == [2, 0]
    mean, std = log_count_moments(dataset_of(COUNT_TABLE))
    assert torch.equal(model.adapter.count_mean, mean[[2, 0]])
    assert torch.equal(model.adapter.count_std, std[[2, 0]])


def test_default_counts_are_the_data_sets() -> None:
    model = model_for(tiny_config(counts=None), dataset_of(COUNT_TABLE))
    assert model.count_positions.tolist() == [1, 2]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_count_that_never_varies_in_training_says_nothing(split: str) -> None:
    dataset = dataset_of(COUNT_TABLE)
    config = tiny_config("fm", "adapter", signals=("count",), counts=COUNTS[1:2])
    model = model_for(config, dataset)
    batch = dataset.batch(dataset.splits[split])
    used = batch.counts.index_select(1, model.count_positions)
    state = model.adapter.state(model.embedding(batch.rows), used)
    assert (state == 0).all()


def test_unknown_count_is_refused_with_what_is_allowed() -> None:
    message = (
        r"framework\.counts: 'user_id:comment' is not counted here; allowed: user_id:impression, "
        r"item_id:impression, user_id:like"
    )
    with pytest.raises(InputError, match=message):
        build(counts=("user_id:comment",))


def test_more_tasks_than_labels_are_refused() -> None:
    short = SCHEMA.model_dump() | {"labels": ("finish", "like")}
    config = tiny_config("multitask")
    with pytest.raises(InputError, match=r"multitask: 3 tasks, but the data set has 2 label"):
        build_model(config, Schema.model_validate(short), LAYOUT)
    assert build("multitask").base.tasks == 3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dcn", {}, "model 'dcn' is unknown; allowed: fm, "),
        ("fm", {"hidden": [4]}, r"model\.options of fm: unknown key 'hidden'"),
    ],
)
def test_unknown_model_and_option(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, options=options)
