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


def trainer_of(dataset: Dataset, variant: str = "full", **training: object) -> Trainer:
    config = config_for(variant, **training)
    return Trainer(model_for(config, dataset), dataset, config.training)


class TestParameterGroups:
    def test_one_group_where_nothing_differs(self, small_world: Dataset) -> None:
        """Adam then holds what it always held, in the order that older checkpoints have."""
        trainer = trainer_of(small_world)
        (group,) = trainer.optimizer.param_groups
        assert [id(p) for p in group["params"]] == [id(p) for p in trainer.model.parameters()]
        assert (group["lr"], group["weight_decay"], group["eps"]) == (0.01, 1e-5, 1e-8)

    def test_every_parameter_has_its_settings(self, small_world: Dataset) -> None:
        trainer = trainer_of(
            small_world,
            embedding_lr=0.02,
            embedding_weight_decay=0.5,
            embedding_eps=1e-4,
            adapter_lr=0.03,
            adapter_weight_decay=0.25,
        )
        found = {}
        for group in trainer.optimizer.param_groups:
            values = (group["lr"], group["weight_decay"], group["eps"])
            found |= {id(parameter): values for parameter in group["params"]}
        names = {name: found.pop(id(p)) for name, p in trainer.model.named_parameters()}
        assert not found
        for name, values in names.items():
            expected = {"embedding": (0.02, 0.5, 1e-4), "adapter": (0.03, 0.25, 1e-8)}
            assert values == expected.get(name.split(".")[0], (0.01, 1e-5, 1e-8)), name

    def test_groups_with_the_same_settings_train_the_same_bits(self, small_world: Dataset) -> None:
        plain = fit(small_world, config_for()).model.state_dict()
        own = config_for(embedding_lr=0.01, adapter_weight_decay=1e-5)
        grouped = fit(small_world, own).model.state_dict()
        for name, value in plain.items():
            assert torch.equal(value, grouped[name]), name

    def test_a_large_epsilon_moves_rare_values_less_than_frequent_ones(
        self, small_world: Dataset
    ) -> None:
        slot = small_world.layout["user_id"]
        users = slice(slot.offset + 1, slot.offset + slot.size)
        counts = small_world.training_counts("user_id")[1:]
        moved = {}
        for eps in (1e-8, 1e-3):
            trainer = trainer_of(small_world, "base", embedding_eps=eps, weight_decay=0.0)
            before = trainer.model.embedding.weight[users].detach().clone()
            trainer._train_epoch()
            step = (trainer.model.embedding.weight[users].detach() - before).norm(dim=1)
            moved[eps] = (step[counts == 1].median() / step[counts >= 30].median()).item()
        assert moved[1e-3] < 0.5 * moved[1e-8]

    def test_the_framework_is_told_the_epoch(self, small_world: Dataset) -> None:
        seen: list[int] = []

        class Watch(Hooks):
            def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
                seen.append(trainer.model.epoch)

        fit(small_world, config_for(patience=10), Watch())
        assert seen == [0, 1, 2]
