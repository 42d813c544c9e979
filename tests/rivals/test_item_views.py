"""Complementary views: what each hides, and the vectors that are left."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.nn.embedding import FeatureEmbedding
from workbench.rivals.item_views import ItemViews, item_columns, most_related
from workbench.rivals.mutual_information import mutual_information, value_codes
from workbench.schema import Feature, Kind, Schema, Side, TableLayout, plan_table

SCHEMA = Schema(
    features=(
        Feature(name="user_id", side=Side.USER, is_id=True),
        Feature(name="mood", kind=Kind.MULTI, side=Side.ITEM, max_length=3),
        Feature(name="item_id", side=Side.ITEM, is_id=True),
        Feature(name="hour", side=Side.CONTEXT),
        Feature(name="genre", side=Side.ITEM),
        Feature(name="similar", kind=Kind.SEQUENCE, side=Side.ITEM, max_length=2, shares="item_id"),
        Feature(name="artist", side=Side.ITEM, is_id=True),
    ),
    labels=("finish",),
    user="user_id",
    item="item_id",
)
SIZES = {"user_id": 4, "mood": 5, "item_id": 6, "hour": 3, "genre": 4, "artist": 3}
LAYOUT: TableLayout = plan_table(SCHEMA, SIZES)
ITEM_FEATURES = ("mood", "item_id", "genre", "similar", "artist")
LISTS = {"mood": (0, 3), "similar": (5, 7)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def views_of(value_dropout: float = 0.0) -> tuple[ItemViews, FeatureEmbedding]:
    torch.manual_seed(0)
    embedding = FeatureEmbedding(LAYOUT, 4)
    with torch.no_grad():
        embedding.weight[1:].normal_()  # the [MASK]_i rows too
    return ItemViews(LAYOUT, value_dropout), embedding


def item_rows(items: int, seed: int = 0) -> Tensor:
    """Rows [item, 8]; lists hold one value or more."""
    rows = torch.zeros(items, 8, dtype=torch.int32)
    first = min(LAYOUT[name].start for name in ITEM_FEATURES)
    draw = generator(seed)
    for name in ITEM_FEATURES:
        slot = LAYOUT[name]
        width = slot.stop - slot.start
        codes = torch.randint(1, slot.size, (items, width), generator=draw)
        filled = torch.randint(1, width + 1, (items, 1), generator=draw)
        values = torch.where(torch.arange(width) < filled, slot.offset + codes, 0)
        rows[:, slot.start - first : slot.stop - first] = values.int()
    return rows


def is_mask(view: Tensor, embedding: FeatureEmbedding, views: ItemViews) -> Tensor:
    """[item, item feature], True where the vector is that feature's [MASK]_i."""
    return (view == embedding.mask_vectors()[views.positions]).all(-1)


def test_views_partition_the_features() -> None:
    views, embedding = views_of()
    rows = item_rows(20)
    patterns = set()
    for seed in range(60):
        first, second = views(rows, embedding.weight, generator(seed))
        hidden, other = (is_mask(view, embedding, views) for view in (first, second))
        assert (hidden ^ other).all()  # every feature is hidden in exactly one of the two
        assert (hidden == hidden[0]).all()  # and in the same one for all items of a step
        patterns.add(tuple(hidden[0].tolist()))
    assert patterns == {tuple(row) for row in views.hidden.tolist()}


def test_what_is_shown_is_what_the_model_looks_up() -> None:
    views, embedding = views_of()
    rows = item_rows(20)
    full = torch.zeros(20, LAYOUT.width, dtype=torch.int32)
    first = min(LAYOUT[name].start for name in ITEM_FEATURES)
    full[:, first : first + 8] = rows
    expected = embedding(full)[:, views.positions]
    assert [LAYOUT.names[i] for i in views.positions] == list(ITEM_FEATURES)
    one, other = views(rows, embedding.weight, generator())
    shown = torch.where(is_mask(one, embedding, views).unsqueeze(-1), other, one)
    torch.testing.assert_close(shown, expected)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_values_of_lists_are_dropped_on_their_own(share: float) -> None:
    views, _ = views_of(share)
    rows = item_rows(4000)
    kept = views._kept(rows, generator())
    assert not kept[rows == 0].any()
    single = [3, 4, 7]
    assert kept[:, single].all()
    lists = rows[:, [0, 1, 2, 5, 6]] != 0
    observed = (~kept[:, [0, 1, 2, 5, 6]][lists]).float().mean().item()
    error = 5 * (share * (1 - share) / int(lists.sum())) ** 0.5
    assert observed == pytest.approx(share, abs=error)


def test_a_view_averages_the_values_that_are_left() -> None:
    views, embedding = views_of(0.5)
    rows = item_rows(200)
    kept = views._kept(rows, generator(4)).numpy()
    values = embedding.weight.detach().numpy()[rows.numpy()]
    masks = embedding.mask_vectors()[views.positions]
    view = views._view(
        torch.from_numpy(values),
        torch.from_numpy(kept),
        masks,
        torch.tensor([[False, False, True, False, False]]),
    )
    spans = item_columns([LAYOUT[name] for name in ITEM_FEATURES])
    expected = np.empty((200, 5, 4), np.float32)
    emptied = 0
    for item in range(200):
        for feature, (start, stop) in enumerate(spans):
            left = values[item, start:stop][kept[item, start:stop]]
            emptied += len(left) == 0
            gone = feature == 2 or len(left) == 0
            expected[item, feature] = masks[feature].detach() if gone else left.mean(axis=0)
    assert emptied > 10
    np.testing.assert_allclose(view.detach(), expected, rtol=1e-5, atol=1e-6)


def test_the_two_views_drop_different_values() -> None:
    views, embedding = views_of(0.5)
    rows = item_rows(50)
    views.hidden.zero_()  # nothing is hidden in the first view
    first, _ = views(rows, embedding.weight, generator(0))
    views.hidden.fill_(True)  # nothing is hidden in the second view
    _, second = views(rows, embedding.weight, generator(0))
    lists = [ITEM_FEATURES.index(name) for name in LISTS]
    assert not torch.equal(first[:, lists], second[:, lists])
    singles = [i for i in range(5) if i not in lists]
    assert torch.equal(first[:, singles], second[:, singles])


class TestMostRelated:
    def test_by_hand(self) -> None:
        information = torch.tensor(
            [
                [2.0, 0.1, 0.9, 0.3, 0.0],
                [0.1, 2.0, 0.2, 0.7, 0.4],
                [0.9, 0.2, 0.1, 0.0, 0.5],  # its own entropy does not matter
                [0.3, 0.7, 0.0, 2.0, 0.6],
                [0.0, 0.4, 0.5, 0.6, 2.0],
            ]
        )
        hidden = [set(row.nonzero().flatten().tolist()) for row in most_related(information)]
        assert hidden == [{0, 2}, {1, 3}, {2, 0}, {3, 1}, {4, 3}]

    @pytest.mark.parametrize(("features", "size"), [(2, 1), (3, 1), (4, 2), (7, 3)])
    def test_half_and_the_seed_among_them(self, features: int, size: int) -> None:
        information = torch.rand(features, features, generator=generator())
        hidden = most_related(information + information.t())
        assert (hidden.sum(1) == size).all()
        assert hidden.diagonal().all()

    def test_ties_follow_the_schema(self) -> None:
        hidden = [set(row.nonzero().flatten().tolist()) for row in most_related(torch.zeros(4, 4))]
        assert hidden == [{0, 1}, {1, 2}, {2, 3}, {3, 0}]


def test_the_data_decides_what_goes_together(small_world: Dataset) -> None:
    views = ItemViews(small_world.layout, 0.0)
    before = views.hidden.clone()
    views.prepare(small_world)
    assert not torch.equal(views.hidden, before)
    slots = [small_world.layout.slots[i] for i in views.positions]
    codes = [value_codes(small_world.item_rows[:, a:b]) for a, b in item_columns(slots)]
    information = mutual_information(torch.stack(codes, dim=1), small_world.popularity())
    for seed, row in enumerate(views.hidden):
        others = [i for i in range(len(slots)) if i != seed]
        inside = [information[seed, i] for i in others if row[i]]
        outside = [information[seed, i] for i in others if not row[i]]
        assert min(inside) >= max(outside)
