"""The training loop: reproducible, stops early on the best weights, names what went wrong."""

from __future__ import annotations

import pytest
import torch

from workbench.config import ExperimentConfig, TrainingConfig
from workbench.data.dataset import Dataset
from workbench.errors import TrainingError
from workbench.nn.build import model_for
from workbench.training.evaluation import predict, score
from workbench.training.hooks import HookList, Hooks, Record
from workbench.training.trainer import Trainer


def config_for(variant: str = "full", **training: object) -> ExperimentConfig:
    return ExperimentConfig.parse(
        {
            "model": {"name": "youtube_dnn", "dim": 4, "options": {"hidden": [8], "dropout": 0.1}},
            "framework": {"variant": variant},
            "training": {"batch_size": 256, "lr": 0.01, "epochs": 3, "log_every": 4} | training,
        }
    )


class Recorder(Hooks):
    def __init__(self) -> None:
        self.steps: list[Record] = []
        self.epochs: list[Record] = []
        self.improved: list[bool] = []
        self.calls: list[str] = []

    def started(self, trainer: Trainer) -> None:
        self.calls.append("started")

    def step(self, trainer: Trainer, record: Record) -> None:
        self.steps.append(record)

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self.epochs.append(record)
        self.improved.append(improved)

    def finished(self, trainer: Trainer) -> None:
        self.calls.append("finished")


def fit(dataset: Dataset, config: ExperimentConfig, hooks: Hooks | None = None) -> Trainer:
    trainer = Trainer(model_for(config, dataset), dataset, config.training, hooks)
    trainer.fit()
    return trainer


@pytest.mark.parametrize("variant", ["base", "mask", "adapter", "full"])
def test_same_seed_gives_same_weights_bit_for_bit(small_world: Dataset, variant: str) -> None:
    first = fit(small_world, config_for(variant)).model.state_dict()
    second = fit(small_world, config_for(variant)).model.state_dict()
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_another_seed_gives_other_weights(small_world: Dataset) -> None:
    first = fit(small_world, config_for(seed=0)).model.embedding.weight
    second = fit(small_world, config_for(seed=1)).model.embedding.weight
    assert not torch.equal(first, second)


def test_variants_see_the_samples_in_the_same_order(small_world: Dataset) -> None:
    orders = []
    for variant in ("base", "full"):
        config = config_for(variant)
        trainer = Trainer(model_for(config, small_world), small_world, config.training)
        trainer._train_epoch()
        batches = small_world.batches("train", 256, trainer.shuffle)
        orders.append(torch.cat([batch.rows for batch in batches]))
    assert torch.equal(*orders)


def test_alpha_zero_trains_exactly_as_adapter_only(small_world: Dataset) -> None:
    with_mask = ExperimentConfig.parse(
        config_for("full").model_dump() | {"framework": {"variant": "full", "alpha": 0.0}}
    )
    first = fit(small_world, with_mask).model.state_dict()
    second = fit(small_world, config_for("adapter")).model.state_dict()
    for name, value in second.items():
        assert torch.equal(value, first[name]), name


def test_training_learns_and_keeps_the_best_epoch(small_world: Dataset) -> None:
    recorder = Recorder()
    trainer = fit(small_world, config_for("base", epochs=8), recorder)
    assert trainer.best_scores is not None
    curve = [record["valid_auc"] for record in recorder.epochs]
    assert trainer.best_scores.auc == max(curve) > 0.6
    assert curve.index(max(curve)) + 1 == trainer.best_epoch
    restored = score(predict(trainer.model, small_world, "valid"), small_world, "valid")
    assert restored == trainer.best_scores
    assert recorder.improved[trainer.best_epoch - 1]
    assert recorder.calls == ["started", "finished"]


def test_patience_ends_training(small_world: Dataset) -> None:
    config = config_for("base", epochs=50, patience=1, lr=0.05)
    trainer = fit(small_world, config)
    assert trainer.epoch == trainer.best_epoch + 1 < 50


def test_epoch_loss_is_the_mean_of_its_steps(small_world: Dataset) -> None:
    recorder = Recorder()
    trainer = fit(small_world, config_for("full", epochs=1), recorder)
    sizes = [4] * (trainer.steps // 4) + [trainer.steps % 4] * bool(trainer.steps % 4)
    assert len(recorder.steps) == len(sizes)
    for name in ("loss_main", "loss_aux", "loss_total"):
        weighted = sum(r[name] * n for r, n in zip(recorder.steps, sizes, strict=True))
        assert recorder.epochs[0][name] == pytest.approx(weighted / trainer.steps, rel=1e-9)
    record = recorder.epochs[0]
    assert record["loss_total"] == pytest.approx(record["loss_main"] + 0.2 * record["loss_aux"])


def test_every_training_row_is_seen_once_per_epoch(small_world: Dataset) -> None:
    trainer = fit(small_world, config_for("base", epochs=2))
    assert trainer.train_samples == 2 * len(small_world.splits["train"])
    generator = torch.Generator().manual_seed(3)
    index = small_world.splits["train"]
    rows = torch.cat([b.counts for b in small_world.batches("train", 100, generator)])
    assert torch.equal(
        rows.sort(dim=0).values, small_world.counts.index_select(0, index).sort(dim=0).values
    )


def test_stop_request_ends_after_the_running_step(small_world: Dataset) -> None:
    class StopAtOnce(Hooks):
        def step(self, trainer: Trainer, record: Record) -> None:
            trainer.stop_requested = True

    trainer = fit(small_world, config_for("base"), HookList([StopAtOnce()]))
    assert (trainer.epoch, trainer.step) == (0, 4)


def test_a_loss_that_is_not_finite_names_step_feature_and_rate(small_world: Dataset) -> None:
    config = config_for("base", lr=1e30)
    with pytest.raises(TrainingError) as caught:
        fit(small_world, config)
    message = str(caught.value)
    assert "epoch 1, step 2" in message
    assert "learning rate 1e+30" in message
    assert any(f"'{name}'" in message for name in small_world.schema.names)


def test_the_named_feature_is_the_one_that_broke(small_world: Dataset) -> None:
    config = config_for("base")
    trainer = Trainer(model_for(config, small_world), small_world, config.training)
    slot = small_world.layout["gender"]
    with torch.no_grad():
        trainer.model.embedding.weight[slot.offset : slot.offset + slot.size] = float("nan")
    with pytest.raises(TrainingError, match=r"step 1: embeddings of feature 'gender' are not fini"):
        trainer.fit()


def test_evaluation_leaves_train_mode_as_it_was(small_world: Dataset) -> None:
    config = config_for("base")
    model = model_for(config, small_world)
    model.train()
    first = predict(model, small_world, "valid")
    assert model.training
    # Dropout is off while predicting: the same but for the order of sums.
    again = predict(model, small_world, "valid", batch_size=37)
    torch.testing.assert_close(first, again, rtol=0, atol=1e-6)


def test_training_config_rejects_zero_patience() -> None:
    with pytest.raises(ValueError, match="patience"):
        TrainingConfig(patience=0)
