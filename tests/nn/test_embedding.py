"""The feature embedding layer on a table small enough to write down."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.models.tiny import LAYOUT, SCHEMA, tiny_batch
from workbench.nn.embedding import FeatureEmbedding
from workbench.schema import Feature, Schema, Side, plan_table

# Row 0 is padding; then, in schema order: history's own [MASK] (1), user_id 2 to 6, genres 7 to 10,
# item_id 11 to 16, hour 17 to 19.
# Columns by side: history 0 to 2, user_id 3 | genres 4 and 5, item_id 6 | hour 7.
ROWS = 20


@pytest.fixture
def embedding() -> FeatureEmbedding:
    """Row r of the table holds [r, 100 + r]."""
    layer = FeatureEmbedding(LAYOUT, 2)
    assert layer.weight.shape == (ROWS, 2)
    row = torch.arange(ROWS).float()
    with torch.no_grad():
        layer.weight.copy_(torch.stack((row, row + 100), dim=1))
        layer.weight[0] = 0.0
    return layer


def test_lookup_by_hand_in_schema_order(embedding: FeatureEmbedding) -> None:
    rows = torch.tensor([[12, 16, 0, 5, 8, 0, 14, 19], [13, 14, 15, 2, 8, 9, 11, 17]])
    vectors = embedding(rows)
    first = torch.tensor(
        [
            [14.0, 5.0, 8.0, 14.0, 19.0],  # (12 + 16) / 2: padding does not count
            [14.0, 2.0, 8.5, 11.0, 17.0],  # (13 + 14 + 15) / 3, (8 + 9) / 2
        ]
    )
    torch.testing.assert_close(vectors, torch.stack((first, first + 100), dim=2))


def test_lookup_equals_loops_over_samples() -> None:
    torch.manual_seed(0)
    embedding = FeatureEmbedding(LAYOUT, 3)
    torch.nn.init.normal_(embedding.weight)
    batch = tiny_batch(40)
    table, rows = embedding.weight.detach().numpy(), batch.rows.numpy()
    expected = np.empty((40, len(LAYOUT.slots), 3))
    for sample in range(40):
        for position, slot in enumerate(LAYOUT.slots):
            values = [row for row in rows[sample, slot.start : slot.stop] if row != 0]
            expected[sample, position] = np.mean([table[row] for row in values], axis=0)
    np.testing.assert_allclose(embedding(batch.rows).detach().numpy(), expected, rtol=1e-5)


def test_mask_vectors_are_the_first_rows(embedding: FeatureEmbedding) -> None:
    assert embedding.mask_vectors()[:, 0].tolist() == [1.0, 2.0, 7.0, 11.0, 17.0]


def test_a_sequence_reads_the_rows_of_the_feature_it_shares(embedding: FeatureEmbedding) -> None:
    rows = torch.tensor([[14, 0, 0, 5, 8, 0, 14, 19]])
    history, item = embedding(rows)[0, [0, 3]].unbind(0)
    assert torch.equal(history, item)
    history.sum().backward()
    reached = embedding.weight.grad.abs().sum(1).nonzero().flatten().tolist()
    assert reached == [14]
    # Masked, they differ: each feature has a [MASK] of its own.
    masks = embedding.mask_vectors()
    assert not torch.equal(masks[0], masks[3])


def test_a_list_of_padding_alone_is_zero(embedding: FeatureEmbedding) -> None:
    rows = torch.tensor([[0, 0, 0, 5, 8, 0, 14, 19]])
    vectors = embedding(rows)
    assert vectors[0, 0].tolist() == [0.0, 0.0]
    vectors.sum().backward()
    assert embedding.weight.grad[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("size", [0, 1, 7])
def test_batch_sizes(size: int) -> None:
    embedding = FeatureEmbedding(LAYOUT, 3)
    batch = tiny_batch(size)
    vectors, masks = embedding.with_masks(batch.rows)
    assert vectors.shape == embedding(batch.rows).shape == (size, 5, 3)
    assert masks.shape == (5, 3)


def test_integer_widths_agree(embedding: FeatureEmbedding) -> None:
    short, long = tiny_batch(6).rows, tiny_batch(6, dtype=torch.int64).rows
    assert (short.dtype, long.dtype) == (torch.int32, torch.int64)
    for one, other in zip(embedding.with_masks(short), embedding.with_masks(long), strict=True):
        assert torch.equal(one, other)


def test_shared_lookup_equals_two_lookups(embedding: FeatureEmbedding) -> None:
    rows = tiny_batch(9).rows
    vectors, masks = embedding.with_masks(rows)
    assert torch.equal(vectors, embedding(rows))
    assert torch.equal(masks, embedding.mask_vectors())
    coefficients = torch.randn(vectors.shape)
    ((vectors * coefficients).sum() + masks.square().sum()).backward()
    shared = embedding.weight.grad.clone()
    embedding.weight.grad = None
    apart = (embedding(rows) * coefficients).sum() + embedding.mask_vectors().square().sum()
    apart.backward()
    torch.testing.assert_close(shared, embedding.weight.grad)


def test_order_of_samples_moves_with_them(embedding: FeatureEmbedding) -> None:
    rows, order = tiny_batch(6).rows, torch.tensor([5, 3, 0, 1, 4, 2])
    assert torch.equal(embedding(rows[order]), embedding(rows)[order])


def test_single_values_alone_need_no_putting_together() -> None:
    schema = Schema(
        features=(
            Feature(name="item", side=Side.ITEM, is_id=True),
            Feature(name="user", side=Side.USER, is_id=True),
        ),
        labels=("finish",),
        user="user",
        item="item",
    )
    embedding = FeatureEmbedding(plan_table(schema, {"item": 3, "user": 2}), 1)
    with torch.no_grad():
        embedding.weight.copy_(torch.arange(6.0).unsqueeze(1))
    # The user side's column comes first, the item's vector does.
    assert embedding(torch.tensor([[5, 2]]))[0, :, 0].tolist() == [2.0, 5.0]


def test_start_is_xavier_normal_within_each_feature() -> None:
    layout = plan_table(SCHEMA, {"user_id": 4000, "genres": 4, "item_id": 9000, "hour": 3})
    torch.manual_seed(0)
    embedding = FeatureEmbedding(layout, 16, scale=0.1)
    weight = embedding.weight.detach()
    assert (weight[0] == 0).all()
    assert (weight[embedding.mask_rows] == 0).all()
    for name, size in (("user_id", 4000), ("item_id", 9000)):
        slot = layout[name]
        own = weight[slot.offset + 1 : slot.offset + size]
        assert own.std().item() == pytest.approx(0.1 * (2 / (size + 16)) ** 0.5, rel=0.02)
    # Small vocabularies start larger; here every row is non-zero.
    hour = layout["hour"]
    assert (weight[hour.offset + 1 : hour.offset + 3].abs() > 0).all()
