"""From the files of a streamable folder to a `StreamedDataset`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.raw import Truth
from workbench.data.store_checks import PROBABILITY, check_entities
from workbench.data.stream.dataset import HELD_OUT, WINDOW_ROWS, Splits, StreamedDataset
from workbench.data.stream.parts import Parts, Samples, sample_bytes
from workbench.data.stream.tally import TrainingStatistics
from workbench.errors import InputError
from workbench.memory import available_bytes, check_fits
from workbench.schema import Schema, TableLayout

HeldOut = Literal["auto", "memory", "disk"]
ENTITIES = ("user_rows", "item_rows")
# Held-out rows that take more than this part of the free memory stay on disk.
_PART_OF_MEMORY = 4


def streamed(
    dataset: Dataset,
    folder: Path,
    parts: Parts,
    tensors: Mapping[str, Tensor],
    place: str,
    *,
    window_rows: int | None = None,
    held_out: HeldOut | None = None,
) -> StreamedDataset:
    """A data set whose samples are in the files of `parts`.

    Args:
        dataset: everything but samples and splits; the true probabilities are those of the
            held-out samples.
        folder, parts: where the samples are.
        tensors: read from `place`, which errors name.
        window_rows: rows that are shuffled together.
        held_out: where the samples of valid and test are: "memory", "disk", or "auto" (None), which
            takes the memory if they fit easily. No number depends on it.

    Raises:
        InputError: tensors or a held-out file that do not fit, or windows larger than the memory.
    """
    window_rows = WINDOW_ROWS if window_rows is None else window_rows
    statistics = TrainingStatistics.read(
        tensors,
        dataset.schema,
        dataset.layout,
        len(dataset.user_rows),
        len(dataset.item_rows),
        place,
    )
    unknown = tensors.keys() - statistics.tensors().keys() - {*ENTITIES, PROBABILITY}
    for name in sorted(unknown):
        raise InputError(f"{place}: tensor '{name}' is not known")
    made = StreamedDataset(
        **{one.name: getattr(dataset, one.name) for one in fields(Dataset) if one.name != "splits"},
        splits=Splits(dataset.name, {}),
        folder=folder,
        parts=parts,
        statistics=statistics,
        window_rows=window_rows,
    )
    each = sample_bytes(made.schema, made.layout)
    longest = min(max(window_rows, parts.group_rows), parts.rows("train"))
    check_fits(
        2 * longest * (each + 8),
        f"data.shuffle_rows = {window_rows}: two windows of {longest} rows",
        "lower it",
    )
    needed = each * sum(parts.rows(split) for split in HELD_OUT)
    fits = _PART_OF_MEMORY * needed <= available_bytes()
    if held_out == "disk" or (held_out != "memory" and not fits):
        return _without_probabilities(made)
    check_fits(needed, "data.held_out = 'memory': validation and test rows", "allowed: auto, disk")
    return _held_in_memory(made)


def columns_without_samples(
    tensors: Mapping[str, Tensor], parts: Parts, schema: Schema, layout: TableLayout, place: str
) -> dict[str, Tensor]:
    """The columns of a `Dataset`: side tables as in `tensors`, and no samples.

    Raises:
        InputError: names the tensor that is missing or does not fit.
    """
    for name in ENTITIES:
        if name not in tensors:
            raise InputError(f"{place}: tensor '{name}' is missing")
    held_out = sum(parts.rows(split) for split in HELD_OUT)
    check_entities(dict(tensors), layout, held_out, place)
    sides = {name: tensors[name] for name in ENTITIES}
    return sides | Samples.empty(0, schema, layout)._asdict()


def _held_in_memory(dataset: StreamedDataset) -> StreamedDataset:
    sizes = [dataset.rows_in(split) for split in HELD_OUT]
    samples = Samples.joined(
        [
            dataset.reader(split).read_first(rows)
            for split, rows in zip(HELD_OUT, sizes, strict=True)
        ]
    )
    splits = dict(zip(HELD_OUT, torch.split(torch.arange(samples.rows), sizes), strict=True))
    return replace(dataset, **samples._asdict(), splits=Splits(dataset.name, splits))


def _without_probabilities(dataset: StreamedDataset) -> StreamedDataset:
    """Nothing is known of a sample that is not in memory."""
    if dataset.truth is None:
        return dataset
    truth = Truth(dataset.truth.probability[:0], dataset.truth.importance)
    return replace(dataset, truth=truth)
