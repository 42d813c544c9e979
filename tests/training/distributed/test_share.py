"""Shares of a global batch: every row once, runs that differ by one at most."""

from __future__ import annotations

from dataclasses import fields
from itertools import chain

import pytest
import torch

from workbench.data.dataset import Dataset
from workbench.data.stream.order import Share as StreamShare
from workbench.training.distributed.share import Share, shared_out


@pytest.mark.parametrize(("total", "size"), [(8, 2), (9, 2), (1, 2), (3, 4), (10, 3), (7, 7)])
def test_every_row_is_one_process_s(total: int, size: int) -> None:
    shares = [Share(rank, size, total) for rank in range(size)]
    own = [list(range(s.first, s.first + s.own)) for s in shares if s.own]
    assert list(chain.from_iterable(own)) == list(range(total))
    assert max(s.own for s in shares) - min(s.own for s in shares) <= 1
    assert max(s.rows.stop - s.rows.start for s in shares) == shares[0].longest


def test_weighted_means_of_shares_are_the_mean() -> None:
    """Three rows of two processes: (2 * 1/3 * 5 + 2 * 2/3 * 8) / 2 = 7, the mean of 5, 6 and 10."""
    losses = torch.tensor([5.0, 6.0, 10.0])
    shares = [Share(rank, 2, 3) for rank in range(2)]
    assert [share.weight for share in shares] == pytest.approx([2 / 3, 4 / 3])
    means = [losses[share.rows].mean() * share.weight for share in shares]
    assert float(sum(means)) / 2 == pytest.approx(7.0)


def test_an_empty_share_takes_part_with_a_row_that_weighs_nothing() -> None:
    share = Share(0, 2, 1)
    assert (share.own, share.weight) == (0, 0.0)
    assert share.rows == slice(0, 1)


def test_streamed_batches_are_cut_into_the_same_runs() -> None:
    for total in range(1, 30):
        for size in (2, 3, 5):
            for rank in range(size):
                share, other = Share(rank, size, total), StreamShare(rank, size)
                assert share.own == other.own(total)
                assert not share.own or share.first == other.before(total)


def test_shares_together_are_the_batches_of_one_process(small_world: Dataset) -> None:
    whole = list(small_world.batches("train", 250, torch.Generator().manual_seed(3), start=1))
    parts = []
    for rank in range(3):
        share = Share(rank, 3)
        dataset = shared_out(small_world, share)
        seen = []
        for batch in dataset.batches("train", 250, torch.Generator().manual_seed(3), start=1):
            assert share.total in (250, 50)
            seen.append(batch.rows)
        assert share.total == 0
        parts.append(seen)
    for index, batch in enumerate(whole):
        assert torch.equal(torch.cat([seen[index] for seen in parts]), batch.rows)


def test_nothing_but_training_is_shared_out(small_world: Dataset) -> None:
    dataset = shared_out(small_world, Share(1, 2))
    for split in ("valid", "test"):
        found = torch.cat([batch.rows for batch in dataset.batches(split, 100)])
        wanted = torch.cat([batch.rows for batch in small_world.batches(split, 100)])
        assert torch.equal(found, wanted)
    for one in fields(small_world):
        assert getattr(dataset, one.name) is getattr(small_world, one.name)
