"""DropoutNet: which vectors are zeroed, how often, and when."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.models.tiny import SCHEMA, tiny_batch
from tests.rivals.rival_models import rival_model
from workbench.nn.framework import task_loss
from workbench.rivals.dropoutnet import DropoutNet

USER, ITEM = SCHEMA.names.index("user_id"), SCHEMA.names.index("item_id")
DRAWS = 40_000


def dropoutnet(**settings: float) -> DropoutNet:
    model = rival_model("dropoutnet", **settings)
    assert isinstance(model, DropoutNet)
    return model


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_both_ids_go_independently_for_their_share_of_the_samples(share: float) -> None:
    kept = dropoutnet(share=share).kept(DRAWS, 5, torch.device("cpu"), generator())
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    user, item = kept[:, USER] == 0, kept[:, ITEM] == 0
    # Five standard errors of a share of DRAWS samples.
    for observed, expected in (
        (user, share),
        (item, share),
        (user & item, share * share),
        (user & ~item, share * (1 - share)),
        (~user & ~item, (1 - share) ** 2),
    ):
        error = 5 * (expected * (1 - expected) / DRAWS) ** 0.5
        assert observed.float().mean().item() == pytest.approx(expected, abs=error)


def test_no_other_feature_is_touched() -> None:
    model = dropoutnet()
    vectors = model.embedding(tiny_batch(200).rows).detach()
    shown = model.training_vectors(vectors, generator())
    others = [i for i in range(5) if i not in (USER, ITEM)]
    assert torch.equal(shown[:, others], vectors[:, others])
    kept = model.kept(200, 5, torch.device("cpu"), generator())
    for position in (USER, ITEM):
        zeroed = kept[:, position] == 0
        assert 0 < zeroed.sum() < 200
        assert (shown[zeroed, position] == 0).all()
        # No scaling: a kept ID is the vector that serving looks up.
        assert torch.equal(shown[~zeroed, position], vectors[~zeroed, position])


@pytest.mark.parametrize(("share", "left"), [(0.0, True), (1.0, False)])
def test_share_of_none_and_of_all(share: float, left: bool) -> None:
    model = dropoutnet(share=share)
    vectors = model.embedding(tiny_batch(50).rows).detach()
    shown = model.training_vectors(vectors, generator())
    assert torch.equal(shown[:, [USER, ITEM]], vectors[:, [USER, ITEM]] * left)


def test_loss_is_the_task_loss_of_the_zeroed_samples() -> None:
    model, batch = dropoutnet(), tiny_batch(64)
    losses = model.losses(batch, generator(3))
    kept = model.kept(64, 5, torch.device("cpu"), generator(3)).numpy()
    vectors = model.embedding(batch.rows).detach().numpy() * kept[:, :, None]
    expected = task_loss(model.base(torch.from_numpy(vectors.astype(np.float32))), batch.labels)
    assert torch.equal(losses.main, expected)
    assert torch.equal(losses.total, losses.main)
    assert losses.auxiliary == 0


def test_serving_zeroes_nothing() -> None:
    model, batch = dropoutnet(share=1.0).eval(), tiny_batch(20)
    assert torch.equal(model(batch), model.base(model.embedding(batch.rows)))


def test_an_unseen_id_is_served_what_a_zeroed_one_was_trained_as() -> None:
    """Rows that stand for unseen values start at zero, and no gradient reaches them."""
    model = rival_model("dropoutnet", share=0.5, random_masks=False)
    model.losses(tiny_batch(64), generator()).total.backward()
    rows = model.embedding.mask_rows[[USER, ITEM]]
    assert (model.embedding.weight[rows] == 0).all()
    assert model.embedding.weight.grad is not None
    assert (model.embedding.weight.grad[rows] == 0).all()
