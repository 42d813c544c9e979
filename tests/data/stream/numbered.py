"""A data set whose samples carry their number, so that a test can tell which ones it was given."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from workbench.data.dataset import Batch, Dataset
from workbench.data.store import load_dataset
from workbench.data.stream.dataset import StreamedDataset
from workbench.data.stream.save import save_streamed
from workbench.data.vocabulary import Vocabulary
from workbench.schema import Feature, Schema, Side, StateCount, plan_table

SIZES = {"user": 7, "item": 5, "place.of.use": 3}
SCHEMA = Schema(
    features=(
        Feature(name="user", side=Side.USER, is_id=True),
        Feature(name="item", side=Side.ITEM, is_id=True),
        Feature(name="place.of.use"),
    ),
    labels=("click",),
    user="user",
    item="item",
    has_time=True,
    counts=(StateCount(feature="user"),),
)


def numbered(train: int = 1000, valid: int = 30, test: int = 20) -> Dataset:
    """Sample i has the user i % 7, the item i % 5, the place i % 3, the label i % 2 and, as its
    count of impressions, its own number i. Splits follow one another.
    """
    number = np.arange(train + valid + test)
    vocabularies = {name: Vocabulary(np.arange(size)) for name, size in SIZES.items()}
    layout = plan_table(SCHEMA, {name: len(v) for name, v in vocabularies.items()})

    def rows(name: str, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values + 1 + layout[name].offset).int()[:, None]

    parts = torch.split(torch.arange(len(number)), [train, valid, test])
    return Dataset(
        name="numbered",
        schema=SCHEMA,
        layout=layout,
        vocabularies=vocabularies,
        user_rows=rows("user", np.arange(7)),
        item_rows=rows("item", np.arange(5)),
        context_rows=rows("place.of.use", number % 3),
        users=torch.from_numpy(number % 7).int(),
        items=torch.from_numpy(number % 5).int(),
        labels=torch.from_numpy(number % 2).to(torch.uint8)[:, None],
        counts=torch.from_numpy(number).float()[:, None],
        splits=dict(zip(("train", "valid", "test"), parts, strict=True)),
        default_counts=("user:impression",),
    )


def streamed(
    folder: Path, *, train: int = 1000, group_rows: int = 64, window_rows: int = 200
) -> StreamedDataset:
    """`numbered` from files, with row groups and windows so small that there are many."""
    save_streamed(numbered(train), folder, group_rows=group_rows)
    found = load_dataset(folder, window_rows=window_rows)
    assert isinstance(found, StreamedDataset)
    return found


def numbers(batches: Iterable[Batch]) -> list[list[int]]:
    """The numbers of the samples of some batches; checks that the other columns are theirs."""
    found = []
    for batch in batches:
        own = batch.counts[:, 0].long()
        # User rows are 1 + 1..7, behind [PAD] and [MASK]; item rows follow 8 later, places 6 later.
        columns = torch.stack((2 + own % 7, 10 + own % 5, 16 + own % 3), dim=1)
        assert torch.equal(batch.rows.long(), columns)
        assert torch.equal(batch.labels[:, 0].long(), own % 2)
        found.append(own.tolist())
    return found


def in_one(batches: Iterable[Batch]) -> list[int]:
    """`numbers`, end to end."""
    return [number for batch in numbers(batches) for number in batch]
