"""A sweep leaves ordinary runs: what a run holds that was trained alone, it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.runs import RunStore
from workbench.training.experiment import resume_run, train_run
from workbench.training.side_by_side.runs import Outcome, Plan, train_runs


def config_for(seed: int = 0, alpha: float = 0.2, **training: Any) -> ExperimentConfig:
    return ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 3000}},
            "model": {"name": "fm", "dim": 4},
            "framework": {"alpha": alpha, "k": training.pop("k", 2)},
            "training": {"batch_size": 256, "epochs": 2, "log_every": 4, "seed": seed} | training,
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_runs_are_those_of_training_alone(store: RunStore) -> None:
    """Two shapes (k), one experiment of the second: it trains alone."""
    configs = [config_for(0), config_for(1, 0.1), config_for(0, 0.1, k=1)]
    ended: list[Outcome] = []
    names = ["a", "b", "c"]
    outcomes = train_runs(Plan(configs, store, at_once=2, names=names, ended=ended.append))
    assert [outcome.config for outcome in outcomes] == configs
    assert [outcome.problem for outcome in outcomes] == [None] * 3
    assert len(ended) == 3
    for config, outcome, name in zip(configs, outcomes, names, strict=True):
        one = train_run(config, store, name=f"{name}-alone")
        run = outcome.run
        assert run is not None
        assert (run.name, run.state) == (name, "finished")
        assert run.config == one.config
        files = {path.name for path in run.path.iterdir()}
        assert files == {path.name for path in one.path.iterdir()}
        mine, theirs = run.table("predictions"), one.table("predictions")
        assert mine.drop(columns="logit").equals(theirs.drop(columns="logit"))
        assert mine["logit"].to_numpy() == pytest.approx(theirs["logit"].to_numpy(), abs=1e-4)
        for key, value in one.weights().items():
            torch.testing.assert_close(run.weights()[key], value, rtol=1e-3, atol=1e-4)
        assert run.summary is not None
        assert one.summary is not None
        assert run.summary["test_auc"] == pytest.approx(one.summary["test_auc"], abs=1e-4)
        assert run.summary["best_epoch"] == one.summary["best_epoch"]
        assert run.summary.get("side_by_side") == (2 if config.framework.k == 2 else None)
        log, other = run.metrics(), one.metrics()
        assert log[["kind", "epoch", "step"]].equals(other[["kind", "epoch", "step"]])
        assert log["loss_total"].to_numpy() == pytest.approx(other["loss_total"].to_numpy())


def test_only_the_missing_ones_are_trained(store: RunStore) -> None:
    train_run(config_for(0), store, name="there")
    configs = [config_for(0), config_for(1)]
    outcomes = train_runs(Plan(configs, store, at_once=2, only_missing=True))
    names = [outcome.run.name for outcome in outcomes if outcome.run is not None]
    assert names[0] == "there"
    assert len(store.list()) == 2
    assert len(set(names)) == 2


def test_a_member_that_fails_is_marked_and_the_others_finish(store: RunStore) -> None:
    configs = [config_for(0), config_for(1, lr=1e30)]
    good, bad = train_runs(Plan(configs, store, at_once=2, names=["good", "bad"]))
    assert good.problem is None
    assert "the loss is not finite at epoch 1" in str(bad.problem)
    assert store.open("good").state == "finished"
    failed = store.open("bad")
    assert (failed.state, failed.status.message) == ("failed", bad.problem)


def test_an_interrupted_member_can_be_resumed_alone(store: RunStore) -> None:
    configs = [config_for(seed, epochs=3) for seed in range(2)]

    def interrupt(trainers: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_runs(Plan(configs, store, at_once=2, names=["a", "b"], told=interrupt))
    assert [store.open(name).state for name in ("a", "b")] == ["stopped"] * 2
    resumed = resume_run(store, "b")
    whole = train_run(configs[1], store, name="whole")
    assert resumed.summary is not None
    assert whole.summary is not None
    assert resumed.summary["epochs"] == whole.summary["epochs"]
    assert resumed.summary["test_auc"] == pytest.approx(whole.summary["test_auc"], abs=1e-4)


def test_nothing_is_written_for_what_is_refused(store: RunStore) -> None:
    values = config_for(1).model_dump()
    values["framework"]["cold_states"]["share"] = 0.5
    configs = [config_for(0), ExperimentConfig.parse(values)]
    with pytest.raises(InputError, match=r"framework\.cold_states\.share = 0\.5"):
        train_runs(Plan(configs, store, at_once=2))
    assert not store.root.exists()


def test_models_that_cannot_fit_are_refused(
    store: RunStore, small_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3,540 parameters take 14 kB, and training two such models 113 kB."""
    monkeypatch.setattr(
        "workbench.training.side_by_side.runs.load_data", lambda config: small_world
    )
    monkeypatch.setattr("workbench.memory.available_bytes", lambda: 100_000)
    with pytest.raises(InputError, match=r"2 models side by side: at least .* train fewer at once"):
        train_runs(Plan([config_for(0), config_for(1)], store, at_once=2))
    assert not store.root.exists()
