"""A prepared data set on disk, checked when it is read; nothing is ever unpickled.

Two files, ``dataset.json`` and ``tensors.safetensors``. Where ``stream.json`` lies beside them, the
samples are in Parquet files: see `workbench.data.stream`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.prepared_folder import DESCRIPTION, TENSORS, replacing
from workbench.data.raw import Truth
from workbench.data.splits import SPLITS
from workbench.data.store_checks import PROBABILITY, check_tensors
from workbench.data.stream.opening import HeldOut, columns_without_samples, streamed
from workbench.data.stream.parts import STREAM, read_parts
from workbench.data.vocabulary import Vocabulary
from workbench.errors import InputError, first_problem
from workbench.schema import Schema, plan_table

FORMAT: Literal[1] = 1
# Vocabularies of tens of millions of values fit; more is not a data set of ours.
LARGEST_DESCRIPTION = 2**30

_COLUMNS = ("user_rows", "item_rows", "context_rows", "users", "items", "labels", "counts")


class _Description(BaseModel):
    """What ``dataset.json`` holds; the table layout follows from schema and vocabularies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    name: str
    table: Schema
    vocabularies: dict[str, Any]
    default_counts: tuple[str, ...]
    card: dict[str, Any]
    importance: list[tuple[str, int, float]] | None


def save_dataset(dataset: Dataset, folder: Path) -> None:
    """Write a data set into `folder`: all of it, or nothing.

    Args:
        dataset: on any device.
        folder: new, empty, or an earlier prepared data set, which is replaced.

    Raises:
        InputError: the folder holds something else, or cannot be written; or the data set has
            values hidden, which live in memory only.
    """
    if type(dataset) is not Dataset:
        raise InputError(f"{dataset.name}: a data set with hidden values cannot be written")
    tensors = {name: getattr(dataset, name) for name in _COLUMNS}
    tensors |= {f"split.{name}": index for name, index in dataset.splits.items()}
    if dataset.truth is not None:
        tensors[PROBABILITY] = torch.from_numpy(dataset.truth.probability)
    with replacing(folder) as building:
        ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(ready, building / TENSORS)
        (building / DESCRIPTION).write_text(describe(dataset), encoding="utf-8")


def describe(dataset: Dataset) -> str:
    """What ``dataset.json`` holds of a data set."""
    importance = None
    if dataset.truth is not None:
        table = dataset.truth.importance
        importance = list(
            zip(table["feature"], table["activity"], table["importance"], strict=True)
        )
    description = _Description(
        format=FORMAT,
        name=dataset.name,
        table=dataset.schema,
        vocabularies={name: v.to_dict() for name, v in dataset.vocabularies.items()},
        default_counts=dataset.default_counts,
        card=dataset.card,
        importance=importance,
    )
    return description.model_dump_json()


def load_dataset(
    folder: Path, *, window_rows: int | None = None, held_out: HeldOut | None = None
) -> Dataset:
    """Read a prepared data set; one whose rows can be streamed becomes a `StreamedDataset`.

    Args:
        folder: of the data set.
        window_rows, held_out: of a streamed one, see `workbench.data.stream.dataset.streamed`;
            None: its own choice.

    Raises:
        InputError: a missing or broken file, or contents that do not fit together; settings of a
            streamed data set for one that is not.
    """
    description = _read_description(folder / DESCRIPTION)
    place = str(folder / DESCRIPTION)
    schema = description.table
    own = {feature.name for feature in schema.features if feature.shares is None}
    if set(description.vocabularies) != own:
        raise InputError(f"{place}: vocabularies: must be those of {', '.join(sorted(own))}")
    vocabularies = {
        name: Vocabulary.from_dict(content, f"{place}: vocabularies.{name}")
        for name, content in description.vocabularies.items()
    }
    known = {count.name for count in schema.counts}
    for name in description.default_counts:
        if name not in known:
            raise InputError(f"{place}: default_counts: '{name}' is not a count of the schema")
    layout = plan_table(schema, {name: len(v) for name, v in vocabularies.items()})

    tensors = _read_tensors(folder / TENSORS)
    parts = read_parts(folder) if os.path.lexists(folder / STREAM) else None
    if parts is None:
        check_tensors(tensors, schema, layout, str(folder / TENSORS))
        columns = {name: tensors[name] for name in _COLUMNS}
        splits = {name: tensors[f"split.{name}"] for name in SPLITS}
    else:
        columns = columns_without_samples(tensors, parts, schema, layout, str(folder / TENSORS))
        splits = {}
    truth = tensors.get(PROBABILITY)
    if (truth is None) != (description.importance is None):
        raise InputError(f"{place}: importance and the true probabilities belong together")
    dataset = Dataset(
        name=description.name,
        schema=schema,
        layout=layout,
        vocabularies=vocabularies,
        **columns,
        splits=splits,
        default_counts=description.default_counts,
        card=description.card,
        truth=None if truth is None else _truth(truth, description.importance or []),
    )
    if parts is not None:
        return streamed(
            dataset,
            folder,
            parts,
            tensors,
            str(folder / TENSORS),
            window_rows=window_rows,
            held_out=held_out,
        )
    for key, value in (("shuffle_rows", window_rows), ("held_out", held_out)):
        if value is not None:
            raise InputError(
                f"data.{key} = {value}: '{folder}' is not streamed; leave it out, or prepare the "
                "data with --stream"
            )
    return dataset


def _read_description(path: Path) -> _Description:
    try:
        if path.stat().st_size > LARGEST_DESCRIPTION:
            raise InputError(f"{path}: larger than {LARGEST_DESCRIPTION} bytes")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not JSON ({error})") from None
    found = values.get("format") if isinstance(values, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise InputError(f"{path}: format {found} is newer than this program's {FORMAT}; upgrade")
    try:
        return _Description.model_validate(values)
    except ValidationError as error:
        raise first_problem(error, str(path)) from None


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None


def _truth(probability: Tensor, importance: list[tuple[str, int, float]]) -> Truth:
    table = pd.DataFrame.from_records(importance, columns=["feature", "activity", "importance"])
    return Truth(probability=probability.numpy(), importance=table)
