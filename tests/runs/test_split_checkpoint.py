"""A checkpoint in parts is read as untrusted data: nothing is unpickled, nothing is half read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from workbench.errors import InputError
from workbench.runs.split_checkpoint import (
    SplitCheckpoint,
    commit,
    drop_split,
    file_sum,
    folder_for,
    later_split,
    open_split,
)
from workbench.runs.writer import SPLIT_FILE, read_checkpoint

TABLE = torch.arange(20, dtype=torch.float32).view(5, 4)
HEADER = "DCP_SHARDING_INFO"


def part(path: Path, tensors: dict[str, Tensor], offsets: dict[str, list[int]]) -> None:
    """A file as torch.distributed.checkpoint's Hugging Face storage lays it out."""
    info = {name: {"saved_offsets": offset} for name, offset in offsets.items()}
    save_file(tensors, path, metadata={HEADER: json.dumps(info), "DCP_VERSION": "1.0"})


def write(
    run: Path, *, offset: tuple[int, int] = (3, 0), rows: int = 2, step: int = 0
) -> SplitCheckpoint:
    """Two parts of a table, cut by rows, and a number that only the first has."""
    folder = folder_for(run, 2, step)
    folder.mkdir(parents=True)
    first, second = (folder / f"shard-{n:05d}-model-00001-of-00001.safetensors" for n in (1, 2))
    part(
        first,
        {"table": TABLE[:3].clone(), "step": torch.tensor(7.0)},
        {"table": [0, 0], "step": []},
    )
    part(second, {"table": TABLE[5 - rows :].clone()}, {"table": list(offset)})
    commit(run, folder, {p.name: file_sum(p) for p in (first, second)}, {"epoch": 2, "step": step})
    return open_split(run)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "a-run"
    folder.mkdir()
    return folder


def test_parts_are_read_whole(run: Path) -> None:
    kept = write(run)
    tensors = kept.read_whole()
    assert torch.equal(tensors["table"], TABLE)
    assert tensors["step"] == 7
    found = read_checkpoint(run)
    assert found is not None
    assert found[1] == {"epoch": 2, "step": 0}


def test_the_layout_is_that_of_torch(run: Path) -> None:
    """What torch itself writes has the headers that these tests write by hand."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    writer = HuggingFaceStorageWriter(str(run / "torch"), save_distributed=True)
    save({"table": TABLE}, storage_writer=writer, no_dist=True)
    (file,) = (run / "torch").iterdir()
    with safe_open(file, framework="pt") as opened:
        header = opened.metadata()
    assert json.loads(header[HEADER]) == {"table": {"saved_offsets": [0, 0]}}


def test_an_older_checkpoint_goes_when_a_newer_is_whole(run: Path) -> None:
    write(run, step=0)
    newer = write(run, step=5)
    assert [path.name for path in run.glob("checkpoint-*")] == [newer.path.name]
    drop_split(run)
    assert not list(run.iterdir())


def test_the_later_of_two_kinds_counts(run: Path) -> None:
    write(run, step=5)
    assert later_split(run, None) is not None
    assert later_split(run, {"epoch": 1}) is not None
    assert later_split(run, {"epoch": 2, "step": 4}) is not None
    assert later_split(run, {"epoch": 2, "step": 5}) is None
    assert later_split(run, {"epoch": 3}) is None


class Bomb:
    """Runs when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", [".metadata", "more.safetensors", "shard-00001.distcp"])
def test_a_pickle_among_the_parts_is_refused_unread(run: Path, name: str) -> None:
    kept = write(run)
    exploded = run.parent / "exploded"
    (kept.path / name).write_bytes(pickle.dumps(Bomb(exploded)))
    with pytest.raises(InputError, match=f"{name}: not a part that checkpoint.json names"):
        kept.read_whole()
    assert not exploded.exists()


def test_a_pickle_in_a_part_s_place_is_refused_unread(run: Path) -> None:
    kept = write(run)
    exploded = run.parent / "exploded"
    name = sorted(kept.files)[0]
    (kept.path / name).write_bytes(pickle.dumps(Bomb(exploded)))
    with pytest.raises(InputError, match="damaged: not the file that was written"):
        kept.read_whole()
    # Even with the sum of the forged file it is no safetensors file.
    forged = {**kept.files, name: file_sum(kept.path / name)}
    commit(run, kept.path, forged, kept.facts)
    with pytest.raises(InputError, match="damaged or not a checkpoint"):
        open_split(run).read_whole()
    assert not exploded.exists()


def test_a_flipped_bit_and_a_missing_part_are_found(run: Path) -> None:
    kept = write(run)
    file = kept.path / sorted(kept.files)[1]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    kept.check(part=0, parts=2)  # another process adds that one up
    with pytest.raises(InputError, match="damaged"):
        kept.check(part=1, parts=2)
    file.unlink()
    with pytest.raises(InputError, match="or missing"):
        kept.check()


def test_a_part_that_links_elsewhere_is_refused(run: Path) -> None:
    kept = write(run)
    file = kept.path / sorted(kept.files)[0]
    file.rename(run.parent / "elsewhere")
    file.symlink_to(run.parent / "elsewhere")
    with pytest.raises(InputError, match="outside the run folder"):
        kept.check()


@pytest.mark.parametrize(
    ("offset", "rows"),
    [((2, 0), 2), ((3, 0), 1), ((-1, 0), 2), ((3, 1), 2), ((10**12, 0), 2), ((3, 0), 3)],
)
def test_parts_that_do_not_make_a_whole_are_refused(
    run: Path, offset: tuple[int, int], rows: int
) -> None:
    kept = write(run, offset=offset, rows=rows)
    if (offset, rows) == ((3, 0), 1):
        # Rows 0 to 3: whole in itself, but not the table that is wanted.
        with pytest.raises(InputError, match=r"'table' is torch.float32 \[4, 4\], must be"):
            kept.read({"table": torch.zeros(5, 4)}, alone=True)
        return
    if (offset, rows) == ((3, 0), 3):
        with pytest.raises(InputError, match=r"\[6, 4\], must be"):
            kept.read({"table": torch.zeros(5, 4)}, alone=True)
        return
    with pytest.raises(InputError, match="overlap or are missing") as caught:
        kept.read_whole()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header", ["[]", "{}", '{"table": 3}', '{"table": {"saved_offsets": 1}}'])
def test_a_header_that_makes_no_sense_is_refused(run: Path, header: str) -> None:
    kept = write(run)
    file = kept.path / sorted(kept.files)[0]
    save_file({"table": TABLE[:3].clone()}, file, metadata={HEADER: header})
    commit(run, kept.path, {**kept.files, file.name: file_sum(file)}, kept.facts)
    with pytest.raises(InputError, match="a-run/checkpoint-2-0: damaged") as caught:
        open_split(run).read_whole()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2: must be 1"),
        ({"folder": "../other"}, "must be like checkpoint-12-0"),
        ({"folder": 7}, "must be like checkpoint-12-0"),
        ({"folder": "checkpoint-9-9"}, "no such folder"),
        ({"files": {}}, "must be objects"),
        ({"files": {"../a.safetensors": "0" * 64}}, "must be a part with its SHA-256 sum"),
        ({"files": {"a.safetensors": "x"}}, "must be a part with its SHA-256 sum"),
        ({"facts": []}, "must be objects"),
    ],
)
def test_a_forged_pointer_is_refused(run: Path, change: dict[str, Any], message: str) -> None:
    write(run)
    values = json.loads((run / SPLIT_FILE).read_text())
    (run / SPLIT_FILE).write_text(json.dumps(values | change))
    with pytest.raises(InputError, match=message) as caught:
        open_split(run)
    assert "\n" not in str(caught.value)


def test_a_tensor_of_another_type_or_none_is_refused(run: Path) -> None:
    kept = write(run)
    with pytest.raises(InputError, match=r"must be torch.float64 \[5, 4\]"):
        kept.read({"table": torch.zeros(5, 4, dtype=torch.float64)}, alone=True)
    with pytest.raises(InputError, match="has no tensor 'bias'"):
        kept.read({"bias": torch.zeros(1)}, alone=True)


def test_segments_of_a_table_are_joined_in_order(run: Path) -> None:
    """By number, not by name: row 10 comes after row 2."""
    folder = folder_for(run, 1, 0)
    folder.mkdir()
    file = folder / "shard-00001-model-00001-of-00001.safetensors"
    tensors = {"t#10": TABLE[3:].clone(), "t#0": TABLE[:1].clone(), "t#2": TABLE[1:3].clone()}
    part(file, tensors, {name: [0, 0] for name in tensors})
    commit(run, folder, {file.name: file_sum(file)}, {"epoch": 1})
    assert torch.equal(open_split(run).read_whole()["t"], TABLE)


@pytest.mark.parametrize("name", ["t#x", "t#"])
def test_a_segment_without_a_number_is_refused(run: Path, name: str) -> None:
    folder = folder_for(run, 1, 0)
    folder.mkdir()
    file = folder / "shard-00001-model-00001-of-00001.safetensors"
    part(file, {name: TABLE}, {name: [0, 0]})
    commit(run, folder, {file.name: file_sum(file)}, {"epoch": 1})
    with pytest.raises(InputError, match="segments do not fit"):
        open_split(run).read_whole()
