"""Writing in pieces gives the files that writing at once gives; all of them, or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tests.data.stream.numbered import in_one, numbered
from workbench.data.dataset import Dataset
from workbench.data.perturb import hide_values
from workbench.data.prepared_folder import TENSORS, is_prepared
from workbench.data.store import load_dataset, save_dataset
from workbench.data.stream import parts, writer
from workbench.data.stream.parts import Samples
from workbench.data.stream.save import save_streamed
from workbench.data.stream.writer import StreamWriter
from workbench.errors import InputError


def write(folder: Path, dataset: Dataset, chunk: int) -> Path:
    """Write with samples of all splits mixed, `chunk` at a time."""
    folder.mkdir()
    made = StreamWriter(folder, folder / TENSORS, dataset.schema, dataset.layout, group_rows=4)
    for name in ("user_rows", "item_rows"):
        for rows in torch.split(getattr(dataset, name), chunk):
            made.entities(name, rows.numpy())
    part = np.arange(len(dataset)) % 3
    for index in torch.split(torch.arange(len(dataset)), chunk):
        columns = {name: getattr(dataset, name)[index].numpy() for name in Samples._fields}
        made.samples(columns, part[index.numpy()])
    made.close()
    return folder


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three row groups in a file, two of them written at once."""
    monkeypatch.setattr(writer, "GROUPS_PER_FILE", 3)
    monkeypatch.setattr(writer, "_GROUPS_AT_ONCE", 2)


@pytest.mark.usefixtures("small_files")
def test_pieces_of_any_size_give_the_same_files(tmp_path: Path) -> None:
    dataset = numbered(100, 7, 4)  # 111 samples, 37 in each part
    whole = write(tmp_path / "whole", dataset, 1000)
    listed = json.loads((whole / "stream.json").read_text())
    for split in ("train", "valid", "test"):
        sizes = [file["rows"] for file in listed[split]]
        assert sizes == [12, 12, 12, 1]
        groups = [pq.ParquetFile(whole / file["file"]).num_row_groups for file in listed[split]]
        assert groups == [3, 3, 3, 1]
        found = [pq.read_table(whole / file["file"]) for file in listed[split]]
        number = ("train", "valid", "test").index(split)
        assert [n for t in found for n in t["count:user:impression"].to_pylist()] == list(
            range(number, 111, 3)
        )
    for chunk in (1, 5, 64):
        again = write(tmp_path / f"by-{chunk}", dataset, chunk)
        names = sorted(path.name for path in whole.iterdir())
        assert sorted(path.name for path in again.iterdir()) == names
        for name in names:
            if name == TENSORS:
                # Moments are added up in another order.
                first, second = load_file(whole / name), load_file(again / name)
                assert first.keys() == second.keys()
                for key, value in first.items():
                    torch.testing.assert_close(value, second[key], rtol=1e-12, atol=1e-12)
            else:
                assert (again / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize("missing", ["valid", "test"])
def test_a_split_without_samples_is_refused(tmp_path: Path, missing: str) -> None:
    dataset = numbered(20, 0 if missing == "valid" else 3, 0 if missing == "test" else 3)
    with pytest.raises(InputError, match=f"{missing} split is empty"):
        save_streamed(dataset, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_prepared_data_set_is_replaced_by_one_of_the_other_kind(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    save_dataset(numbered(50), folder)
    save_streamed(numbered(60), folder)
    assert is_prepared(folder)
    assert load_dataset(folder).rows_in("train") == 60
    save_dataset(numbered(70), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.json", TENSORS]
    assert load_dataset(folder).rows_in("train") == 70


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    save_streamed(numbered(50), folder)
    (folder / "other.parquet").write_text("mine")
    assert not is_prepared(folder)
    with pytest.raises(InputError, match="not a prepared data set"):
        save_streamed(numbered(50), folder)
    assert (folder / "other.parquet").read_text() == "mine"


def test_a_failed_write_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    save_streamed(numbered(50), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    for place in (folder, tmp_path / "new"):
        with pytest.raises(InputError, match=r"cannot be written .*No space left"):
            save_streamed(numbered(60), place)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_only_whole_data_in_memory_is_written(tmp_path: Path) -> None:
    save_streamed(numbered(50), tmp_path / "out")
    for dataset in (load_dataset(tmp_path / "out"), hide_values(numbered(50), 0.5, seed=0)):
        with pytest.raises(InputError, match="only a whole data set in memory can be written"):
            save_streamed(dataset, tmp_path / "again")


def test_row_groups_are_of_the_size_that_reading_is_planned_for(tmp_path: Path) -> None:
    save_streamed(numbered(50), tmp_path / "out")
    listed = json.loads((tmp_path / "out" / "stream.json").read_text())
    assert listed["group_rows"] == parts.GROUP_ROWS
    assert in_one(load_dataset(tmp_path / "out").batches("train", 7)) == list(range(50))
