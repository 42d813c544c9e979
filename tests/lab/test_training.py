"""Real runners and workers: what they train is what `train_run` trains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.lab.files import small_config
from workbench.lab import queue, runner, watch
from workbench.lab.control import Control, write_control
from workbench.lab.hooks import step_seconds
from workbench.runs import RunStore
from workbench.training.experiment import train, train_run

WITHIN = 120.0


def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not seen():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStore]:
    """A store with a runner of its own; its leash is held here."""
    store = RunStore(tmp_path_factory.mktemp("lab") / "runs")
    store.root.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.lab.runner", str(store.root), "0"],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(runner.PACKAGE_ROOT)},
        start_new_session=True,
    )
    assert process.stdin is not None
    yield store
    for run in store.list():
        if watch.look(store, run.name).moving:
            watch.stop(store, run.name)
    process.stdin.close()
    assert process.wait(timeout=WITHIN) == 0


def test_a_lab_run_equals_one_from_the_command_line(lab: RunStore, tmp_path: Path) -> None:
    name = queue.submit(lab, small_config())
    expected = train_run(small_config(), RunStore(tmp_path), name="here")
    until(lambda: not watch.look(lab, name).moving)
    run = lab.open(name)
    assert run.state == "finished"
    assert run.config == expected.config
    for key, value in expected.weights().items():
        assert torch.equal(value, run.weights()[key]), key
    kinds = set(run.metrics()["kind"])
    assert {"step", "epoch", "probe", "cost"} <= kinds
    assert run.layout() == expected.layout()
    assert not (run.path / "checkpoint.safetensors").exists()


def test_pause_step_go_on_and_kill(lab: RunStore) -> None:
    values = small_config().model_dump()
    values["training"]["epochs"] = 5000
    values["training"]["patience"] = 5000
    name = queue.submit(lab, type(small_config()).parse(values))
    folder = lab.root / name
    until(lambda: watch.look(lab, name).phase == "training")
    write_control(folder, Control(paused=True))
    until(lambda: watch.look(lab, name).phase == "paused")
    before = len(lab.open(name).metrics().query("kind == 'step'"))
    write_control(folder, Control(paused=True, steps=2))
    until(lambda: len(lab.open(name).metrics().query("kind == 'step'")) == before + 2)
    until(lambda: watch.look(lab, name).phase == "paused")
    assert len(lab.open(name).metrics().query("kind == 'step'")) == before + 2
    write_control(folder, Control(steps=2, alpha=0.7))
    until(lambda: lab.open(name).config.training.changes != ())
    until(lambda: watch.look(lab, name).phase == "training")
    assert lab.open(name).config.training.changes[0].alpha == 0.7
    os.kill(lab.open(name).status.pid, signal.SIGKILL)
    until(lambda: "SIGKILL" in lab.open(name).status.message)
    assert watch.look(lab, name).phase == "failed"
    assert "training from epoch 1" in watch.log_tail(lab.open(name))


def test_measuring_the_cost_leaves_model_and_chance_alone() -> None:
    trained = train(small_config(k=3))
    batch = trained.dataset.batch(trained.dataset.splits["train"][:64])
    before = {name: value.clone() for name, value in trained.model.state_dict().items()}
    chance = torch.get_rng_state()
    own, base = step_seconds(trained.model, batch)
    assert own > 0
    assert base > 0
    assert torch.equal(chance, torch.get_rng_state())
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, before[name]), name
