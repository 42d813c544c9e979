"""Parts of a table hold the numbers of the whole one, and are dealt out as stated."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.nn.embedding import FeatureEmbedding
from workbench.training.distributed import tables
from workbench.training.distributed.group import Group
from workbench.training.distributed.rowwise import RowWiseEmbedding
from workbench.training.distributed.tables import pooled
from workbench.training.distributed.torchrec_table import check_split, families, places


@pytest.mark.parametrize(("size", "piece"), [(1, 1 << 24), (3, 1 << 24), (2, 700), (5, 64)])
def test_parts_start_with_the_numbers_of_the_whole(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch, size: int, piece: int
) -> None:
    """Also where they are drawn in pieces, as a table too large for one process is."""
    monkeypatch.setattr(tables, "_PIECE", piece)
    layout = small_world.layout
    torch.manual_seed(4)
    whole = FeatureEmbedding(layout, 5, 0.7).weight.detach()
    after = torch.rand(1)
    parts = []
    for rank in range(size):
        torch.manual_seed(4)
        part = RowWiseEmbedding(layout, 5, 0.7, Group(rank, size))
        assert torch.equal(torch.rand(1), after)  # what is drawn next is the same too
        parts.append(part.shard.detach())
        for block in part.blocks([part.shard.detach()]):
            assert torch.equal(block.values, whole[block.rows.start : block.rows.stop])
    together = torch.cat(parts)
    assert torch.equal(together[: layout.rows], whole)
    assert not together[layout.rows :].any()


def test_lists_are_averaged_as_embedding_bags_are(small_world: Dataset) -> None:
    embedding = FeatureEmbedding(small_world.layout, 3)
    rows = small_world.batch(small_world.splits["train"][:50]).rows
    vectors = F.embedding(rows.long(), embedding.weight)
    found = pooled(vectors, rows, small_world.layout)
    torch.testing.assert_close(found, embedding(rows), rtol=0, atol=1e-7)


def test_every_row_but_padding_is_in_one_family(small_world: Dataset) -> None:
    layout = small_world.layout
    seen = []
    for family in families(layout):
        local = []
        for own, whole in family.spans():
            local += list(own)
            seen += list(whole)
        assert local == list(range(family.rows))
    assert sorted(seen) == list(range(1, layout.rows))


def test_a_feature_finds_its_rows_in_its_family(small_world: Dataset) -> None:
    for family in families(small_world.layout):
        where = {}
        for own, whole in family.spans():
            where |= dict(zip(whole, own, strict=True))
        for slot in (family.owner, *family.sharing):
            rows = torch.tensor([slot.mask_row, *range(slot.offset + 1, slot.offset + slot.size)])
            assert family.local(slot, rows).tolist() == [where[int(row)] for row in rows]


def test_tables_are_dealt_out_by_size() -> None:
    """8 | 7, then 5 to the second, 4 to the first: 12 and 12."""
    assert places([5, 8, 4, 7], 2) == [1, 0, 0, 1]


def test_what_cannot_be_split_is_one_line(small_world: Dataset) -> None:
    pytest.importorskip("torchrec", reason="TorchRec is not installed (extra torchrec)")
    with pytest.raises(InputError, match="vectors have 6 entries"):
        check_split(small_world.layout, 6, Group(0, 2), "table_wise")
    with pytest.raises(InputError, match="must be a multiple of 8"):
        check_split(small_world.layout, 4, Group(0, 2), "column_wise")
    with pytest.raises(InputError, match="each process needs one"):
        check_split(small_world.layout, 4, Group(0, 99), "table_wise")


def test_without_torchrec_its_ways_are_refused(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchrec", None)
    with pytest.raises(InputError, match="needs TorchRec") as caught:
        check_split(small_world.layout, 8, Group(0, 2), "table_wise")
    assert "\n" not in str(caught.value)
