"""What every rival must do: train by the trainer, keep a run, resume, report its weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models.tiny import LAYOUT, SCHEMA, tiny_batch, tiny_config
from tests.rivals.rival_models import rival_config, rival_model
from workbench.cli import main
from workbench.config import ExperimentConfig, RivalConfig
from workbench.data.dataset import Dataset
from workbench.insight.adapter_weights import adapter_weights
from workbench.insight.over_reliance import auc_without
from workbench.models import MODELS
from workbench.nn.build import build_model, model_for
from workbench.nn.framework import AdaF2M2
from workbench.rivals import RIVALS
from workbench.runs import RunStore
from workbench.training.experiment import resume_run, train, train_run
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer

GATED = ("senet", "gate")
every_rival = pytest.mark.parametrize("name", RIVALS)


def small_config(name: str, **training: Any) -> ExperimentConfig:
    return ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 3000}},
            "model": {"name": "youtube_dnn", "dim": 4, "options": {"hidden": [8], "dropout": 0.1}},
            "framework": {"variant": "base"},
            "rival": {"name": name, "ssl": {"items": 64}},
            "training": {"batch_size": 256, "lr": 0.01, "epochs": 3, "patience": 3} | training,
        }
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_config_knows_every_rival() -> None:
    names = get_args(RivalConfig.model_fields["name"].annotation)
    assert names == ("none", *RIVALS)
    assert set(RivalConfig.model_fields) == {"name", *RIVALS}


@every_rival
@pytest.mark.parametrize("model", MODELS)
def test_gradient_reaches_every_parameter(name: str, model: str) -> None:
    rival = rival_model(name, model=model)
    losses = rival.losses(tiny_batch(256), generator())
    assert all(loss.isfinite() and loss.dim() == 0 for loss in losses)
    assert (losses.auxiliary > 0) == (name == "ssl")
    losses.total.backward()
    for key, parameter in rival.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key


@every_rival
def test_starts_from_the_base_variants_weights(name: str) -> None:
    base = build_model(tiny_config("dcn_v2", "base"), SCHEMA, LAYOUT).state_dict()
    rival = build_model(rival_config(name), SCHEMA, LAYOUT).state_dict()
    assert all(torch.equal(rival[key], value) for key, value in base.items())


@every_rival
@pytest.mark.parametrize("size", [0, 1, 5])
def test_serving_needs_no_draws_and_takes_any_batch(name: str, size: int) -> None:
    rival, batch = rival_model(name).eval(), tiny_batch(size)
    state = torch.get_rng_state()
    logit = rival(batch)
    assert logit.shape == (size,)
    assert torch.equal(rival(batch), logit)
    assert torch.equal(torch.get_rng_state(), state)
    explanation = rival.explain(batch)
    assert explanation.weights.shape == (size, 5)
    assert torch.equal(explanation.logit, logit)
    if name not in GATED:
        assert (explanation.weights == 1).all()


@every_rival
def test_same_seed_same_weights_bit_for_bit(name: str, small_world: Dataset) -> None:
    def fit(seed: int) -> dict[str, Tensor]:
        config = small_config(name, seed=seed)
        trainer = Trainer(model_for(config, small_world), small_world, config.training)
        trainer.fit()
        return trainer.model.state_dict()

    first, again, other = fit(0), fit(0), fit(1)
    assert first.keys() == again.keys()
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


@every_rival
def test_training_differs_from_the_base_variants(name: str, small_world: Dataset) -> None:
    rival = train(small_config(name), small_world)
    base = train(small_config("none"), small_world)
    assert type(base.model) is AdaF2M2
    assert rival.test.auc != base.test.auc
    assert rival.test.auc > 0.55  # it learns all the same


@every_rival
def test_resumed_equals_uninterrupted(name: str, tmp_path: Path, small_world: Dataset) -> None:
    class KilledInTheSecondEpoch(Hooks):
        def step(self, trainer: Trainer, record: Record) -> None:
            if trainer.epoch == 1:
                raise KeyboardInterrupt

    store = RunStore(tmp_path)
    whole = train_run(small_config(name), store, name="whole", dataset=small_world)
    with pytest.raises(KeyboardInterrupt):
        train_run(
            small_config(name),
            store,
            name="cut",
            dataset=small_world,
            hooks=KilledInTheSecondEpoch(),
        )
    cut = resume_run(store, "cut")
    weights = cut.weights()
    assert all(torch.equal(weights[key], value) for key, value in whole.weights().items())
    assert cut.table("predictions").equals(whole.table("predictions"))


@every_rival
def test_the_command_line_trains_one_whose_run_the_views_can_read(
    name: str, tmp_path: Path, small_world: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--set", "data.planted.rows=3000", "--epochs", "2", "--dim", "4"]
    options = ["--variant", "base", "--set", f"rival.name={name}", "--set", "rival.ssl.items=64"]
    where = ["--runs", str(tmp_path), "--name", "one", "--json"]
    assert main(["train", *small, *options, *where]) == 0
    printed = json.loads(capsys.readouterr().out)
    run = RunStore(tmp_path).open("one")
    assert run.state == "finished"
    assert run.config.rival.name == name
    assert run.summary is not None
    assert run.summary["test_auc"] == pytest.approx(printed["test_auc"])
    assert run.summary["effective_aux_weight"] == run.config.effective_aux_weight
    model = build_model(run.config, *run.layout())
    model.load_state_dict(run.weights())
    logits = model.eval()(small_world.batch(small_world.splits["test"])).detach()
    kept = torch.tensor(run.table("predictions")["logit"].to_numpy())
    torch.testing.assert_close(logits, kept, rtol=1e-5, atol=1e-6)
    assert len(auc_without(model, small_world, ["user_id"], replicates=10)) > 0
    assert run.has("weights") == (name in GATED)
    if name in GATED:
        weights = adapter_weights(run, replicates=10)
        assert set(weights["feature"]) == set(small_world.schema.names)
        expected = model.explain(small_world.batch(small_world.splits["test"])).weights
        table = run.table("weights", [f"w:{feature}" for feature in small_world.schema.names])
        torch.testing.assert_close(
            torch.tensor(table.to_numpy()), expected, atol=6e-4, rtol=0, check_dtype=False
        )


class NoWaiting(TorchDispatchMode):
    """Fails where the host would have to wait for a device to know a value or a shape."""

    WAITING = ("local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal")

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.__name__.partition(".")[0]
        # A selection by truth values has a shape that only the device knows.
        chosen = name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])
        if chosen or name.lstrip("_").startswith(self.WAITING):
            raise AssertionError(f"the host waits for {name}")
        return function(*args, **(kwargs or {}))


@every_rival
def test_a_step_never_waits_for_the_device(name: str) -> None:
    rival, batch = rival_model(name), tiny_batch(64)
    with NoWaiting():
        rival.losses(batch, generator()).total.backward()


@pytest.mark.parametrize(
    "action",
    [Tensor.item, Tensor.nonzero, Tensor.unique, Tensor.__bool__, lambda x: x[x > 0]],
)
def test_the_check_above_notices_waiting(action: Callable[[Tensor], Any]) -> None:
    with NoWaiting(), pytest.raises(AssertionError, match="the host waits for"):
        action(torch.ones(1))
