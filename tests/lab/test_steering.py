"""A run that was steered by hand can be repeated from its config, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.lab.files import small_config
from workbench.config import ExperimentConfig, SettingChange
from workbench.data.registry import load
from workbench.errors import InputError
from workbench.runs import RunStore
from workbench.training.experiment import resume_run, train, train_run
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer


class Steered(Hooks):
    """Moves settings at two readings: within an epoch, and after the last step of one."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def step(self, trainer: Trainer, record: Record) -> None:
        place = (record["epoch"], record["step"])
        if place == (1, 4):
            trainer.steering.now(trainer, alpha=0.9, lr=0.01)
            trainer.steering.now(trainer, mask_range=(0.0, 0.2))
        if place == (1, 10):
            trainer.steering.now(trainer, lr=0.02)
        self.rates.append(trainer.optimizer.param_groups[0]["lr"])


def test_repeating_the_changes_gives_the_same_weights() -> None:
    config = small_config()
    dataset = load(config.data)
    hooks = Steered()
    by_hand = train(config, dataset, hooks)
    assert hooks.rates == pytest.approx([0.001, 0.01, 0.01, 0.01, 0.02] + 5 * [0.02])
    changes = (
        SettingChange(epoch=1, step=4, lr=0.01, alpha=0.9, mask_range=(0.0, 0.2)),
        SettingChange(epoch=2, step=0, lr=0.02),
    )
    training = config.training.model_copy(update={"changes": changes})
    by_list = train(config.model_copy(update={"training": training}), dataset)
    left_alone = train(config, dataset)
    for name, value in by_hand.model.state_dict().items():
        assert torch.equal(value, by_list.model.state_dict()[name]), name
    own = by_hand.model.embedding.weight
    assert not torch.equal(own, left_alone.model.embedding.weight)


def test_a_resumed_run_takes_up_what_was_changed(tmp_path: Path) -> None:
    changes = [{"epoch": 1, "step": 4, "alpha": 0.9}, {"epoch": 2, "step": 3, "lr": 0.01}]
    values = small_config().model_dump()
    values["training"]["changes"] = changes
    config = ExperimentConfig.parse(values)
    store = RunStore(tmp_path)
    whole = train_run(config, store, name="whole")

    class StopsAfterOne(Hooks):
        def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
            trainer.stop_requested = True

    train_run(config, store, name="cut", hooks=StopsAfterOne())
    resumed = resume_run(store, "cut")
    for name, value in whole.weights().items():
        assert torch.equal(value, resumed.weights()[name]), name


def test_changes_make_another_experiment() -> None:
    config = small_config()
    values = config.model_dump()
    values["training"]["changes"] = [{"epoch": 1, "step": 0, "alpha": 0.5}]
    assert ExperimentConfig.parse(values).fingerprint() != config.fingerprint()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([{"epoch": 2, "step": 0}, {"epoch": 1, "step": 0}], "must be in order"),
        ([{"epoch": 1, "step": 0}, {"epoch": 1, "step": 0}], "one at each step"),
        ([{"epoch": 1, "step": 0, "mask_range": [0.5, 0.1]}], "LOW must not be above HIGH"),
        ([{"epoch": 0, "step": 0}], "greater than or equal to 1"),
        ([{"epoch": 1, "step": 0, "lr": 0}], "greater than 0"),
    ],
)
def test_changes_that_are_refused(changes: list[dict[str, Any]], said: str) -> None:
    values = small_config().model_dump()
    values["training"]["changes"] = changes
    with pytest.raises(InputError, match=said):
        ExperimentConfig.parse(values)
