"""Two processes train what one process trains at the same batch size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.distributed.cases import (
    CASES,
    SPLIT,
    STOP_AFTER,
    TOLERANCE,
    Recorder,
    cut,
    possible,
)
from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.runs import Run, RunStore
from workbench.runs.tensors import read_tensors
from workbench.training.evaluation import predict
from workbench.training.experiment import resume_run, train_run
from workbench.training.trainer import Trainer

# The first test waits for two processes that train all cases.
pytestmark = pytest.mark.slow

SHARDINGS = ("none", "row_wise", "table_wise", "column_wise")


def need(sharding: str) -> None:
    if not possible(sharding):
        pytest.skip(f"{sharding}: TorchRec is not installed (extra torchrec)")


def alone(config: ExperimentConfig, dataset: Dataset) -> tuple[Trainer, Recorder]:
    recorder = Recorder()
    trainer = Trainer(model_for(config, dataset), dataset, config.training, recorder)
    trainer.fit()
    return trainer, recorder


@pytest.mark.parametrize("name", [*CASES, *SPLIT])
def test_the_numbers_are_those_of_one_process(
    two_processes: Path, shared_world: Dataset, name: str
) -> None:
    config = (CASES | SPLIT)[name]
    need(config.training.table_sharding)
    trainer, recorder = alone(config, shared_world)
    facts: dict[str, Any] = json.loads((two_processes / f"{name}.json").read_text())
    assert len(facts["steps"]) == len(recorder.steps)
    for found, wanted in zip(facts["steps"], recorder.steps, strict=True):
        assert found["samples"] == wanted["samples"]
        for key in ("loss_main", "loss_aux", "loss_total"):
            assert found[key] == pytest.approx(wanted[key], rel=TOLERANCE, abs=TOLERANCE)
    for found, wanted in zip(facts["epochs"], recorder.epochs, strict=True):
        # An AUC moves by one pair of rows where a logit's last bit does.
        assert found["valid_auc"] == pytest.approx(wanted["valid_auc"], abs=1e-4)
    assert (facts["epoch"], facts["best_epoch"]) == (trainer.epoch, trainer.best_epoch)
    if config.model.name == "afn":
        return  # Adam blows up the rounding of gradients that batch norm makes zero
    tensors, _ = read_tensors(two_processes / f"{name}.safetensors", "two")
    logits = predict(trainer.model, shared_world, "test")
    torch.testing.assert_close(tensors["test logits"], logits, rtol=0, atol=TOLERANCE)
    state = trainer.model.state_dict()
    for key, value in state.items():
        torch.testing.assert_close(tensors[key], value, rtol=0, atol=2 * TOLERANCE, msg=key)


@pytest.mark.parametrize("name", SPLIT)
def test_no_process_holds_the_whole_table(
    two_processes: Path, shared_world: Dataset, name: str
) -> None:
    config = SPLIT[name]
    need(config.training.table_sharding)
    facts = json.loads((two_processes / f"{name}.json").read_text())
    whole = shared_world.layout.rows * config.model.dim
    own = facts["own numbers"]
    # Padding is in no table of TorchRec's; rows are filled up to equal blocks.
    assert whole - config.model.dim <= sum(own) <= whole + config.model.dim
    share = 0.5 if config.training.table_sharding != "table_wise" else 0.95
    assert max(own) <= share * (whole + config.model.dim)


def test_one_process_s_wish_to_stop_is_everybody_s(two_processes: Path) -> None:
    for rank in range(2):
        told = json.loads((two_processes / f"process-{rank}.json").read_text())
        assert told["stopped at"] == 3
        assert told["longest"] == "é" * 70_000


def test_all_learn_of_one_that_fails_and_the_first_one_speaks(two_processes: Path) -> None:
    first, second = (
        json.loads((two_processes / f"process-{rank}.json").read_text()) for rank in range(2)
    )
    assert first["error"] == "no such file"
    assert "code" not in first
    assert second["code"] == 2
    assert "error" not in second


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, shared_world: Dataset) -> Run:
    """The uncut run of one process."""
    store = RunStore(tmp_path_factory.mktemp("whole"))
    return train_run(cut("none"), store, name="whole", dataset=shared_world)


def same_course(run: Run, whole: Run) -> None:
    """A run has the epochs, scores and predictions of another, to the tolerance."""
    assert run.state == "finished"
    found, wanted = (
        one.metrics().query("kind == 'epoch'").reset_index(drop=True) for one in (run, whole)
    )
    assert found["epoch"].tolist() == wanted["epoch"].tolist()
    for key in ("loss_main", "loss_aux", "loss_total"):
        assert found[key].to_numpy() == pytest.approx(wanted[key].to_numpy(), rel=TOLERANCE)
    logits, expected = (one.table("predictions")["logit"].to_numpy() for one in (run, whole))
    assert logits == pytest.approx(expected, abs=TOLERANCE)
    norms, expected = (one.table("norms") for one in (run, whole))
    for key in ("norm", "initial"):
        assert norms[key].to_numpy() == pytest.approx(expected[key].to_numpy(), abs=TOLERANCE)


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_a_run_of_two_goes_on_in_one_process(
    two_processes: Path, whole: Run, sharding: str
) -> None:
    need(sharding)
    store = RunStore(two_processes / "runs")
    name = f"cut-{sharding}"
    assert store.open(name).state == "stopped"
    assert store.open(name).metrics()["epoch"].max() == STOP_AFTER
    parts = list((store.root / name).glob("checkpoint-*/*.safetensors"))
    assert len(parts) == (0 if sharding == "none" else 2)
    same_course(resume_run(store, name), whole)
    assert not list((store.root / name).glob("checkpoint*"))


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_a_run_of_two_goes_on_in_two(two_processes: Path, whole: Run, sharding: str) -> None:
    need(sharding)
    same_course(RunStore(two_processes / "runs").open(f"on-{sharding}"), whole)


def test_a_run_of_one_goes_on_in_two(two_processes: Path, whole: Run) -> None:
    same_course(RunStore(two_processes / "runs").open("begun-by-one"), whole)
