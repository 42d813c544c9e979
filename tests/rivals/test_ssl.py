"""SSL: InfoNCE by brute force, uniform items, and a loss that leaves serving alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.models.tiny import LAYOUT, tiny_batch
from tests.rivals.rival_models import rival_config, rival_model, tiny_dataset
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.nn.build import build_model, model_for
from workbench.nn.framework import task_loss
from workbench.rivals import ssl as module
from workbench.rivals.ssl import SSL, info_nce
from workbench.schema import Feature, Schema, Side, plan_table


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ssl_model(**settings: object) -> SSL:
    model = rival_model("ssl", **settings)
    assert isinstance(model, SSL)
    return model


def by_brute_force(
    first: np.ndarray, second: np.ndarray, items: list[int], temperature: float
) -> float:
    losses = []
    for i, one in enumerate(first):
        terms = {
            j: math.exp(
                float(one @ other) / np.linalg.norm(one) / np.linalg.norm(other) / temperature
            )
            for j, other in enumerate(second)
            if j == i or items[j] != items[i]
        }
        losses.append(-math.log(terms[i] / sum(terms.values())))
    return sum(losses) / len(losses)


class TestInfoNCE:
    @pytest.mark.parametrize("temperature", [0.1, 1.0])
    @pytest.mark.parametrize("items", [[0, 1, 2, 3, 4, 5], [3, 1, 3, 2, 2, 3]])
    def test_by_brute_force(self, items: list[int], temperature: float) -> None:
        first, second = torch.randn(2, 6, 4, generator=generator())
        found = info_nce(first, second, torch.tensor(items), temperature)
        expected = by_brute_force(first.numpy(), second.numpy(), items, temperature)
        assert found.item() == pytest.approx(expected, rel=1e-5)

    def test_by_hand(self) -> None:
        # Cosines [[1, 0], [0, 1]]; lengths do not matter.
        first, second = (
            torch.tensor([[2.0, 0.0], [0.0, 1.0]]),
            torch.tensor([[1.0, 0.0], [0.0, 7.0]]),
        )
        found = info_nce(first, second, torch.tensor([0, 1]), 0.5)
        assert found.item() == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 1)), rel=1e-5)

    def test_equal_views_of_everything_give_the_logarithm_of_the_items(self) -> None:
        same = torch.ones(16, 3)
        assert info_nce(same, same, torch.arange(16), 0.1).item() == pytest.approx(math.log(16))

    def test_one_item_drawn_again_and_again_has_nothing_to_be_told_from(self) -> None:
        first, second = torch.randn(2, 5, 3, generator=generator())
        assert info_nce(first, second, torch.zeros(5, dtype=torch.int64), 0.1) == 0

    def test_zero_vectors_give_finite_gradients(self) -> None:
        first = torch.zeros(4, 3, requires_grad=True)
        info_nce(first, torch.zeros(4, 3), torch.arange(4), 0.1).backward()
        assert first.grad is not None
        assert first.grad.isfinite().all()


def test_total_is_main_plus_weighted_info_nce() -> None:
    model, batch = (
        ssl_model(weight=0.3, temperature=0.2, items=16, value_dropout=0.4),
        tiny_batch(32),
    )
    losses = model.losses(batch, generator(5))
    draw = generator(5)
    items = torch.randint(40, (16,), generator=draw)
    views = model.views(model.item_rows[items], model.embedding.weight, draw)
    first, second = (model.tower(view.flatten(1)).detach().double().numpy() for view in views)
    expected = by_brute_force(first, second, items.tolist(), 0.2)
    assert losses.auxiliary.item() == pytest.approx(expected, rel=1e-4)
    assert torch.equal(losses.main, task_loss(model(batch), batch.labels))
    assert torch.equal(losses.total, losses.main + 0.3 * losses.auxiliary)


def test_weight_zero_draws_nothing_and_trains_as_base() -> None:
    model, batch, draw = ssl_model(weight=0.0), tiny_batch(8), generator()
    before = draw.get_state()
    losses = model.losses(batch, draw)
    assert torch.equal(draw.get_state(), before)
    assert torch.equal(losses.total, task_loss(model(batch), batch.labels))
    assert losses.auxiliary == 0


def test_items_are_drawn_uniformly_from_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Popularity, and what the batch holds, say nothing about which items are drawn."""
    drawn: list[torch.Tensor] = []

    def spy(
        first: torch.Tensor, second: torch.Tensor, items: torch.Tensor, t: float
    ) -> torch.Tensor:
        drawn.append(items)
        return info_nce(first, second, items, t)

    monkeypatch.setattr(module, "info_nce", spy)
    model, batch, draw = ssl_model(items=512), tiny_batch(4), generator()
    for _ in range(40):
        model.losses(batch, draw)
    counts = torch.bincount(torch.cat(drawn), minlength=40).double()
    expected = 40 * 512 / 40
    chi_square = ((counts - expected).square() / expected).sum().item()
    # Chi-square with 39 degrees of freedom: mean 39, standard deviation 8.8; both tails.
    assert 15 < chi_square < 80


def test_item_embeddings_learn_and_user_embeddings_do_not() -> None:
    model = ssl_model()
    model.losses(tiny_batch(8), generator()).auxiliary.backward()
    gradient = model.embedding.weight.grad
    assert gradient is not None
    touched = gradient.abs().amax(1) > 0
    genres, item = LAYOUT["genres"], LAYOUT["item_id"]
    own = torch.zeros(LAYOUT.rows, dtype=torch.bool)
    for slot in (genres, item):
        own[slot.offset : slot.offset + slot.size] = True  # the [MASK]_i among them
    assert torch.equal(touched, own)
    assert all(parameter.grad is None for parameter in model.base.parameters())


def test_serving_is_the_base_models() -> None:
    model, batch = ssl_model().eval(), tiny_batch(20)
    assert torch.equal(model(batch), model.base(model.embedding(batch.rows)))


def test_kept_weights_hold_the_views(small_world: Dataset) -> None:
    """A model built from a run's folder alone knows which features tell the same."""
    config = rival_config("ssl")
    trained = model_for(config, small_world)
    loaded = build_model(config, small_world.schema, small_world.layout)
    assert not torch.equal(loaded.views.hidden, trained.views.hidden)
    loaded.load_state_dict(trained.state_dict())
    assert torch.equal(loaded.views.hidden, trained.views.hidden)
    assert trained.item_rows.data_ptr() == small_world.item_rows.data_ptr()  # no second copy


def test_info_nce_falls_when_it_is_trained(small_world: Dataset) -> None:
    model = model_for(rival_config("ssl"), small_world)
    batch = small_world.batch(small_world.splits["train"][:64])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    draw, curve = generator(), []
    for _ in range(60):
        loss = model.losses(batch, draw)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        curve.append(loss.auxiliary.item())
    assert np.mean(curve[-10:]) < 0.95 * np.mean(curve[:10])


def test_one_item_feature_cannot_be_split() -> None:
    schema = Schema(
        features=(
            Feature(name="user_id", side=Side.USER, is_id=True),
            Feature(name="item_id", side=Side.ITEM, is_id=True),
        ),
        labels=("finish",),
        user="user_id",
        item="item_id",
    )
    layout = plan_table(schema, {"user_id": 3, "item_id": 3})
    with pytest.raises(InputError, match=r"rival\.name = 'ssl': 1 feature of side item"):
        build_model(rival_config("ssl"), schema, layout)


def test_the_tiny_table_has_as_many_items_as_the_tests_believe() -> None:
    assert len(tiny_dataset().item_rows) == 40


def test_a_two_tower_model_lends_its_own_item_tower() -> None:
    config = rival_config("ssl", model="two_tower")
    model = model_for(config, tiny_dataset())
    assert isinstance(model, SSL)
    assert model.tower is None
    assert not [name for name in model.state_dict() if name.startswith("tower.")]
    model.losses(tiny_batch(5), generator()).auxiliary.backward()
    own = {name for name, p in model.base.named_parameters() if p.grad is not None}
    assert {name.split(".")[0] for name in own} == {"item_tower"}
    # Any other model gets one made for it, of the settings' widths.
    other = ssl_model(output_dim=7)
    assert other.tower is not None
    assert other.tower[-1].out_features == 7
