"""The lookup by hand gives what torch's own embedding gives, to the bit, forward and backward."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.models.tiny import LAYOUT, tiny_batch
from workbench.nn.embedding import FeatureEmbedding
from workbench.nn.lookup import PADDING_ROW, Lists, Lookup
from workbench.schema import Feature, Kind, Schema, Side, TableLayout, plan_table

USERS, GENRES, ITEMS = 50, 19, 400


def layout_of(width: int) -> TableLayout:
    """A single-valued feature, a list of `width` and another single-valued one."""
    schema = Schema(
        features=(
            Feature(name="item", side=Side.ITEM, is_id=True),
            Feature(name="genres", side=Side.ITEM, kind=Kind.MULTI, max_length=width),
            Feature(name="user", side=Side.USER, is_id=True),
        ),
        labels=("finish",),
        user="user",
        item="item",
    )
    return plan_table(schema, {"item": ITEMS, "genres": GENRES, "user": USERS})


def without_lists() -> TableLayout:
    """Two single-valued features."""
    features = tuple(
        Feature(name=side.value, side=side, is_id=True) for side in (Side.USER, Side.ITEM)
    )
    schema = Schema(features=features, labels=("finish",), user="user", item="item")
    return plan_table(schema, {"item": ITEMS, "user": USERS})


def drawn_rows(layout: TableLayout, batch: int) -> Tensor:
    """Rows [batch, width] with repetitions, lists of every length and padding at their end."""
    rows = torch.zeros(batch, layout.width, dtype=torch.int32)
    for slot in layout.slots:
        shape = (batch, slot.stop - slot.start)
        drawn = torch.randint(slot.offset, slot.offset + slot.size, shape, dtype=torch.int32)
        shortest = int(slot.kind is Kind.SINGLE)
        lengths = torch.randint(shortest, shape[1] + 1, (batch, 1))
        rows[:, slot.start : slot.stop] = drawn.masked_fill(
            torch.arange(shape[1]) >= lengths, PADDING_ROW
        )
    return rows


def by_torch(weight: Tensor, rows: Tensor, alone: Tensor, layout: TableLayout) -> list[Tensor]:
    """Vectors of torch's own functions: one for single values, one for each list."""
    singles = [slot for slot in layout.slots if slot.kind is Kind.SINGLE]
    columns = rows[:, [slot.start for slot in singles]]
    index = torch.cat((columns.reshape(-1), alone.int()))
    found = F.embedding(index, weight)
    vectors = dict(
        zip(
            [slot.name for slot in singles],
            found[: columns.numel()].view(len(rows), len(singles), -1).unbind(1),
            strict=True,
        )
    )
    for slot in layout.slots:
        if slot.kind is not Kind.SINGLE:
            values = rows[:, slot.start : slot.stop]
            vectors[slot.name] = F.embedding_bag(
                values, weight, mode="mean", padding_idx=PADDING_ROW
            )
    return [torch.stack([vectors[s.name] for s in layout.slots], 1), found[columns.numel() :]]


def table(layout: TableLayout, dim: int) -> Tensor:
    return torch.randn(layout.rows, dim).requires_grad_()


@pytest.mark.parametrize("dim", [1, 5, 16, 17])
# torch sorts short and long lists of numbers in different ways; the sums follow its order.
@pytest.mark.parametrize(("batch", "width"), [(1, 3), (9, 1), (300, 6), (4096, 6), (4096, 14)])
def test_equal_to_torch_to_the_bit(dim: int, batch: int, width: int) -> None:
    torch.manual_seed(dim)
    layout = layout_of(width)
    rows = drawn_rows(layout, batch)
    alone = torch.tensor([slot.mask_row for slot in layout.slots])
    weight = table(layout, dim)
    mine = Lookup.apply(weight, rows, alone, Lists.of(layout.slots), False)
    theirs = by_torch(weight, rows, alone, layout)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.equal(one, other)
    coefficients = [torch.randn_like(part) for part in mine]
    gradients = [torch.autograd.grad(parts, weight, coefficients)[0] for parts in (mine, theirs)]
    assert torch.equal(*gradients)


def test_a_sparse_gradient_has_the_same_sums() -> None:
    torch.manual_seed(0)
    layout = layout_of(6)
    rows, weight = drawn_rows(layout, 200), table(layout, 4)
    alone = torch.tensor([slot.mask_row for slot in layout.slots])
    lists = Lists.of(layout.slots)
    parts = [Lookup.apply(weight, rows, alone, lists, sparse) for sparse in (False, True)]
    coefficients = [torch.randn_like(part) for part in parts[0]]
    dense, sparse = (torch.autograd.grad(part, weight, coefficients)[0] for part in parts)
    assert sparse.is_sparse
    torch.testing.assert_close(sparse.to_dense(), dense)
    touched = set(rows.unique().tolist()) | set(alone.tolist())
    assert set(sparse.coalesce().indices()[0].tolist()) == touched - {PADDING_ROW}


def test_vectors_that_nobody_uses_have_no_gradient() -> None:
    torch.manual_seed(0)
    layout = layout_of(6)
    rows, weight = drawn_rows(layout, 20), table(layout, 3)
    alone = torch.tensor([slot.mask_row for slot in layout.slots])
    for sparse in (False, True):
        _, masks = Lookup.apply(weight, rows, alone, Lists.of(layout.slots), sparse)
        (gradient,) = torch.autograd.grad(masks.sum(), weight)
        gradient = gradient.to_dense() if sparse else gradient
        expected = torch.zeros(layout.rows, 3)
        expected[alone] = 1
        assert torch.equal(gradient, expected)


def test_an_empty_batch() -> None:
    layout = layout_of(3)
    weight = table(layout, 2)
    rows = torch.zeros(0, layout.width, dtype=torch.int32)
    alone = torch.tensor([slot.mask_row for slot in layout.slots])
    vectors, masks = Lookup.apply(weight, rows, alone, Lists.of(layout.slots), False)
    (vectors.sum() + masks.sum()).backward()
    assert vectors.shape == (0, 3, 2)
    assert weight.grad is not None
    assert weight.grad.sum() == 6  # the three masks, two entries each


def test_a_table_whose_lists_share_rows_goes_torchs_way() -> None:
    """A sequence of the tiny schema reads the items' rows: sums of both are added up last."""
    embedding = FeatureEmbedding(LAYOUT, 3)
    assert embedding._together is None
    own = FeatureEmbedding(layout_of(3), 3)
    assert own._together == Lists.of(own.layout.slots)
    vectors = embedding(tiny_batch(4).rows)
    assert "Lookup" not in vectors.grad_fn.name()
    assert "Lookup" in own(drawn_rows(own.layout, 4)).grad_fn.name()


def test_the_embedding_layer_hands_sparseness_on() -> None:
    torch.manual_seed(0)
    for layout, rows in ((LAYOUT, tiny_batch(9).rows), (layout_of(4), None)):
        embedding = FeatureEmbedding(layout, 3)
        rows = drawn_rows(layout, 9) if rows is None else rows
        gradients = []
        for sparse in (False, True):
            embedding.sparse = sparse
            vectors, masks = embedding.with_masks(rows)
            (vectors.square().sum() + masks.exp().sum()).backward()
            assert embedding.weight.grad is not None
            assert embedding.weight.grad.is_sparse == sparse
            gradients.append(embedding.weight.grad.to_dense())
            embedding.weight.grad = None
        torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    "layout",
    [layout_of(5), LAYOUT, without_lists()],
    ids=["own rows", "shared rows", "without lists"],
)
@pytest.mark.parametrize("batch", [0, 1, 300])
@pytest.mark.parametrize("traced", [False, True])
def test_what_a_gpu_gathers_is_the_same(
    layout: TableLayout, batch: int, traced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In double precision, where the order of a sum does not show."""
    torch.manual_seed(batch)
    embedding = FeatureEmbedding(layout, 3).double()
    rows = drawn_rows(layout, batch)
    table, masks = embedding.weight, embedding.mask_rows
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: traced)
    found = [embedding._gather(table, rows, masks), embedding.with_masks(rows)]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
    above = [torch.randn_like(one) for one in found[0]]
    gradients = [torch.autograd.grad(one, embedding.weight, above)[0] for one in found]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)
