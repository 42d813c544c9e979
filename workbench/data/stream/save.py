"""From a data set in memory to a streamable folder."""

from __future__ import annotations

from pathlib import Path

import torch

from workbench.data.dataset import Dataset
from workbench.data.encoding import counts_positives
from workbench.data.prepared_folder import DESCRIPTION, TENSORS, replacing
from workbench.data.splits import SPLITS
from workbench.data.store import describe
from workbench.data.store_checks import PROBABILITY
from workbench.data.stream.parts import Samples
from workbench.data.stream.writer import StreamWriter
from workbench.errors import InputError

_ROWS_AT_ONCE = 262_144


def save_streamed(dataset: Dataset, folder: Path, *, group_rows: int | None = None) -> None:
    """Write a data set into `folder` so that its rows can be streamed: all of it, or nothing.

    Args:
        dataset: in memory, on any device.
        folder: new, empty, or an earlier prepared data set, which is replaced.
        group_rows: rows of a row group; None: the usual.

    Raises:
        InputError: the folder holds something else, or cannot be written; or the data set has
            values hidden or is streamed itself.
    """
    if type(dataset) is not Dataset:
        raise InputError(f"{dataset.name}: only a whole data set in memory can be written")
    dataset = dataset.to("cpu")
    with replacing(folder) as building:
        writer = StreamWriter(
            building,
            building / TENSORS,
            dataset.schema,
            dataset.layout,
            positives_only=counts_positives(dataset),
            group_rows=group_rows,
        )
        try:
            writer.entities("user_rows", dataset.user_rows.numpy())
            writer.entities("item_rows", dataset.item_rows.numpy())
            for part, split in enumerate(SPLITS):
                for index in torch.split(dataset.splits[split], _ROWS_AT_ONCE):
                    chunk = {
                        name: getattr(dataset, name).index_select(0, index).numpy()
                        for name in Samples._fields
                    }
                    writer.samples(chunk, torch.full((len(index),), part).numpy())
            more = {}
            if dataset.truth is not None:
                held_out = torch.cat([dataset.splits[split] for split in SPLITS[1:]])
                more[PROBABILITY] = torch.from_numpy(dataset.truth.probability)[held_out]
            writer.close(more)
        finally:
            writer.abandon()
        (building / DESCRIPTION).write_text(describe(dataset), encoding="utf-8")
