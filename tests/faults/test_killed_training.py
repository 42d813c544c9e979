"""``kill -9`` at random moments of training: the folder opens, and a resumed run is the same run.

Four kills in an ordinary test run; ``WORKBENCH_FAULTS=50`` asks for more, and with
``WORKBENCH_RECORD=1`` their number is kept in ``data/results/reliability.json``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.faults.conftest import Nursery
from tests.reliability import record
from workbench.runs import Run, RunStore
from workbench.runs.files import parse_object
from workbench.runs.tensors import read_tensors

KILLS = int(os.environ.get("WORKBENCH_FAULTS", "4"))
WORKERS = 1 + KILLS // 15
EPOCHS = 12
SETTINGS = (
    "train", "--data", "planted", "--model", "youtube_dnn", "--dim", "4", "--seed", "3",
    "--epochs", str(EPOCHS), "--batch-size", "64",
    "--set", "data.planted.rows=600", "--set", f"training.patience={EPOCHS}",
    "--set", "training.log_every=1", "--set", "training.lr=0.01",
    "--set", "model.options.hidden=[8]", "--set", "model.options.dropout=0.1",
)  # fmt: skip
TIMING = ["seconds", "samples_per_second", "train_samples_per_second"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("killed") / "runs")


@pytest.fixture(scope="module")
def whole(nursery: Nursery, store: RunStore) -> tuple[Run, float]:
    """The uninterrupted run, and the seconds that one takes."""
    answer = nursery.run(*SETTINGS, "--runs", store.root, "--name", "whole")
    assert answer["code"] == 0, answer["said"]
    again = nursery.run(*SETTINGS, "--runs", store.root, "--name", "twice")
    assert again["code"] == 0, again["said"]
    # The comparison below would be empty if two uninterrupted runs differed by themselves.
    assert_same(store.open("twice"), store.open("whole"))
    return store.open("whole"), min(answer["seconds"], again["seconds"])


class Budget:
    """Kills to hand out; one that came too late, after its child had ended, is handed out again."""

    def __init__(self, kills: int) -> None:
        self.left = kills
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether there was one left."""
        with self._lock:
            taken = self.left > 0
            self.left -= taken
            return taken

    def give_back(self) -> None:
        """The child was faster."""
        with self._lock:
            self.left += 1


def test_kills_at_random_moments(store: RunStore, whole: tuple[Run, float], tmp_path: Path) -> None:
    budget = Budget(KILLS)
    with ThreadPoolExecutor(WORKERS) as pool:
        told = [
            pool.submit(kill_runs, worker, store, whole, tmp_path, budget)
            for worker in range(WORKERS)
        ]
        moments = [moment for one in told for moment in one.result()]
    epochs = sorted(epoch for epoch, _ in moments)
    cut = sum(within for _, within in moments)
    print(f"{len(moments)} kills, {cut} within a write; epochs that were safe: {epochs}")
    assert len(moments) == KILLS
    # Half-made folders of killed writers go when the next writer comes.
    store.create(whole[0].config, "last").close()
    assert not list(store.root.glob(".new-*"))
    if "WORKBENCH_FAULTS" in os.environ:
        record(kills=len(moments), kills_survived=len(moments), kills_within_a_write=cut)


def kill_runs(
    worker: int, store: RunStore, whole: tuple[Run, float], marks: Path, budget: Budget
) -> list[tuple[int, bool]]:
    """Start runs, kill them, resume them, until the kills are used up.

    Returns:
        Per kill the epochs that were safe on disk, and whether it left a half-written file.
    """
    expected, seconds = whole
    draw, nursery = random.Random(worker), Nursery()
    moments: list[tuple[int, bool]] = []
    for number in count():
        name, mark = f"run-{worker}-{number}", marks / f"{worker}-{number}"
        start = [*SETTINGS, "--runs", store.root, "--name", name]
        resume = ["train", "--resume", name, "--runs", store.root]
        # One run of three is hit again while it resumes.
        for again in (True, draw.random() < 1 / 3, False):
            there = (store.root / name).exists()
            if there and store.open(name).state == "finished":
                break
            kill = again and budget.take()
            after = draw.uniform(0, seconds) if kill else None
            answer = nursery.run(*(resume if there else start), kill_after=after, mark=mark)
            if not answer["killed"]:
                assert answer["code"] == 0, answer["said"]
                if kill:
                    budget.give_back()
                continue
            safe = mark.stat().st_size if mark.exists() else 0
            if (store.root / name).exists():
                cut = bool(list((store.root / name).glob(".*.tmp")))
                moments.append((assert_opens(store, name, safe), cut))
            else:
                # The folder appears complete, or not at all.
                assert safe == 0
                moments.append((0, False))
        assert_same(store.open(name), expected)
        if not budget.left:
            nursery.close()
            return moments
    raise AssertionError("unreachable")


def test_kills_of_the_real_command(store: RunStore, whole: tuple[Run, float]) -> None:
    """The same from a shell: the process imports everything itself and is killed mid-training."""
    expected, _ = whole
    command = [sys.executable, "-m", "workbench"]
    killed = 0
    for number in range(max(1, KILLS // 10)):
        name = f"shell-{number}"
        arguments = [*command, *SETTINGS, "--runs", str(store.root), "--name", name]
        child = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        log = store.root / name / "metrics.jsonl"
        wanted = random.Random(number).randrange(1, 30)
        while child.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < wanted):
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        killed += child.wait(60) == -signal.SIGKILL
        if store.open(name).state != "finished":
            resume = [*command, "train", "--resume", name, "--runs", str(store.root)]
            done = subprocess.run(resume, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr
        assert_same(store.open(name), expected)
    assert killed


def assert_opens(store: RunStore, name: str, safe: int) -> int:
    """The folder opens, everything in it reads, and at most the running epoch is lost."""
    run = store.open(name)
    assert run.problem is None
    assert run.state in ("running", "finished")
    epochs = int((run.metrics()["kind"] == "epoch").sum())
    saved = run.path / "checkpoint.safetensors"
    if run.state == "finished":
        assert epochs == EPOCHS
        return EPOCHS
    kept = 0
    if saved.exists():
        tensors, meta = read_tensors(saved, name)
        kept = parse_object(meta or "", name)["epoch"]
        assert tensors["random/cpu"].dtype == torch.uint8
    # Every epoch that was reported as done is in the checkpoint; the log is at most one ahead.
    assert safe <= kept <= epochs <= kept + 1 or (kept == EPOCHS and epochs == EPOCHS)
    if epochs:
        run.weights()
    return kept


def assert_same(run: Run, expected: Run) -> None:
    """Equal to the last bit: weights, tables, log and summary, timings left out."""
    assert run.config == expected.config
    assert run.layout() == expected.layout()
    assert run.card() == expected.card()
    weights, wanted = run.weights(), expected.weights()
    assert weights.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(weights[name], value), name
    for file in ("vocabulary.parquet", "history.parquet"):
        assert (run.path / file).read_bytes() == (expected.path / file).read_bytes()
    for table in ("predictions", "weights", "norms", "importance"):
        pd.testing.assert_frame_equal(run.table(table), expected.table(table), check_exact=True)
    first, second = (one.metrics().drop(columns=TIMING[:2]) for one in (run, expected))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert run.summary is not None
    assert expected.summary is not None
    assert run.summary | dict.fromkeys(TIMING) == expected.summary | dict.fromkeys(TIMING)
    assert run.state == "finished"
