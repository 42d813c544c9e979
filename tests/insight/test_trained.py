"""A finished run brought back: the same model, and refusals in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.data.registry import load
from workbench.errors import InputError
from workbench.insight.cost import serving_latency
from workbench.insight.gradient_share import probed
from workbench.insight.trained import open_trained
from workbench.runs import RunStore
from workbench.runs.tensors import write_tensors
from workbench.training.evaluation import predict

DEMO = Path(__file__).parents[2] / "data" / "demo_runs"
NAME = "planted-dcn_v2-full-s0"


def test_it_predicts_what_the_run_recorded() -> None:
    run = RunStore(DEMO).open(NAME)
    model, dataset = open_trained(run)
    logits = predict(model, dataset, "test").numpy()
    assert np.abs(logits - run.table("predictions")["logit"].to_numpy()).max() < 1e-5
    assert not model.training


def test_other_data_and_other_weights_are_refused(tmp_path: Path) -> None:
    shutil.copytree(DEMO / NAME, tmp_path / NAME)
    run = RunStore(tmp_path).open(NAME)
    planted = run.config.data.planted.model_copy(update={"rows": 5000})
    other = load(run.config.data.model_copy(update={"planted": planted}))
    with pytest.raises(InputError, match=f"{NAME}: the data of 'planted' has changed"):
        open_trained(run, other)
    write_tensors(tmp_path / NAME / "weights.safetensors", {"x": torch.zeros(1)})
    with pytest.raises(InputError, match=f"{NAME}: weights.safetensors does not fit"):
        open_trained(RunStore(tmp_path).open(NAME))


def test_latency_has_a_row_per_model_and_size() -> None:
    trained = open_trained(RunStore(DEMO).open(NAME))
    frame = serving_latency({"one": trained, "two": trained}, (1, 7), rounds=3)
    assert list(zip(frame["model"], frame["batch_size"], strict=True)) == [
        ("one", 1),
        ("two", 1),
        ("one", 7),
        ("two", 7),
    ]
    assert (frame["p50"] <= frame["p99"]).all()
    assert (frame.loc[frame["model"] == "one", "ratio"] == 1).all()
    assert (frame["rounds"] == 3).all()


def test_an_epoch_is_probed_on_the_way() -> None:
    run = RunStore(DEMO).open(NAME)
    planted = run.config.data.planted.model_copy(update={"rows": 4000})
    data = run.config.data.model_copy(update={"planted": planted})
    training = run.config.training.model_copy(update={"batch_size": 256, "epochs": 5})
    config = run.config.model_copy(update={"data": data, "training": training})
    frame = probed(config, load(data), rows=64, readings=3)
    steps = sorted(frame["step"].unique())
    # 2,400 training rows make 9 full steps (and a rest); before the first, then every third.
    assert steps[:4] == [0, 3, 6, 9]
    assert frame.groupby("step")["share"].sum().to_numpy() == pytest.approx(1.0)
