"""Models trained side by side are the models trained alone: losses, stopping, weights, draws."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from workbench.config import ExperimentConfig
from workbench.data import dataset as dataset_module
from workbench.data.dataset import Dataset
from workbench.errors import TrainingError
from workbench.nn.build import model_for
from workbench.training import checkpoint
from workbench.training.evaluation import predict, score
from workbench.training.experiment import resolve
from workbench.training.hooks import Hooks, Record
from workbench.training.side_by_side import fit_side_by_side
from workbench.training.side_by_side.numbers import EpochNumbers
from workbench.training.side_by_side.stack import Member, Stack
from workbench.training.trainer import Trainer

# Everything that may differ does; the third member masks nothing.
MEMBERS: tuple[dict[str, Any], ...] = (
    {"model": {}, "framework": {}, "training": {"seed": 0}},
    {
        "model": {"embedding_scale": 0.3},
        "framework": {
            "alpha": 0.1,
            "mask_range": (0.2, 0.3),
            "mask_id_range": (0.2, 0.9),
            "weight_scale": 2.0,
            "alpha_schedule": "warmup",
        },
        "training": {"seed": 1, "lr": 0.003, "weight_decay": 1e-3, "embedding_eps": 1e-6},
    },
    {
        "model": {},
        "framework": {"alpha": 0.0, "weight_scale": 2.0, "adapter_start": 1.5},
        "training": {"seed": 2, "lr": 0.002, "weight_decay": 0.0, "adapter_lr": 0.01},
    },
)


class Recorder(Hooks):
    def __init__(self) -> None:
        self.losses: list[tuple[float, float, float]] = []
        self.epochs: list[Record] = []
        self.calls: list[str] = []

    def started(self, trainer: Trainer) -> None:
        self.calls.append("started")

    def step(self, trainer: Trainer, record: Record) -> None:
        self.losses.append((record["loss_main"], record["loss_aux"], record["loss_total"]))

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self.epochs.append(record)

    def finished(self, trainer: Trainer) -> None:
        self.calls.append("finished")


def trainer_for(
    dataset: Dataset,
    place: int,
    name: str = "youtube_dnn",
    variant: str = "full",
    options: dict[str, Any] | None = None,
    framework: dict[str, Any] | None = None,
    **training: Any,
) -> Trainer:
    """The trainer of a member, which reads its losses after every step."""
    own = MEMBERS[place]
    config = ExperimentConfig.parse(
        {
            "model": {"name": name, "dim": 4, "options": options or {}} | own["model"],
            "framework": {"variant": variant} | own["framework"] | (framework or {}),
            "training": {"batch_size": 256, "epochs": 2, "log_every": 1}
            | own["training"]
            | training,
        }
    )
    config = resolve(config, dataset)
    return Trainer(model_for(config, dataset), dataset, config.training, Recorder())


def recorder(trainer: Trainer) -> Recorder:
    assert isinstance(trainer.hooks, Recorder)
    return trainer.hooks


def alone(trainer: Trainer) -> Trainer:
    """Trained alone; torch's own generator starts at its seed, as in a process of its own."""
    torch.manual_seed(trainer.config.seed)
    trainer.fit()
    return trainer


def losses(trainer: Trainer, steps: int) -> torch.Tensor:
    return torch.tensor(recorder(trainer).losses[:steps], dtype=torch.float64)


@pytest.mark.parametrize("variant", ["base", "mask", "adapter", "full"])
@pytest.mark.parametrize("name", ["fm", "youtube_dnn", "dcn_v2"])
def test_members_train_as_they_would_alone(small_world: Dataset, name: str, variant: str) -> None:
    expected = [alone(trainer_for(small_world, place, name, variant)) for place in range(3)]
    together = [trainer_for(small_world, place, name, variant) for place in range(3)]
    fit_side_by_side(together, 3)
    for one, other in zip(expected, together, strict=True):
        first = losses(one, 5)
        torch.testing.assert_close(losses(other, 5), first, rtol=1e-6, atol=0)
        assert len(recorder(other).losses) == len(recorder(one).losses)
        assert other.best_scores is not None
        assert one.best_scores is not None
        assert other.best_scores.auc == pytest.approx(one.best_scores.auc, abs=1e-4)
        assert (other.best_epoch, other.epoch) == (one.best_epoch, one.epoch)
        assert other.train_samples == one.train_samples


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("youtube_dnn", {"dropout": 0.2}),
        ("afn", {"dropout": 0.1}),
        ("afn", {"plus": True}),
        ("euler_net", {"explicit_dropout": 0.3}),
        ("two_tower", {}),
        ("autoint", {"hidden": (8,)}),
        ("masknet", {"structure": "serial"}),
        ("gdcn", {"dropout": 0.1}),
        ("multitask", {"tasks": 2}),
        ("dcn_v2", {"rank": 2}),
    ],
)
def test_every_base_model_starts_as_it_would_alone(
    small_world: Dataset, name: str, options: dict[str, Any]
) -> None:
    """Dropout, batch norm and all. The first losses tell draws apart that are not the same."""
    expected = [trainer_for(small_world, place, name, options=options) for place in range(3)]
    for trainer in expected:
        torch.manual_seed(trainer.config.seed)
        trainer._train_epoch()
    together = [trainer_for(small_world, place, name, options=options) for place in range(3)]
    Stack([Member(trainer) for trainer in together]).train_epoch()
    for one, other in zip(expected, together, strict=True):
        torch.testing.assert_close(losses(other, 1), losses(one, 1), rtol=1e-6, atol=0)
        # Ill-conditioned models, AFN above all, blow rounding up from step to step.
        torch.testing.assert_close(losses(other, 2), losses(one, 2), rtol=1e-3, atol=0)
        assert torch.equal(other.masks.get_state(), one.masks.get_state())
        assert torch.equal(other.shuffle.get_state(), one.shuffle.get_state())


def test_batch_norm_keeps_statistics_for_each_member(small_world: Dataset) -> None:
    """After one step, running statistics are those of training alone."""
    training = {"batch_size": 2000, "epochs": 1}
    expected = [trainer_for(small_world, place, "afn", **training) for place in range(3)]
    for trainer in expected:
        trainer._train_epoch()
    together = [trainer_for(small_world, place, "afn", **training) for place in range(3)]
    Stack([Member(trainer) for trainer in together]).train_epoch()
    seen = []
    for one, other in zip(expected, together, strict=True):
        found = dict(other.model.base.named_buffers())
        for name, value in one.model.base.named_buffers():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
        seen.append(found["crosses.log_norm.running_mean"])
    assert not torch.equal(seen[0], seen[1])


def test_dropout_draws_what_it_would_alone(small_world: Dataset) -> None:
    """Its generators end where torch's own ends, also for a member that masks nothing."""
    options = {"dropout": 0.2}
    members = [Member(trainer_for(small_world, place, options=options)) for place in range(3)]
    Stack(members).train_epoch()
    for place, member in enumerate(members):
        one = trainer_for(small_world, place, options=options)
        one._train_epoch()
        assert torch.equal(member.dropout.get_state(), torch.get_rng_state())


class TestStopping:
    def test_who_is_done_leaves_and_the_next_takes_the_place(self, small_world: Dataset) -> None:
        lengths = (1, 4, 2, 3)
        trainers = [
            trainer_for(small_world, place % 3, "fm", epochs=epochs, patience=4)
            for place, epochs in enumerate(lengths)
        ]
        sizes: list[int] = []
        order: list[int] = []
        fit_side_by_side(
            iter(trainers),
            2,
            left=lambda trainer, problem: order.append(trainers.index(trainer)),
            told=lambda here: sizes.append(len(here)),
        )
        # Epochs 1 to 4: members 0 and 1, then 1 and 2 twice, then 1 and 3; then 3 alone.
        assert sizes == [2, 2, 2, 2, 1, 1]
        assert order == [0, 2, 1, 3]
        assert tuple(trainer.epoch for trainer in trainers) == lengths
        assert all(recorder(trainer).calls == ["started", "finished"] for trainer in trainers)

    def test_one_that_joins_late_trains_as_it_would_alone(self, small_world: Dataset) -> None:
        """Its own epoch decides alpha, its own steps the correction of Adam's moments."""
        schedule = {"alpha_schedule": "decay", "alpha": 0.5, "alpha_epochs": 3}
        expected = alone(trainer_for(small_world, 1, "fm", framework=schedule, epochs=3))
        late = trainer_for(small_world, 1, "fm", framework=schedule, epochs=3)
        others = [
            trainer_for(small_world, 0, "fm", epochs=1),
            trainer_for(small_world, 2, "fm", epochs=4, patience=4),
        ]
        fit_side_by_side([*others, late], 2)
        torch.testing.assert_close(losses(late, 24), losses(expected, 24), rtol=1e-5, atol=0)

    def test_the_best_weights_are_restored(self, small_world: Dataset) -> None:
        trainers = [
            trainer_for(small_world, place, epochs=8, patience=1, lr=0.05) for place in range(3)
        ]
        fit_side_by_side(trainers, 3)
        for trainer in trainers:
            curve = [record["valid_auc"] for record in recorder(trainer).epochs]
            assert trainer.best_scores is not None
            assert trainer.best_scores.auc == max(curve)
            assert trainer.epoch == min(8, trainer.best_epoch + 1)
            again = score(predict(trainer.model, small_world, "valid"), small_world, "valid")
            assert again.auc == pytest.approx(max(curve), abs=1e-9)

    def test_a_loss_that_is_not_finite_ends_its_member_alone(self, small_world: Dataset) -> None:
        trainers = [
            trainer_for(small_world, 0, "fm"),
            trainer_for(small_world, 1, "fm", lr=1e30),
        ]
        problems: dict[int, TrainingError | None] = {}
        fit_side_by_side(
            trainers,
            2,
            left=lambda trainer, problem: problems.update({trainers.index(trainer): problem}),
        )
        assert problems[0] is None
        assert "epoch 1, step 2" in str(problems[1])
        assert "learning rate 1e+30" in str(problems[1])
        expected = alone(trainer_for(small_world, 0, "fm"))
        torch.testing.assert_close(losses(trainers[0], 16), losses(expected, 16), rtol=1e-5, atol=0)

    def test_a_stop_request_is_heard(self, small_world: Dataset) -> None:
        trainers = [trainer_for(small_world, place, "fm", epochs=3) for place in range(2)]

        class StopAtStep(Recorder):
            def step(self, trainer: Trainer, record: Record) -> None:
                trainer.stop_requested = trainer.epoch == 1

        trainers[0].hooks = StopAtStep()
        fit_side_by_side(trainers, 2)
        assert [trainer.epoch for trainer in trainers] == [1, 3]

    def test_out_of_memory_names_a_smaller_number(
        self, small_world: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(stack: Stack) -> list[torch.Tensor]:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(Stack, "train_epoch", full)
        trainers = [trainer_for(small_world, place, "fm") for place in range(3)]
        with pytest.raises(TrainingError, match=r"with 3 models side by side; .* such as 1"):
            fit_side_by_side(trainers, 3)


def test_a_checkpoint_goes_on_alone(small_world: Dataset) -> None:
    """What a member saves after an epoch is what the trainer alone would have saved."""
    options = {"dropout": 0.2}
    saved: list[tuple[dict[str, torch.Tensor], dict[str, Any]]] = []

    class Save(Recorder):
        def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
            saved.append(checkpoint.pack(trainer))

    one = trainer_for(small_world, 1, options=options, epochs=1)
    one.hooks = Save()
    alone(one)
    together = [trainer_for(small_world, place, options=options, epochs=1) for place in range(3)]
    together[1].hooks = Save()
    fit_side_by_side(together, 3)
    (expected, facts), (tensors, found) = saved
    assert tensors.keys() == expected.keys()
    for name in expected:
        if name.startswith("random/"):
            assert torch.equal(tensors[name], expected[name]), name
        else:
            torch.testing.assert_close(tensors[name], expected[name], rtol=1e-3, atol=2e-4)
    assert {key: found[key] for key in ("epoch", "best_epoch", "train_samples")} == {
        key: facts[key] for key in ("epoch", "best_epoch", "train_samples")
    }
    steps = {name: value for name, value in tensors.items() if name.endswith("/step")}
    assert {value.item() for value in steps.values()} == {one.steps}
    fresh = trainer_for(small_world, 1, options=options, epochs=1)
    checkpoint.unpack(fresh, tensors, found)


def test_numbers_stay_the_same_tensors_as_long_as_they_say_the_same(small_world: Dataset) -> None:
    """A captured step has their addresses in it."""
    trainers = [trainer_for(small_world, place) for place in (0, 1)]
    stack = Stack([Member(trainer) for trainer in trainers])
    before = stack._numbers
    again = EpochNumbers.of(stack.trainers, stack.device)
    assert again.or_equal(before) is before
    for trainer in stack.trainers:
        trainer.model.epoch = 1  # the second one's alpha warms up
    assert EpochNumbers.of(stack.trainers, stack.device).or_equal(before) is not before


@pytest.mark.parametrize("gathered", [1, 700, 10**6])
def test_every_member_sees_its_own_order_however_many_steps_are_gathered(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch, gathered: int
) -> None:
    stack = Stack([Member(trainer_for(small_world, place)) for place in (0, 1)])
    orders = stack._orders()
    monkeypatch.setattr(stack, "_orders", lambda: orders)
    monkeypatch.setattr(dataset_module, "ROWS_GATHERED", gathered)
    parts = torch.split(orders, stack.config.batch_size, dim=1)
    batches = list(stack._batches())
    assert len(parts) == len(batches)
    assert len(batches[-1]) < len(batches[0])
    for index, batch in zip(parts, batches, strict=True):
        assert torch.equal(batch.rows, small_world.batch(index.reshape(-1)).rows)
