"""Batches of a data set in memory: every sample once, however many are gathered at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from workbench.data import dataset as module
from workbench.data.dataset import Batch, Dataset


def same(one: Batch, other: Batch) -> bool:
    pairs = ((one.rows, other.rows), (one.counts, other.counts), (one.labels, other.labels))
    return all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("gathered", [1, 64, 200, 16_384])
@pytest.mark.parametrize("start", [0, 3])
def test_batches_are_those_gathered_one_by_one(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch, gathered: int, start: int
) -> None:
    monkeypatch.setattr(module, "ROWS_GATHERED", gathered)
    index = small_world.splits["train"]
    order = torch.randperm(len(index), generator=torch.Generator().manual_seed(5))
    expected = [small_world.batch(part) for part in torch.split(index[order], 64)]
    draws = torch.Generator().manual_seed(5)
    found = list(small_world.batches("train", 64, draws, start=start))
    assert len(found) == small_world.steps("train", 64) - start
    assert all(same(*pair) for pair in zip(found, expected[start:], strict=True))


def test_nothing_is_left_after_the_last_batch(small_world: Dataset) -> None:
    steps = small_world.steps("train", 64)
    assert not list(small_world.batches("train", 64, start=steps))


def test_a_split_without_samples_is_one_empty_batch(small_world: Dataset) -> None:
    """So that predictions of it are an empty tensor."""
    splits = {**small_world.splits, "test": small_world.splits["test"][:0]}
    empty = replace(small_world, splits=splits)
    assert [len(batch) for batch in empty.batches("test", 64)] == [0]
