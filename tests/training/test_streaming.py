"""Training on streamed rows: like any other data, and killed at any step without a difference."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.tables.make import TRIO, schema, trio
from workbench.cli import main
from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch, Dataset
from workbench.data.registry import load
from workbench.data.store import load_dataset
from workbench.data.stream.dataset import StreamedDataset
from workbench.data.stream.parts import Samples
from workbench.data.stream.save import save_streamed
from workbench.errors import InputError
from workbench.nn.build import model_for
from workbench.runs import Run, RunStore
from workbench.training.evaluation import predict, score
from workbench.training.experiment import resume_run, train, train_run
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer

BATCH = 100
STEPS = 18  # of the 1,800 training rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_world: Dataset) -> Path:
    """The small world in row groups of 64 rows, its training rows numbered in their first count."""
    numbered = small_world.counts.clone()
    numbered[small_world.splits["train"], 0] = torch.arange(1800.0)
    made = tmp_path_factory.mktemp("streamed") / "world"
    columns = {name: getattr(small_world, name) for name in Dataset.__dataclass_fields__}
    save_streamed(Dataset(**columns | {"counts": numbered}), made, group_rows=64)
    return made


def config_for(source: Path | str, variant: str = "full", **training: object) -> ExperimentConfig:
    options = {"hidden": [8], "dropout": 0.1}
    data = {"shuffle_rows": 200} if isinstance(source, Path) else {"planted": {"rows": 3000}}
    return ExperimentConfig.parse(
        {
            "data": {"source": str(source)} | data,
            "model": {"name": "youtube_dnn", "dim": 4, "options": options},
            "framework": {"variant": variant},
            "training": {"batch_size": BATCH, "lr": 0.01, "epochs": 2, "log_every": 2} | training,
        }
    )


class KilledAt(Hooks):
    """Breaks off after a step of an epoch, as a power cut would."""

    def __init__(self, epoch: int, step: int) -> None:
        self.place = (epoch, step)

    def step(self, trainer: Trainer, record: Record) -> None:
        if (trainer.epoch, trainer.step) == self.place:
            raise KeyboardInterrupt


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Numbers of the rows of every training batch that is handed out, in order."""
    gather, found = StreamedDataset._gather, []

    def recording(self: StreamedDataset, samples: Samples) -> Batch:
        found.append(samples.counts[:, 0].long().tolist())
        return gather(self, samples)

    monkeypatch.setattr(StreamedDataset, "_gather", recording)
    return found


def assert_same(first: Run, second: Run) -> None:
    """Two runs to the bit, but for what the clock says."""
    for name, value in second.weights().items():
        assert torch.equal(first.weights()[name], value), name
    for table in ("predictions", "weights", "norms"):
        assert first.table(table).equals(second.table(table)), table
    timing = ["seconds", "samples_per_second"]
    assert first.metrics().drop(columns=timing).equals(second.metrics().drop(columns=timing))


@pytest.mark.parametrize(
    ("epoch", "step", "kept"),
    # Kept after steps 4, 8, 12 and 16, and after the epoch.
    [(0, 2, 0), (0, 4, 4), (0, 10, 8), (0, 18, 16), (1, 2, 0), (1, 6, 4), (1, 18, 16)],
)
def test_killed_at_a_step_and_resumed_every_row_is_trained_on_once(
    tmp_path: Path, folder: Path, seen: list[list[int]], epoch: int, step: int, kept: int
) -> None:
    store = RunStore(tmp_path)
    config = config_for(folder, checkpoint_steps=4)
    whole = train_run(config, store, name="whole")
    uninterrupted = list(seen)
    for batches in (seen[:STEPS], seen[STEPS:]):
        assert sorted(number for batch in batches for number in batch) == list(range(1800))
    seen.clear()
    with pytest.raises(KeyboardInterrupt):
        train_run(config, store, name="cut", hooks=KilledAt(epoch, step))
    assert seen == uninterrupted[: epoch * STEPS + step]
    # What the kept weights have seen, then what the resumed run sees.
    kept_batches = seen[: epoch * STEPS + kept]
    seen.clear()
    cut = resume_run(store, "cut")
    assert kept_batches + seen == uninterrupted
    assert_same(cut, whole)


KILLED = """
import os, signal, sys
from workbench.config import ExperimentConfig
from workbench.runs import RunStore
from workbench.training.experiment import train_run
from workbench.training.hooks import Hooks

class Kill(Hooks):
    def step(self, trainer, record):
        if (trainer.epoch, trainer.step) == (1, 8):
            os.kill(os.getpid(), signal.SIGKILL)

config = ExperimentConfig.from_json(sys.argv[1], "config")
train_run(config, RunStore(sys.argv[2]), name="cut", hooks=Kill())
"""


def test_a_process_that_was_killed_leaves_a_run_that_resumes_to_the_bit(
    tmp_path: Path, folder: Path
) -> None:
    store = RunStore(tmp_path)
    config = config_for(folder, checkpoint_steps=4)
    whole = train_run(config, store, name="whole")
    ended = subprocess.run([sys.executable, "-c", KILLED, config.to_json(), str(tmp_path)])
    assert ended.returncode == -9
    assert store.open("cut").summary is None
    assert_same(resume_run(store, "cut"), whole)


@pytest.mark.parametrize("variant", ["base", "full"])
def test_rows_in_memory_are_resumed_within_an_epoch_too(
    tmp_path: Path, small_world: Dataset, variant: str
) -> None:
    store = RunStore(tmp_path)
    config = config_for("planted", variant, checkpoint_steps=5)
    usual = train_run(config_for("planted", variant), store, name="usual")
    with pytest.raises(KeyboardInterrupt):
        train_run(config, store, name="cut", hooks=KilledAt(1, 10))
    # Readings are at even steps: the last one at least five steps after the epoch's start is 6.
    kept = store.open("cut").metrics()
    assert kept["step"].max() == 18
    cut = resume_run(store, "cut")
    for name, value in usual.weights().items():
        assert torch.equal(cut.weights()[name], value), name
    timing = ["seconds", "samples_per_second"]
    assert cut.metrics().drop(columns=timing).equals(usual.metrics().drop(columns=timing))


def test_a_stop_request_within_an_epoch_loses_nothing(
    tmp_path: Path, folder: Path, seen: list[list[int]]
) -> None:
    store = RunStore(tmp_path)

    class AskToStop(Hooks):
        def started(self, trainer: Trainer) -> None:
            store.request_stop("asked")

    config = config_for(folder, checkpoint_steps=1000)
    whole = train_run(config, store, name="whole")
    seen.clear()
    assert train_run(config, store, name="asked", hooks=AskToStop()).state == "stopped"
    assert len(seen) == 2
    resumed = resume_run(store, "asked")
    assert sorted(n for batch in seen[:STEPS] for n in batch) == list(range(1800))
    assert_same(resumed, whole)


def test_settings_moved_within_the_epoch_hold_after_a_resume(tmp_path: Path, folder: Path) -> None:
    store = RunStore(tmp_path)
    changes = [
        {"epoch": 1, "step": 1, "lr": 0.02, "alpha": 0.7},
        {"epoch": 1, "step": 9, "lr": 0.001, "mask_range": [0.2, 0.3]},
    ]
    config = config_for(folder, checkpoint_steps=4, changes=changes)
    whole = train_run(config, store, name="whole")
    with pytest.raises(KeyboardInterrupt):
        train_run(config, store, name="cut", hooks=KilledAt(0, 6))
    assert_same(resume_run(store, "cut"), whole)


def test_held_out_rows_on_disk_give_the_same_run(tmp_path: Path, folder: Path) -> None:
    store = RunStore(tmp_path)
    config = config_for(folder, epochs=1)
    runs = []
    for place in ("memory", "disk"):
        data = config.data.model_copy(update={"held_out": place})
        runs.append(train_run(config.model_copy(update={"data": data}), store, name=place))
    assert_same(*runs)
    assert runs[0].summary is not None
    assert runs[1].summary is not None
    assert runs[0].summary["test_uauc"] == runs[1].summary["test_uauc"]
    assert runs[1].summary["rows"] == {"train": 1800, "valid": 600, "test": 600}


def test_streamed_and_in_memory_score_the_same_model_alike(
    folder: Path, tmp_path: Path, small_world: Dataset
) -> None:
    save_streamed(small_world, tmp_path / "s", group_rows=64)
    streamed = load_dataset(tmp_path / "s", held_out="disk")
    model = model_for(config_for("planted"), small_world)
    for split in ("valid", "test"):
        logits = [predict(model, data, split, 128) for data in (small_world, streamed)]
        assert torch.equal(*logits)
        assert score(logits[0], small_world, split) == score(logits[1], streamed, split)


def test_a_streamed_order_teaches_what_rows_in_memory_teach(
    tmp_path: Path, small_world: Dataset
) -> None:
    """Another order of the same rows: validation AUC after four epochs is close."""
    save_streamed(small_world, tmp_path / "s", group_rows=64)
    config = config_for("planted", epochs=4, patience=4)
    here = train(config, small_world)
    there = train(config, load_dataset(tmp_path / "s", window_rows=256))
    assert there.valid.auc == pytest.approx(here.valid.auc, abs=0.03)
    assert there.valid.auc > 0.6


@pytest.mark.parametrize(
    ("step", "message"),
    [(0, "step 0"), (19, "step 19"), (3, "step 3 of 18 is not one at which losses are read")],
)
def test_a_kept_step_that_cannot_be_is_refused(
    folder: Path, tmp_path: Path, step: int, message: str
) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train_run(config_for(folder, checkpoint_steps=4), store, name="cut", hooks=KilledAt(0, 4))
    with store.resume("cut") as writer:
        tensors, facts = writer.load_checkpoint() or ({}, {})
        writer.save_checkpoint(tensors, facts | {"step": step})
        writer.status("stopped")
    with pytest.raises(InputError, match=f"does not fit this run's config: {message}"):
        resume_run(store, "cut")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"change": {"flipped": 0.1}}}, r"data\.change: the rows of 'planted' are str"),
        ({"data": {"change": {"id_buckets": 5}}}, r"data\.change"),
        ({"framework": {"cold_states": {"share": 0.1}}}, r"framework\.cold_states\.share = 0\.1"),
    ],
)
def test_what_needs_training_rows_in_memory_is_refused(
    folder: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    values = config_for(folder).model_dump()
    for section, keys in change.items():
        values[section] |= keys
    with pytest.raises(InputError, match=message):
        train_run(ExperimentConfig.parse(values), RunStore(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("key", [{"shuffle_rows": 9}, {"held_out": "disk"}])
def test_settings_of_streams_are_refused_for_a_source(key: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="'planted' is not streamed; leave it out, or prepare it"):
        load(ExperimentConfig.parse({"data": key}).data)


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, runs = str(tmp_path / "out"), tmp_path / "runs"
    trio(tmp_path)
    log = str(schema(tmp_path, TRIO.format(split="random")))
    assert main(["data", "prepare", log, "--out", out, "--stream"]) == 0
    assert capsys.readouterr().out.splitlines() == [out]
    settings = ["--dim", "2", "--epochs", "1", "--set", "data.held_out=disk"]
    arguments = ["train", "--data", out, "--model", "fm", "--runs", str(runs), *settings]
    assert main(arguments) == 0
    (run,) = RunStore(runs).list()
    assert run.state == "finished"
    assert run.summary is not None
    assert sum(run.summary["rows"].values()) == 3000
    capsys.readouterr()
    assert main([*arguments, "--set", "data.change.flipped=0.1"]) == 2
    assert capsys.readouterr().err.startswith("workbench: data.change")
