"""A prepared data set on disk: two files, checked when they are read, nothing ever unpickled."""

from __future__ import annotations

import glob
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.raw import Truth
from workbench.data.splits import SPLITS
from workbench.data.store_checks import PROBABILITY, check_tensors
from workbench.data.vocabulary import Vocabulary
from workbench.errors import InputError, first_problem
from workbench.schema import Schema, plan_table

FORMAT: Literal[1] = 1
DESCRIPTION = "dataset.json"
TENSORS = "tensors.safetensors"
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
    importance = None
    if dataset.truth is not None:
        tensors[PROBABILITY] = torch.from_numpy(dataset.truth.probability)
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
    with replacing(folder) as building:
        ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(ready, building / TENSORS)
        (building / DESCRIPTION).write_text(description.model_dump_json(), encoding="utf-8")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder to write a data set into; it becomes `folder` at the end, or nothing changes.

    Args:
        folder: new, empty, or an earlier prepared data set.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    folder = folder.absolute()
    _tidy(folder)
    _check_replaceable(folder)
    building = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    replaced = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        building.mkdir()
        yield building
        if folder.exists():
            folder.rename(replaced)
        building.rename(folder)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder}: cannot be written ({error})") from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        shutil.rmtree(replaced, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Undo what a killed process left: a replaced data set comes back, half-written ones go.

    Only what nobody has touched for an hour goes: a process of another machine may still write it.
    """
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        pid, _, kind = left.name.removeprefix(f".{folder.name}.").partition(".")
        if not pid.isdigit() or kind not in ("new", "old") or _alive(int(pid)):
            continue
        with suppress(OSError):
            if kind == "old" and not folder.exists():
                left.rename(folder)
            elif int(pid) == os.getpid() or time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid != os.getpid()  # one that had this process's number before it is gone


def load_dataset(folder: Path) -> Dataset:
    """Read a prepared data set.

    Raises:
        InputError: a missing or broken file, or contents that do not fit together.
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
    check_tensors(tensors, schema, layout, str(folder / TENSORS))
    truth = tensors.get(PROBABILITY)
    if (truth is None) != (description.importance is None):
        raise InputError(f"{place}: importance and the true probabilities belong together")
    return Dataset(
        name=description.name,
        schema=schema,
        layout=layout,
        vocabularies=vocabularies,
        **{name: tensors[name] for name in _COLUMNS},
        splits={name: tensors[f"split.{name}"] for name in SPLITS},
        default_counts=description.default_counts,
        card=description.card,
        truth=None if truth is None else _truth(truth, description.importance or []),
    )


def is_prepared(folder: Path) -> bool:
    """Whether a folder holds a prepared data set and nothing else."""
    try:
        return sorted(os.listdir(folder)) == sorted((DESCRIPTION, TENSORS))
    except OSError:
        return False


def _check_replaceable(folder: Path) -> None:
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.is_symlink() or (folder.exists() and not empty and not is_prepared(folder)):
        raise InputError(
            f"{folder}: holds something that is not a prepared data set; name a new folder"
        )


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
