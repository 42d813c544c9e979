from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.data.tiny import SPLITS, tiny_raw
from workbench.config import DataConfig, PlantedConfig
from workbench.data.dataset import Dataset
from workbench.data.encode import build_dataset
from workbench.data.prepared_folder import DESCRIPTION, TENSORS, is_prepared
from workbench.data.registry import load
from workbench.data.store import load_dataset, save_dataset
from workbench.errors import InputError

TENSOR_FIELDS = (
    "user_rows",
    "item_rows",
    "context_rows",
    "users",
    "items",
    "labels",
    "counts",
)


@pytest.fixture
def dataset() -> Dataset:
    return build_dataset(tiny_raw(), DataConfig(source="tiny"), SPLITS)


@pytest.fixture
def saved(dataset: Dataset, tmp_path: Path) -> Path:
    folder = tmp_path / "prepared"
    save_dataset(dataset, folder)
    return folder


def _assert_equal(first: Dataset, second: Dataset) -> None:
    for name in TENSOR_FIELDS:
        assert torch.equal(getattr(first, name), getattr(second, name)), name
        assert getattr(first, name).dtype == getattr(second, name).dtype, name
    for name in first.splits:
        assert torch.equal(first.splits[name], second.splits[name])
    for name in ("name", "schema", "layout", "vocabularies", "default_counts", "card"):
        assert getattr(first, name) == getattr(second, name), name


def test_round_trip(dataset: Dataset, saved: Path) -> None:
    assert is_prepared(saved)
    again = load_dataset(saved)
    _assert_equal(dataset, again)
    assert again.truth is None


def test_round_trip_of_the_planted_world(tmp_path: Path) -> None:
    dataset = load(DataConfig(planted=PlantedConfig(rows=2_000)))
    save_dataset(dataset, tmp_path / "world")
    again = load(DataConfig(source=str(tmp_path / "world")))
    _assert_equal(dataset, again)
    assert dataset.truth is not None
    assert again.truth is not None
    assert (dataset.truth.probability == again.truth.probability).all()
    assert dataset.truth.importance.equals(again.truth.importance)


def test_an_earlier_prepared_data_set_is_replaced(dataset: Dataset, saved: Path) -> None:
    other = load(DataConfig(planted=PlantedConfig(rows=2_000)))
    save_dataset(other, saved)
    assert load_dataset(saved).name == "planted"
    assert sorted(path.name for path in saved.parent.iterdir()) == ["prepared"]


def test_an_empty_folder_is_filled(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    save_dataset(dataset, tmp_path / "empty")
    assert load_dataset(tmp_path / "empty").name == "tiny"


def test_other_folders_are_left_alone(dataset: Dataset, saved: Path, tmp_path: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not a prepared data set"):
        save_dataset(dataset, saved)
    assert (saved / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="not a prepared data set"):
        save_dataset(dataset, tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a prepared data set"):
        save_dataset(dataset, tmp_path / "link")


def test_a_failed_write_leaves_nothing_half_written(
    dataset: Dataset, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    monkeypatch.setattr(Path, "write_text", full)
    for folder in (saved, saved.parent / "new"):
        with pytest.raises(InputError, match=r"cannot be written .*No space left"):
            save_dataset(dataset, folder)
    assert [path.name for path in saved.parent.iterdir()] == ["prepared"]
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_unwritable_place(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_dataset(dataset, tmp_path / "file" / "prepared")


def test_missing_and_broken_files(saved: Path) -> None:
    with pytest.raises(InputError, match=r"nothing/dataset\.json: cannot be read"):
        load_dataset(saved.parent / "nothing")
    (saved / TENSORS).write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00notjson!")
    with pytest.raises(InputError, match=r"tensors\.safetensors: cannot be read"):
        load_dataset(saved)
    (saved / TENSORS).unlink()
    with pytest.raises(InputError, match=r"tensors\.safetensors: cannot be read"):
        load_dataset(saved)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "dataset.json"),
        ('{"format": 2}', "format 2 is newer"),
        ('{"format": 1, "surprise": 0}', "dataset.json: "),
    ],
)
def test_broken_description(saved: Path, text: str, message: str) -> None:
    (saved / DESCRIPTION).write_text(text)
    with pytest.raises(InputError, match=message) as refusal:
        load_dataset(saved)
    assert "\n" not in str(refusal.value)


def _describe(saved: Path, **changes: Any) -> None:
    values = json.loads((saved / DESCRIPTION).read_text())
    (saved / DESCRIPTION).write_text(json.dumps({**values, **changes}))


def test_description_that_does_not_fit(saved: Path) -> None:
    original = (saved / DESCRIPTION).read_text()
    vocabularies = json.loads(original)["vocabularies"]
    for changes, message in (
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"default_counts": ["user:share"]}, "'user:share' is not a count"),
        ({"vocabularies": {}}, "vocabularies: must be those of item, length, place, tags, user"),
        ({"importance": [["user", 0, 1.0]]}, "belong together"),
        (
            {"vocabularies": {**vocabularies, "user": {"kind": "values", "values": [2, 1]}}},
            "vocabularies.user: 'values' must be finite, distinct and ascending",
        ),
        # One value less: every later feature's rows move, and the tensors no longer fit.
        (
            {"vocabularies": {**vocabularies, "user": {"kind": "values", "values": [10]}}},
            "has a row outside those of feature",
        ),
    ):
        (saved / DESCRIPTION).write_text(original)
        _describe(saved, **changes)
        with pytest.raises(InputError, match=message):
            load_dataset(saved)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("users", lambda t: t + 3, "'users' points outside 'user_rows'"),
        ("items", lambda t: t - 1, "'items' points outside 'item_rows'"),
        ("items", lambda t: t[:-1], "'items' has 9 samples; 'users' has 10"),
        ("items", lambda t: t.long(), r"'items' is torch.int64 \(10,\); needed: torch.int32"),
        ("labels", lambda t: t + 1, "'labels' has a value other than 0 and 1"),
        ("labels", lambda t: t[:, :1].contiguous(), r"needed: torch.uint8 \(any, 2\)"),
        ("counts", lambda t: t - 10, "'counts' has a value that is negative"),
        ("counts", lambda t: t * float("nan"), "'counts' has a value that is negative or not fin"),
        ("user_rows", lambda t: t + 1, "'user_rows' has a row outside those of feature 'user'"),
        ("item_rows", lambda t: t * 0, "'item_rows' has a row outside those of feature 'item'"),
        ("context_rows", lambda t: t.flip(1), "'context_rows' has a row outside"),
        ("split.train", lambda t: t[:0], "'split.train' is empty"),
        ("split.valid", lambda t: t + 100, "'split.valid' is empty or points outside"),
        ("split.test", lambda t: t * 0, "'split.test' repeats a sample"),
        ("split.test", None, "'split.test' is missing"),
        ("surprise", lambda t: torch.zeros(1), "'surprise' is not known"),
        (
            "truth.probability",
            lambda t: torch.full((10,), 1.5),
            "'truth.probability' has a value outside 0..1",
        ),
    ],
)
def test_tampered_tensors(saved: Path, name: str, change: Any, message: str) -> None:
    tensors = load_file(saved / TENSORS)
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors.get(name))
    save_file(tensors, saved / TENSORS)
    with pytest.raises(InputError, match=message):
        load_dataset(saved)
