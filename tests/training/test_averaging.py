"""The average of the weights: by hand, in the trainer, over a stop, and side by side."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.nn.build import model_for
from workbench.training import checkpoint
from workbench.training.averaging import WeightAverage, update_together
from workbench.training.evaluation import predict, score
from workbench.training.hooks import Hooks, Record
from workbench.training.side_by_side import fit_side_by_side
from workbench.training.trainer import Trainer


def trainer_of(
    dataset: Dataset, hooks: Hooks | None = None, *, model: str = "youtube_dnn", **training: Any
) -> Trainer:
    config = ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 3000}},
            "model": {"name": model, "dim": 4, "options": {"hidden": [8]}},
            "framework": {"variant": "full", "k": 1},
            "training": {"batch_size": 300, "epochs": 3, "patience": 3, "device": "cpu"}
            | {"lr": 0.01, "average_decay": 0.9, "log_every": 2}
            | training,
        }
    )
    return Trainer(model_for(config, dataset), dataset, config.training, hooks)


def test_by_hand() -> None:
    """From 0 to 1, 1, 1: step t keeps (1 + t) / (10 + t), at most the decay."""
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    average = WeightAverage(model, 0.2)
    with torch.no_grad():
        model.weight.fill_(1.0)
    expected = 0.0
    for step in (1, 2, 3):
        average.update()
        kept = min(0.2, (1 + step) / (10 + step))
        expected = kept * expected + 1 - kept
        assert average.tensors["weight"].item() == pytest.approx(expected, abs=1e-7)
    assert average.updates == 3


def test_inside_the_model_has_the_average_in_the_same_memory() -> None:
    model = nn.Linear(2, 1)
    average = WeightAverage(model, 0.5)
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(1.0)
    place, moved = model.weight.data_ptr(), model.weight.detach().clone()
    with average.applied():
        assert torch.equal(model.weight, before)
        assert model.weight.data_ptr() == place
    assert torch.equal(model.weight, moved)
    assert torch.equal(average.tensors["weight"], before)


def test_running_statistics_are_averaged_with_the_weights() -> None:
    """Between 0 and a step's 2 by the share that a weight keeps; the count of batches is not."""
    model = nn.Sequential(nn.BatchNorm1d(1, momentum=1.0))
    average = WeightAverage(model, 0.2)
    model(torch.tensor([[1.0], [3.0]]))  # of mean 2 and variance 2
    average.update()
    kept = 2 / 11
    assert average.tensors["0.running_mean"].item() == pytest.approx((1 - kept) * 2, abs=1e-6)
    assert average.tensors["0.running_var"].item() == pytest.approx(kept + (1 - kept) * 2, abs=1e-6)
    assert set(average.tensors) == {"0.weight", "0.bias", "0.running_mean", "0.running_var"}
    (norm,) = model
    place, count = norm.running_mean.data_ptr(), norm.num_batches_tracked.clone()
    with average.applied():
        assert norm.running_mean.item() == pytest.approx((1 - kept) * 2, abs=1e-6)
        assert norm.running_mean.data_ptr() == place
    assert norm.running_mean.item() == 2.0
    assert torch.equal(norm.num_batches_tracked, count)


def test_training_does_not_see_it(small_world: Dataset) -> None:
    class Losses(Hooks):
        def __init__(self) -> None:
            self.seen: list[float] = []

        def step(self, trainer: Trainer, record: Record) -> None:
            self.seen.append(record["loss_total"])

    with_average, without = Losses(), Losses()
    trainer_of(small_world, with_average).fit()
    trainer_of(small_world, without, average_decay=None).fit()
    assert with_average.seen == without.seen


def test_the_best_weights_are_the_average(small_world: Dataset) -> None:
    trainer = trainer_of(small_world, epochs=1)
    trainer.fit()
    assert trainer.average is not None
    assert trainer.best_scores is not None
    for name, parameter in trainer.model.named_parameters():
        assert torch.equal(parameter, trainer.average.tensors[name])
    again = score(predict(trainer.model, small_world, "valid"), small_world, "valid")
    assert again == trainer.best_scores
    last = trainer_of(small_world, epochs=1, average_decay=None)
    last.fit()
    pairs = zip(trainer.model.parameters(), last.model.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)


def test_a_decay_of_0_is_the_last_weights(small_world: Dataset) -> None:
    averaged = trainer_of(small_world, average_decay=0.0)
    last = trainer_of(small_world, average_decay=None)
    averaged.fit()
    last.fit()
    assert averaged.best_scores == last.best_scores


@pytest.mark.parametrize("at", [(1, 10), (2, 4)])
def test_resumed_it_ends_with_the_same_bits(small_world: Dataset, at: tuple[int, int]) -> None:
    class Stop(Hooks):
        """Keeps the state where losses are read, at an epoch's end or within the epoch."""

        def __init__(self) -> None:
            self.kept: tuple[checkpoint.Tensors, dict[str, Any]] | None = None

        def step(self, trainer: Trainer, record: Record) -> None:
            if (trainer.epoch + 1, trainer.step) == at and trainer.step < trainer.steps:
                self._keep(trainer)

        def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
            if trainer.epoch == at[0] and self.kept is None:
                self._keep(trainer)

        def _keep(self, trainer: Trainer) -> None:
            tensors, facts = checkpoint.pack(trainer)  # which the next step would move
            self.kept = {name: value.clone() for name, value in tensors.items()}, facts

    stop = Stop()
    whole = trainer_of(small_world, stop)
    whole.fit()
    assert stop.kept is not None
    resumed = trainer_of(small_world)
    checkpoint.unpack(resumed, *stop.kept)
    resumed.fit()
    assert resumed.average is not None
    assert whole.average is not None
    assert resumed.average.updates == whole.average.updates
    for name, value in whole.best_weights.items():
        assert torch.equal(value, resumed.best_weights[name])
    for name, value in whole.average.tensors.items():
        assert torch.equal(value, resumed.average.tensors[name])


def test_a_forged_average_is_refused(small_world: Dataset) -> None:
    trainer = trainer_of(small_world, epochs=1)
    trainer.fit()
    tensors, facts = checkpoint.pack(trainer)
    key = next(name for name in tensors if name.startswith("average/"))
    for changed in (
        ({k: v for k, v in tensors.items() if k != key}, facts),
        (tensors | {key: torch.zeros(1, 1, 1)}, facts),
        (tensors, facts | {"average_updates": -1}),
        (tensors, {k: v for k, v in facts.items() if k != "average_updates"}),
    ):
        with pytest.raises(InputError, match="does not fit this run's config"):
            checkpoint.unpack(trainer_of(small_world, epochs=1), *changed)


def test_side_by_side_each_member_has_its_own(small_world: Dataset) -> None:
    decays = (0.9, 0.5, None)
    alone = [trainer_of(small_world, average_decay=decay) for decay in decays]
    for trainer in alone:
        trainer.fit()
    together = [trainer_of(small_world, average_decay=decay) for decay in decays]
    fit_side_by_side(together, 3)
    for one, other in zip(alone, together, strict=True):
        assert one.best_scores is not None
        assert other.best_scores is not None
        assert other.best_scores.auc == pytest.approx(one.best_scores.auc, abs=1e-4)
        for name, value in one.best_weights.items():
            torch.testing.assert_close(other.best_weights[name], value, atol=1e-4, rtol=1e-3)


def test_side_by_side_each_member_averages_its_own_statistics(small_world: Dataset) -> None:
    """Learning little, since AFN soon tells rounding apart (its logarithms of small entries)."""

    def members() -> list[Trainer]:
        return [
            trainer_of(small_world, model="afn", average_decay=decay, lr=1e-4, epochs=1)
            for decay in (0.9, 0.5)
        ]

    alone, together = members(), members()
    for trainer in alone:
        trainer.fit()
    fit_side_by_side(together, 2)
    for one, other in zip(alone, together, strict=True):
        assert one.average is not None
        assert other.average is not None
        statistics = [name for name in one.average.tensors if "running" in name]
        assert len(statistics) == 4
        for name in statistics:
            torch.testing.assert_close(
                other.average.tensors[name], one.average.tensors[name], atol=1e-4, rtol=1e-3
            )


def test_several_averages_at_once_are_those_of_each_alone() -> None:
    """Of one age and decay, of another decay, and of another age."""
    torch.manual_seed(0)
    models = [nn.Linear(3, 2) for _ in range(4)]
    pairs = []
    for model, decay in zip(models, (0.9, 0.9, 0.15, 0.9), strict=True):
        pairs.append((WeightAverage(model, decay), WeightAverage(model, decay)))
    for step in range(3):
        for model in models:
            nn.init.normal_(model.weight)
        used = pairs if step else pairs[:3]
        for _, alone in used:
            alone.update()
        update_together([together for together, _ in used])
    for together, alone in pairs:
        assert together.updates == alone.updates
        assert all(torch.equal(together.tensors[n], alone.tensors[n]) for n in alone.tensors)
    assert pairs[0][0].updates == pairs[3][0].updates + 1


def test_no_average_is_no_work() -> None:
    update_together([])
