"""Full disks, locked doors, damaged and forged run folders: one clear line each."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.faults.conftest import Nursery
from tests.faults.test_killed_training import SETTINGS
from workbench.cli import main
from workbench.config import ExperimentConfig, PlantedConfig
from workbench.data.sources.planted import read_planted
from workbench.errors import InputError
from workbench.memory import available_bytes
from workbench.nn.build import build_model
from workbench.runs import Run, RunStore
from workbench.training.experiment import train_run

SMALL = ExperimentConfig.parse(
    {
        "data": {"planted": {"rows": 300}},
        "model": {"name": "youtube_dnn", "dim": 2, "options": {"hidden": [4]}},
        "training": {"batch_size": 100, "epochs": 2, "device": "cpu"},
    }
)


def one_line(said: str) -> str:
    """The program's own last word; nothing of Python's may be in it."""
    assert "Traceback" not in said
    return [line for line in said.splitlines() if line.startswith("workbench: ")][-1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = RunStore(tmp_path_factory.mktemp("trained"))
    return train_run(SMALL, store, name="run").path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """A copy of a trained run, to be damaged."""
    shutil.copytree(trained, tmp_path / "run")
    return Run.read(tmp_path / "run")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own in memory; skips where only the system's owner may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a small disk here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_full_from_the_start(nursery: Nursery, small_disk: Path) -> None:
    (small_disk / "other").write_bytes(b"x" * 65536)
    answer = nursery.run(*SETTINGS, "--runs", small_disk / "runs", "--name", "full")
    assert answer["code"] == 2
    assert "No space left on device" in one_line(answer["said"])
    assert RunStore(small_disk / "runs").list() == []


def test_a_disk_that_fills_up_while_training(nursery: Nursery, small_disk: Path) -> None:
    """At whatever file it happens: the folder opens, and with more room the run goes on."""
    stages = set()
    for kib in (64, 96, 128, 192):
        name = f"at-{kib}"
        subprocess.run(["mount", "-o", f"remount,size={kib}k", str(small_disk)], check=True)
        answer = nursery.run(*SETTINGS, "--runs", small_disk / "runs", "--name", name)
        assert answer["code"] == 2
        line = one_line(answer["said"])
        assert "cannot be written (No space left on device)" in line or "No space left" in line
        runs = {run.name: run for run in RunStore(small_disk / "runs").list()}
        assert all(run.problem is None for run in runs.values())
        stages.add(line.split(": cannot")[0].rpartition("/")[2])
        subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
        if name in runs:
            assert runs[name].state in ("failed", "running")
            resume = ["train", "--resume", name, "--runs", small_disk / "runs"]
            again = nursery.run(*resume)
            assert again["code"] == 0, again["said"]
            assert RunStore(small_disk / "runs").open(name).state == "finished"
        shutil.rmtree(small_disk / "runs", ignore_errors=True)
    assert len(stages) > 1, stages


# The least is more than the one line of the answer, which goes to a file too.
@pytest.mark.parametrize("largest", [600, 3_000, 20_000])
def test_files_that_may_not_grow(nursery: Nursery, tmp_path: Path, largest: int) -> None:
    """The same as a full disk, without a disk: the system refuses to write on."""
    answer = nursery.run(
        *SETTINGS, "--runs", tmp_path / "runs", "--name", "run", largest_file=largest
    )
    assert answer["code"] == 2
    assert "cannot be written" in one_line(answer["said"])
    runs = RunStore(tmp_path / "runs").list()
    assert all(run.problem is None for run in runs)
    prepared = nursery.run(
        "data", "prepare", "planted", "--out", tmp_path / "data", largest_file=largest
    )
    assert prepared["code"] == 2
    assert "cannot be written" in one_line(prepared["said"])
    assert not (tmp_path / "data").exists()
    assert not list(tmp_path.glob(".data*"))


def test_a_folder_without_the_right_to_write(trained: Path, tmp_path: Path) -> None:
    """As another user than the folder's owner, which the system's owner can become for a while."""
    locked = tmp_path / "locked"
    shutil.copytree(trained, locked / "run")
    owner = os.geteuid() == 0
    # Up to the one below the system's own; tests side by side have one more than others.
    own = [folder for folder in tmp_path.parents if folder.stat().st_uid == os.geteuid()]
    own = [folder for folder in own if "pytest" in str(folder)]
    for folder in (locked, locked / "run", *own, tmp_path):
        folder.chmod(0o755 if owner or folder not in (locked, locked / "run") else 0o555)
    store = RunStore(locked)
    if owner:
        os.seteuid(65534)
    try:
        assert [one.problem for one in store.list()] == [None]
        with pytest.raises(InputError, match=r"locked: cannot be written \(Permission denied"):
            store.create(SMALL)
        with pytest.raises(InputError, match=r"run 'run': cannot be moved \(Permission denied"):
            store.delete("run")
    finally:
        if owner:
            os.seteuid(0)
        locked.chmod(0o755)


def test_a_file_where_the_store_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("not a folder")
    small = ["--set", "data.planted.rows=300", "--epochs", "1"]
    assert main(["train", *small, "--runs", str(tmp_path / "runs")]) == 2
    assert "cannot be written" in one_line(capsys.readouterr().err)


def test_a_flipped_bit_in_the_weights(run: Run) -> None:
    path = run.path / "weights.safetensors"
    data = bytearray(path.read_bytes())
    (header,) = struct.unpack("<Q", data[:8])
    for place in (8 + header, len(data) // 2 + header // 2, len(data) - 1):
        changed = data.copy()
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"its numbers are not those that were written"):
            run.weights()
    path.write_bytes(data)
    assert run.weights()


@pytest.mark.parametrize("kept", [0, 7, 8, 50, 500, -1])
def test_truncated_weights(run: Run, kept: int) -> None:
    path = run.path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"run/weights\.safetensors: damaged or not safetensors"):
        run.weights()


@pytest.mark.parametrize("length", [2**31, 2**40, 2**63, 2**64 - 1])
def test_a_huge_header_is_not_believed(run: Run, length: int) -> None:
    path = run.path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    with pytest.raises(InputError, match=r"damaged or not safetensors"):
        run.weights()


def forge(run: Run, change: Any) -> None:
    """Write other weights without a checksum, as a forger would."""
    path = run.path / "weights.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def test_forged_weights(run: Run) -> None:
    """Wrong names, shapes, types and numbers that are not finite."""
    whole = (run.path / "weights.safetensors").read_bytes()
    name = "embedding.weight"

    def wider(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name] = torch.zeros(tensors[name].shape[0], 4000)

    def longer(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name] = torch.zeros(tensors[name].shape[0] + 1, tensors[name].shape[1])

    def other_shape(tensors: dict[str, torch.Tensor]) -> None:
        key = next(key for key in tensors if key != name and tensors[key].dim() == 2)
        tensors[key] = tensors[key].t().contiguous()

    def not_finite(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name][3, 1] = float("nan")

    for change, reason in (
        (wider, "does not fit config.json"),
        (longer, "embedding table"),
        (other_shape, "does not fit config.json"),
        (lambda tensors: tensors.pop(name), "embedding table none"),
        (lambda tensors: tensors.update(x=torch.ones(1)), "does not fit config.json"),
        (not_finite, r"'embedding\.weight' holds a number that is not finite"),
    ):
        forge(run, change)
        with pytest.raises(InputError, match=reason):
            run.model()
        (run.path / "weights.safetensors").write_bytes(whole)
    run.model()


def test_a_forged_layout(run: Run) -> None:
    path = run.path / "layout.json"
    values = json.loads(path.read_text())
    for key, value in (("mask_row", 10**6), ("offset", 0), ("size", 10**9), ("stop", 10**7)):
        forged = json.loads(json.dumps(values))
        forged["layout"]["slots"][0][key] = value
        path.write_text(json.dumps(forged))
        with pytest.raises(InputError, match=r"run/layout\.json: "):
            run.layout()
    path.write_text(json.dumps(values | {"version": 2}))
    with pytest.raises(InputError, match="version 2, this program reads 1; upgrade"):
        run.layout()


def test_sizes_are_checked_before_memory_is_taken(run: Run) -> None:
    """A forged config asks for layers of terabytes, a forged layout for a table of them."""
    before = available_bytes()
    schema, layout = run.layout()
    config = run.config.model_dump()
    config["model"]["options"]["hidden"] = [65_536, 65_536, 65_536, 65_536, 65_536]
    with pytest.raises(InputError, match=r"model 'youtube_dnn' .* GiB of memory"):
        build_model(ExperimentConfig.parse(config), schema, layout)
    wide = ExperimentConfig.parse(run.config.model_dump() | {"model": {"name": "fm", "dim": 4096}})
    huge = layout.model_copy(update={"rows": 10**9})
    with pytest.raises(InputError, match=r"1,000,000,000 embedding rows of 4097 numbers: at least"):
        build_model(wide, schema, huge)
    if before < 140 * 2**30:
        with pytest.raises(InputError, match=r"planted world of 1,000,000,000 rows .*GiB"):
            read_planted(PlantedConfig(rows=1_000_000_000))
    with pytest.raises(InputError, match="rows = 1000000000000: "):
        ExperimentConfig.parse({"data": {"planted": {"rows": 10**12}}})


def test_links_out_of_the_folder(run: Run, tmp_path: Path) -> None:
    """Good files, in the wrong place: reading them would follow a stranger's pointer."""
    outside = tmp_path / "outside"
    outside.mkdir()
    reads = {
        "layout.json": run.layout,
        "card.json": run.card,
        "metrics.jsonl": run.metrics,
        "weights.safetensors": run.weights,
        "norms.parquet": lambda: run.table("norms"),
        "vocabulary.parquet": run.encoding,
    }
    for name, read in reads.items():
        (run.path / name).rename(outside / name)
        (run.path / name).symlink_to(outside / name)
        with pytest.raises(InputError, match=r"links to a place outside|carries no vocabulary"):
            read()
        (run.path / name).unlink()
        (outside / name).rename(run.path / name)
        read()
