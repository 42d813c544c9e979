"""What every registered base model must do; a new model is one more line in `CASES`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from tests.models.tiny import LAYOUT, SCHEMA, tiny_batch, tiny_config, tiny_model
from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch
from workbench.errors import InputError
from workbench.models import MODELS, model_class
from workbench.models.base import BaseRanker, FeatureLayout
from workbench.nn.build import build_model
from workbench.nn.framework import AdaF2M2
from workbench.schema import Feature, Schema, Side, plan_table

Case = tuple[str, dict[str, Any]]
SMALL = {"hidden": [16, 8]}
CASES: list[Case] = [
    ("fm", {}),
    ("youtube_dnn", SMALL),
    ("afn", SMALL | {"neurons": 12}),
    ("afn", SMALL | {"neurons": 12, "plus": True, "deep_hidden": [16, 8]}),
    ("dcn_v2", SMALL),
    ("dcn_v2", SMALL | {"structure": "stacked"}),
    ("dcn_v2", SMALL | {"rank": 4, "experts": 2}),
    ("dcn_v2", SMALL | {"rank": 4, "experts": 2, "structure": "stacked"}),
    ("euler_net", {}),
    ("euler_net", {"orders": [5, 5, 4], "layer_norm": True}),
    ("two_tower", SMALL | {"output_dim": 8}),
    ("two_tower", SMALL | {"output_dim": 8, "similarity": "cosine"}),
    ("multitask", SMALL | {"head_hidden": [8]}),
    ("multitask", SMALL | {"head_hidden": [], "structure": "stacked", "rank": 4}),
    ("autoint", {"layers": 2, "head_dim": 8}),
    ("autoint", {"layers": 2, "head_dim": 8, "hidden": [16]}),
    ("masknet", SMALL | {"width": 16}),
    ("masknet", {"width": 16, "structure": "serial", "hidden": []}),
    ("gdcn", SMALL),
    ("gdcn", SMALL | {"structure": "stacked"}),
    ("gdcn", {"hidden": []}),
]
VARIANTS = ("base", "mask", "adapter", "full")


def case_id(case: Case) -> str:
    return "-".join([case[0], *(f"{name}={value}" for name, value in case[1].items())])


every_model = pytest.mark.parametrize("case", CASES, ids=case_id)


def base_model(case: Case, dim: int = 4, seed: int = 0) -> BaseRanker:
    """The base model alone, over the tiny table's features."""
    kind = model_class(case[0])
    options = kind.check_options(*case)
    torch.manual_seed(seed)
    return kind(FeatureLayout.of(LAYOUT, dim + kind.extra_entries(options, dim)), options)


def vectors_for(model: BaseRanker, batch: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn(batch, model.layout.features, model.layout.dim, generator=generator)


def test_every_registered_model_is_a_case() -> None:
    assert {name for name, _ in CASES} == set(MODELS)


@every_model
@pytest.mark.parametrize("batch", [0, 1, 5])
def test_shape_of_the_logit(case: Case, batch: int) -> None:
    model = base_model(case).eval()
    logit = model(vectors_for(model, batch))
    assert logit.shape == ((batch, 3) if case[0] == "multitask" else (batch,))
    assert logit.dtype == torch.float32
    assert logit.isfinite().all()


@every_model
def test_batch_equals_row_by_row(case: Case) -> None:
    model = base_model(case).eval()
    vectors = vectors_for(model, 5)
    rows = torch.cat([model(vectors[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(model(vectors), rows, rtol=1e-5, atol=1e-6)


@every_model
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_gradient_reaches_every_parameter_and_every_feature(case: Case, training: bool) -> None:
    model = base_model(case).train(training)
    vectors = vectors_for(model, 64).requires_grad_()
    logit = model(vectors)
    coefficients = torch.randn(logit.shape, generator=torch.Generator().manual_seed(2))
    (logit * coefficients).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    assert vectors.grad is not None
    largest = vectors.grad.abs().amax(dim=(0, 2))  # [feature]
    assert (largest > 0).all(), dict(zip(model.layout.names, largest.tolist(), strict=True))


@every_model
def test_untrained_mask_embeddings_learn(case: Case) -> None:
    """`[MASK]_i` starts at zero, where a logarithm or a ReLU could hold it for ever."""
    config = tiny_config(case[0], "mask", case[1])
    model = build_model(config, SCHEMA, LAYOUT)
    rows = model.embedding.mask_rows
    assert (model.embedding.weight[rows] == 0).all()
    model.losses(tiny_batch(64), torch.Generator().manual_seed(0)).total.backward()
    gradient = model.embedding.weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert (gradient[rows].abs().amax(dim=1) > 0).all()


@every_model
@pytest.mark.parametrize("variant", VARIANTS)
def test_all_variants_train_and_serve(case: Case, variant: str) -> None:
    model = tiny_model(tiny_config(case[0], variant, case[1]))
    batch = tiny_batch(16)
    losses = model.losses(batch, torch.Generator().manual_seed(0))
    assert all(loss.isfinite() and loss.dim() == 0 for loss in losses)
    assert (losses.auxiliary > 0) == (variant in ("mask", "full"))
    losses.total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    model.eval()
    served = model(batch)
    alone = model.base(model.embedding(batch.rows))
    if variant in ("base", "mask"):
        assert torch.equal(served, alone)
    else:
        assert not torch.allclose(served, alone)


@every_model
@pytest.mark.parametrize("batch", [1, 2])
def test_smallest_training_batches(case: Case, batch: int) -> None:
    model = tiny_model(tiny_config(case[0], "full", case[1], k=1))
    losses = model.losses(tiny_batch(batch), torch.Generator().manual_seed(0))
    losses.total.backward()
    assert losses.total.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@every_model
def test_vectors_of_zeros_give_finite_gradients(case: Case) -> None:
    model = base_model(case).eval()
    vectors = torch.zeros(3, model.layout.features, model.layout.dim, requires_grad=True)
    logit = model(vectors)
    logit.sum().backward()
    assert logit.isfinite().all()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


@every_model
def test_unknown_option_is_refused_by_name(case: Case) -> None:
    with pytest.raises(InputError, match=rf"model\.options of {case[0]}: unknown key 'hiden'"):
        model_class(case[0]).check_options(case[0], case[1] | {"hiden": [8]})


@every_model
def test_same_seed_same_weights(case: Case) -> None:
    first, second = base_model(case, seed=3).state_dict(), base_model(case, seed=3).state_dict()
    other = base_model(case, seed=4).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    if case[0] != "fm":  # whose only parameter of its own is a bias that starts at zero
        assert any(not torch.equal(first[name], other[name]) for name in first)


# The planted problem: neither feature says anything alone, both together say everything.
PLANTED = Schema(
    features=(
        Feature(name="user_id", side=Side.USER, is_id=True),
        Feature(name="item_id", side=Side.ITEM, is_id=True),
        Feature(name="hour", side=Side.CONTEXT),
    ),
    labels=("finish", "like", "comment"),
    user="user_id",
    item="item_id",
)


def planted_problem(config: ExperimentConfig) -> tuple[AdaF2M2, Batch]:
    """All 4 users x 4 items x 2 hours.

    finish = user xor item, like = user xor hour, comment = item xor hour, of their parities.
    """
    layout = plan_table(PLANTED, {"user_id": 5, "item_id": 5, "hour": 3})
    codes = torch.cartesian_prod(torch.arange(1, 5), torch.arange(1, 5), torch.arange(1, 3))
    rows = torch.empty_like(codes)
    for position, slot in enumerate(layout.slots):
        rows[:, slot.start] = slot.offset + codes[:, position]
    user, item, hour = (codes % 2).unbind(1)
    labels = torch.stack((user ^ item, user ^ hour, item ^ hour), dim=1).float()
    batch = Batch(rows=rows.int(), counts=torch.zeros(len(codes), 0), labels=labels)
    return build_model(config, PLANTED, layout), batch


@every_model
def test_tiny_planted_problem_is_solved(case: Case) -> None:
    model, batch = planted_problem(
        ExperimentConfig.parse(
            {
                "model": {"name": case[0], "dim": 4, "options": case[1]},
                "framework": {"variant": "base"},
            }
        )
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        model.losses(batch).total.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logit = model(batch)
    columns = logit if logit.dim() == 2 else logit.unsqueeze(1)
    for task in range(columns.shape[1]):
        assert roc_auc_score(batch.labels[:, task], columns[:, task]) > 0.95


def test_no_model_solves_the_planted_problem_without_crosses() -> None:
    """The check above is worth something: a sum of per-feature effects cannot pass it."""
    model, batch = planted_problem(ExperimentConfig.parse({"framework": {"variant": "base"}}))
    additive = nn.Linear(model.embedding.dim * 3, 1)
    optimizer = torch.optim.Adam([model.embedding.weight, *additive.parameters()], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        logit = additive(model.embedding(batch.rows).flatten(1)).squeeze(1)
        nn.functional.binary_cross_entropy_with_logits(logit, batch.labels[:, 0]).backward()
        optimizer.step()
    assert roc_auc_score(batch.labels[:, 0], logit.detach()) < 0.6
