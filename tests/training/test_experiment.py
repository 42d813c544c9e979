"""Runs on disk: what is written, and that a resumed run equals an uninterrupted one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.nn.build import build_model
from workbench.runs import RunStore
from workbench.training.experiment import pick_device, resume_run, train, train_run
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer


def config_for(variant: str = "full", **training: object) -> ExperimentConfig:
    world = {"rows": 3000}
    return ExperimentConfig.parse(
        {
            "data": {"planted": world},
            "model": {"name": "youtube_dnn", "dim": 4, "options": {"hidden": [8], "dropout": 0.1}},
            "framework": {"variant": variant},
            "training": {"batch_size": 256, "lr": 0.01, "epochs": 4, "patience": 4} | training,
        }
    )


class KilledAfter(Hooks):
    """Breaks off in the middle of an epoch, as a power cut would."""

    def __init__(self, epoch: int) -> None:
        self.last = epoch

    def step(self, trainer: Trainer, record: Record) -> None:
        if trainer.epoch == self.last:
            raise KeyboardInterrupt


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_run_keeps_what_the_views_need(store: RunStore, small_world: Dataset) -> None:
    run = train_run(config_for(), store, name="full", dataset=small_world)
    assert run.state == "finished"
    assert run.summary is not None
    predictions = run.table("predictions")
    index = small_world.splits["test"].numpy()
    assert predictions["sample"].tolist() == index.tolist()
    labels = small_world.labels[index, 0].numpy()
    assert predictions["label"].tolist() == labels.tolist()
    activity = small_world.activity()[small_world.users[index].long()].numpy()
    assert predictions["user_activity"].tolist() == activity.tolist()
    weights = run.table("weights")
    assert len(weights) == len(predictions)
    assert all(weights[f"w:{name}"].between(0, 1).all() for name in small_world.schema.names)
    assert set(run.table("norms")["feature"]) == {f.name for f in small_world.schema.id_features}
    assert set(run.table("importance").columns) == {"feature", "activity", "importance"}
    metrics = run.metrics()
    assert (metrics["kind"] == "epoch").sum() == run.summary["epochs"]
    assert run.summary["updates"] == "dense"
    assert not (run.path / "checkpoint.safetensors").exists()


def test_the_kept_weights_give_the_kept_predictions(store: RunStore, small_world: Dataset) -> None:
    run = train_run(config_for(), store, dataset=small_world)
    model = build_model(run.config, *run.layout())
    model.load_state_dict(run.weights())
    logits = model.eval()(small_world.batch(small_world.splits["test"]))
    np.testing.assert_allclose(
        logits.detach().numpy(), run.table("predictions")["logit"], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("killed_in", [0, 1, 2])
def test_resumed_equals_uninterrupted(
    store: RunStore, small_world: Dataset, killed_in: int
) -> None:
    whole = train_run(config_for(), store, name="whole", dataset=small_world)
    with pytest.raises(KeyboardInterrupt):
        train_run(
            config_for(), store, name="cut", dataset=small_world, hooks=KilledAfter(killed_in)
        )
    assert store.open("cut").state == "stopped"
    cut = resume_run(store, "cut")
    assert cut.summary is not None
    assert whole.summary is not None
    weights, expected = cut.weights(), whole.weights()
    for name, value in expected.items():
        assert torch.equal(weights[name], value), name
    assert cut.table("predictions").equals(whole.table("predictions"))
    assert cut.table("norms").equals(whole.table("norms"))
    assert cut.summary["test_auc"] == whole.summary["test_auc"]
    timing = ["seconds", "samples_per_second"]
    first, second = cut.metrics(), whole.metrics()
    assert first.drop(columns=timing).equals(second.drop(columns=timing))


def test_a_finished_run_cannot_be_resumed(store: RunStore, small_world: Dataset) -> None:
    train_run(config_for(epochs=1), store, name="done", dataset=small_world)
    with pytest.raises(InputError, match="'done' is finished"):
        resume_run(store, "done")


def test_a_stop_request_leaves_a_run_that_resumes(store: RunStore, small_world: Dataset) -> None:
    class AskToStop(Hooks):
        def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
            store.request_stop("asked")

    run = train_run(
        config_for(log_every=1), store, name="asked", dataset=small_world, hooks=AskToStop()
    )
    assert run.state == "stopped"
    assert resume_run(store, "asked").state == "finished"


def test_in_memory_equals_on_disk(store: RunStore, small_world: Dataset) -> None:
    trained = train(config_for(), small_world)
    run = train_run(config_for(), store, dataset=small_world)
    assert run.summary is not None
    assert trained.test.auc == run.summary["test_auc"]
    assert len(trained.history) == run.summary["epochs"]


def test_a_failed_run_says_why(store: RunStore, small_world: Dataset) -> None:
    with pytest.raises(RuntimeError):
        train_run(config_for(lr=1e30), store, name="bad", dataset=small_world)
    run = store.open("bad")
    assert run.state == "failed"
    assert "learning rate 1e+30" in run.status.message


def test_nothing_is_created_for_a_config_that_does_not_fit(
    store: RunStore, small_world: Dataset
) -> None:
    config = config_for()
    values = config.model_dump()
    values["framework"]["counts"] = ["user_id:share"]
    with pytest.raises(InputError, match=r"'user_id:share' is not counted here; allowed: user_id:"):
        train_run(ExperimentConfig.parse(values), store, dataset=small_world)
    assert not store.root.exists()


@pytest.mark.parametrize("name", ["tpu9", "mps", "cuda:99"])
def test_devices_that_are_not_here_are_named(name: str) -> None:
    with pytest.raises(InputError, match=name):
        pick_device(name)
