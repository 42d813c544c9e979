"""The folder's own description is untrusted too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.data.stream.numbered import streamed
from workbench.data.dataset import Dataset
from workbench.data.prepared_folder import TENSORS
from workbench.data.store import load_dataset, save_dataset
from workbench.data.stream.parts import STREAM
from workbench.data.stream.save import save_streamed
from workbench.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return streamed(tmp_path / "s", train=100).folder


TRAIN = [{"file": "train-00000.parquet", "rows": 100}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2 is newer"),
        ({"surprise": 1}, "surprise"),
        ({"group_rows": 0}, "group_rows"),
        ({"group_rows": 2**23}, "group_rows"),
        ({"train": []}, "train"),
        ({"train": [{"file": "../train-00000.parquet", "rows": 100}]}, "train.0.file"),
        ({"train": [{"file": "/etc/train-00000.parquet", "rows": 100}]}, "train.0.file"),
        ({"train": [{"file": "train-00000.parquet\n", "rows": 100}]}, "train.0.file"),
        ({"train": [{"file": "train-00000.parquet", "rows": 0}]}, "train.0.rows"),
        ({"train": [{"file": "train-00009.parquet", "rows": 100}]}, "00009.parquet: is missing"),
        ({"train": TRAIN * 2}, "names a file twice"),
        ({"valid": TRAIN}, "names a file twice"),
    ],
)
def test_a_description_that_cannot_be_is_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    path = folder / STREAM
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message) as refusal:
        load_dataset(folder)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\0"])
def test_a_description_that_is_not_one_is_refused(folder: Path, text: str) -> None:
    (folder / STREAM).write_text(text)
    with pytest.raises(InputError, match=r"stream\.json"):
        load_dataset(folder)


def test_more_rows_than_the_file_has_are_refused(folder: Path) -> None:
    path = folder / STREAM
    values = json.loads(path.read_text())
    values["valid"][0]["rows"] = 31
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"valid-00000\.parquet: has 30 rows; needed: 31"):
        load_dataset(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("user_rows", None, "'user_rows' is missing"),
        ("user_rows", lambda t: t + 1, "'user_rows' has a row outside those of feature 'user'"),
        ("item_rows", lambda t: t.long(), r"'item_rows' is torch.int64"),
        ("item_rows", lambda t: t[:, :0].contiguous(), "needed: torch.int32"),
        ("train.users", None, "'train.users' is missing"),
        ("train.users", lambda t: t[1:], r"'train.users' is torch.int64 \(6,\); needed"),
        ("train.items", lambda t: t.int(), r"'train.items' is torch.int32"),
        ("train.items", lambda t: t - 10**6, "'train.items' has a value below 0"),
        ("train.log_counts", lambda t: t * float("nan"), "'train.log_counts' has a value"),
        ("train.values.user", None, "'train.values.user' is missing"),
        ("train.totals.user:impression", lambda t: t[:1], "'train.totals.user:impression' is"),
        ("surprise", lambda t: torch.zeros(1), "'surprise' is not known"),
        ("split.train", lambda t: torch.zeros(1), "'split.train' is not known"),
        ("truth.probability", lambda t: torch.zeros(50), "belong together"),
        ("truth.probability", lambda t: torch.zeros(49), "has other than 50 samples"),
        ("truth.probability", lambda t: torch.full((50,), 2.0), "a value outside 0..1"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    folder: Path, name: str, change: Any, message: str
) -> None:
    tensors = load_file(folder / TENSORS)
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors.get(name))
    save_file(tensors, folder / TENSORS)
    with pytest.raises(InputError, match=message) as refusal:
        load_dataset(folder)
    assert "\n" not in str(refusal.value)


def test_a_history_of_items_that_are_not_there_is_refused(
    tmp_path: Path, small_world: Dataset
) -> None:
    folder = tmp_path / "world"
    save_streamed(small_world, folder)
    tensors = load_file(folder / TENSORS)
    (name,) = [name for name in tensors if name.startswith("train.recent.")]
    tensors[name] += 10**6
    save_file(tensors, folder / TENSORS)
    with pytest.raises(InputError, match=f"{name}' has a code that"):
        load_dataset(folder)


@pytest.mark.parametrize("setting", [{"window_rows": 9}, {"held_out": "disk"}])
def test_settings_of_streams_are_refused_elsewhere(
    tmp_path: Path, small_world: Dataset, setting: dict[str, Any]
) -> None:
    save_dataset(small_world, tmp_path / "memory")
    with pytest.raises(InputError, match="is not streamed; leave it out"):
        load_dataset(tmp_path / "memory", **setting)
