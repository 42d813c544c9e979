"""Training on a CUDA device: no waiting within an epoch, and graphs that change no number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.test_trainer import config_for
from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.models import MODELS
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2
from workbench.training import checkpoint
from workbench.training.capture import WARM_UP_STEPS
from workbench.training.hooks import Hooks, Record
from workbench.training.side_by_side.stack import Member, Stack
from workbench.training.trainer import Trainer

pytestmark = pytest.mark.gpu

# Gradients of the table are added up by atomic operations, in another order from run to run, and
# Adam makes much of a small difference in a small gradient. A step left out moves nearly all
# weights by the learning rate, 0.001 or more.
CLOSE = {"rtol": 5e-3, "atol": 3e-4}
FEW = 0.001
"""Share of a large tensor's entries that may be as far off as `FAR`, which a gradient near zero is
after its sign has turned."""
FAR = {"rtol": 5e-2, "atol": 1e-2}


@pytest.fixture(scope="module")
def on_gpu(small_world: Dataset) -> Dataset:
    return small_world.to("cuda")


@pytest.fixture(autouse=True)
def _sync_mode_as_it_was() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode() if torch.cuda.is_available() else 0
    yield
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode(before)


def trainer_of(
    dataset: Dataset, variant: str = "full", hooks: Hooks | None = None, **training: object
) -> Trainer:
    config = config_for(variant, device="cuda", **training)
    model = model_for(config, dataset).to("cuda")
    return Trainer(model, dataset, config.training, hooks)


def trained(dataset: Dataset, variant: str = "full", **training: object) -> dict[str, Tensor]:
    trainer = trainer_of(dataset, variant, **training)
    trainer.fit()
    return trainer.model.state_dict()


def without_dropout(dataset: Dataset, variant: str, **training: object) -> AdaF2M2:
    """A model after an epoch."""
    values = config_for(variant, device="cuda", epochs=1, **training).model_dump()
    values["model"]["options"]["dropout"] = 0.0
    config = ExperimentConfig.parse(values)
    model = model_for(config, dataset).to("cuda")
    Trainer(model, dataset, config.training).fit()
    return model


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        near = torch.isclose(value, other[name], **CLOSE)
        bounds = CLOSE if (~near).float().mean() > FEW else FAR
        torch.testing.assert_close(value, other[name], msg=lambda m, n=name: f"{n}: {m}", **bounds)


@pytest.mark.parametrize("variant", ["base", "mask", "adapter", "full"])
@pytest.mark.parametrize("capture", ["off", "auto"])
def test_no_step_waits_for_the_device(on_gpu: Dataset, variant: str, capture: str) -> None:
    trainer = trainer_of(on_gpu, variant, capture=capture, log_every=1000)
    trainer.model.train()
    batches = list(on_gpu.batches("train", 256, trainer.shuffle))
    for batch in batches[: WARM_UP_STEPS + 1]:  # recording itself waits
        trainer._step(batch)
    torch.cuda.set_sync_debug_mode("error")
    for batch in batches[WARM_UP_STEPS + 1 :]:
        trainer._losses[trainer.step] = trainer._step(batch)
        trainer.step += 1
    torch.cuda.set_sync_debug_mode("default")
    assert trainer.step > 1
    assert trainer._losses[: trainer.step].isfinite().all()


@pytest.mark.parametrize("variant", ["base", "mask", "adapter", "full"])
def test_a_graph_changes_no_number(on_gpu: Dataset, variant: str) -> None:
    assert_close(trained(on_gpu, variant, capture="auto"), trained(on_gpu, variant, capture="off"))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_can_be_captured(on_gpu: Dataset, name: str) -> None:
    weights = []
    for capture in ("auto", "off"):
        config = ExperimentConfig.parse(
            {
                "model": {"name": name, "dim": 4},
                "training": {"batch_size": 256, "epochs": 1, "capture": capture},
            }
        )
        model = model_for(config, on_gpu).to("cuda")
        trainer = Trainer(model, on_gpu, config.training)
        trainer.fit()
        weights.append(model.state_dict())
        captured = trainer._step._captured
        assert (captured is not None and captured._recorded is not None) == (capture == "auto")
    assert_close(*weights)


def test_the_masks_of_replays_differ_and_continue_the_stream(on_gpu: Dataset) -> None:
    states = []
    for capture in ("auto", "off"):
        trainer = trainer_of(on_gpu, "mask", capture=capture, lr=1e-12)
        trainer.model.train()
        batch = on_gpu.head("train", 256)
        losses = [trainer._step(batch).clone() for _ in range(WARM_UP_STEPS + 4)]
        auxiliary = torch.stack(losses)[:, 1]
        assert len(auxiliary.unique()) == len(auxiliary)
        states.append((auxiliary, trainer.masks.get_state()))
    torch.testing.assert_close(states[0][0], states[1][0])
    assert torch.equal(states[0][1], states[1][1])


class _Steers(Hooks):
    def step(self, trainer: Trainer, record: Record) -> None:
        if (record["epoch"], record["step"]) == (1, 4):
            trainer.steering.now(trainer, lr=0.05, alpha=0.9, mask_range=(0.5, 0.6))


def test_settings_that_move_move_in_a_graph_too(on_gpu: Dataset) -> None:
    weights: list[dict[str, Any]] = []
    for capture in ("auto", "off"):
        trainer = trainer_of(on_gpu, "full", _Steers(), capture=capture, epochs=1)
        trainer.fit()
        weights.append(trainer.model.state_dict())
    assert_close(*weights)


def test_a_schedule_of_alpha_reaches_the_graph(on_gpu: Dataset) -> None:
    weights = []
    for capture in ("auto", "off"):
        values = config_for("full", capture=capture, epochs=3, patience=9).model_dump()
        values["framework"] |= {"alpha_schedule": "decay", "alpha_epochs": 2}
        config = ExperimentConfig.parse(values)
        model = model_for(config, on_gpu).to("cuda")
        Trainer(model, on_gpu, config.training).fit()
        weights.append(model.state_dict())
    assert_close(*weights)


@pytest.mark.parametrize("updates", ["dense", "sparse"])
def test_training_resumes_on_the_device(on_gpu: Dataset, updates: str) -> None:
    settings = {"updates": updates, "patience": 9}
    whole = trained(on_gpu, epochs=2, **settings)
    first = trainer_of(on_gpu, epochs=1, **settings)
    first.fit()
    packed = checkpoint.pack(first)  # before another trainer seeds dropout
    again = trainer_of(on_gpu, epochs=2, **settings)
    checkpoint.unpack(again, *packed)
    again.fit()
    assert_close(whole, again.model.state_dict())


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_other_precisions_and_capture_together(on_gpu: Dataset, precision: str) -> None:
    trainer = trainer_of(on_gpu, "full", precision=precision)
    trainer.fit()
    assert trainer.best_scores is not None
    exact = trainer_of(on_gpu, "full")
    exact.fit()
    assert exact.best_scores is not None
    assert trainer.best_scores.auc == pytest.approx(exact.best_scores.auc, abs=0.02)
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("variant", ["base", "mask", "full"])
def test_compiled_steps_are_captured_and_close(on_gpu: Dataset, variant: str) -> None:
    """In one graph: masks are drawn before, so nothing in the losses stops the compiler."""
    torch._dynamo.utils.counters.clear()
    weights = []
    for compile_ in (True, False):
        model = without_dropout(on_gpu, variant, compile=compile_, order="time")
        weights.append(model.state_dict())
    assert not torch._dynamo.utils.counters["graph_break"]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-2, atol=1e-3)


def test_masked_copies_pass_with_the_samples_or_beside_them(on_gpu: Dataset) -> None:
    """One pass where rows do not see each other, two where dropout or batch norm mixes them."""
    weights = []
    for together in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not together:
                patch.setattr(AdaF2M2, "_pass_together", lambda *_: False)
            weights.append(without_dropout(on_gpu, "full").state_dict())
    assert_close(*weights)


def test_same_numbers_as_on_the_cpu(small_world: Dataset, on_gpu: Dataset) -> None:
    """Without dropout and masks, which draw from another generator there, and in stored order."""
    values = config_for("base", epochs=1, order="time").model_dump()
    values["model"]["options"] = {"hidden": [8]}
    config = ExperimentConfig.parse(values)
    weights = []
    for dataset in (small_world, on_gpu):
        model = model_for(config, dataset).to(dataset.device)
        Trainer(model, dataset, config.training).fit()
        weights.append({name: value.cpu() for name, value in model.state_dict().items()})
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-2, atol=1e-3)


def stacked(
    dataset: Dataset, variant: str, epochs: int, dropout: float = 0.1, **training: object
) -> Stack:
    """Three members after some epochs, one of which has another rate and alpha."""
    members = []
    for seed, lr, alpha in ((0, 0.01, 0.5), (1, 0.01, 0.2), (2, 0.02, 0.2)):
        values = config_for(variant, device="cuda", seed=seed, lr=lr, **training).model_dump()
        values["framework"]["alpha"] = alpha
        values["model"]["options"]["dropout"] = dropout
        config = ExperimentConfig.parse(values)
        model = model_for(config, dataset).to("cuda")
        members.append(Member(Trainer(model, dataset, config.training)))
    stack = Stack(members)
    for epoch in range(epochs):
        for trainer in stack.trainers:
            trainer.epoch = epoch
        stack.train_epoch()
    return stack


@pytest.mark.parametrize("variant", ["base", "mask", "adapter", "full"])
def test_a_graph_changes_no_number_of_models_side_by_side(on_gpu: Dataset, variant: str) -> None:
    weights = []
    for capture in ("auto", "off"):
        stack = stacked(on_gpu, variant, 2, capture=capture, average_decay=0.9)
        recorded = getattr(stack._work, "_recorded", None)
        assert (recorded is not None) == (capture == "auto")
        averages = [trainer.average for trainer in stack.trainers]
        found = dict(stack.parameters)
        for place, average in enumerate(averages):
            assert average is not None
            found |= {f"{place}/{name}": one for name, one in average.tensors.items()}
        weights.append(found)
    assert_close(*weights)


def test_a_schedule_reaches_the_graph_of_models_side_by_side(on_gpu: Dataset) -> None:
    weights = []
    for capture in ("auto", "off"):
        stack = stacked(on_gpu, "full", 1, capture=capture)
        for trainer in stack.trainers:
            trainer.model.config = trainer.model.config.model_copy(update={"alpha": 0.9})
        stack.train_epoch()
        weights.append(dict(stack.parameters))
    assert_close(*weights)


@pytest.mark.parametrize("variant", ["base", "full"])
def test_models_side_by_side_are_compiled_together(on_gpu: Dataset, variant: str) -> None:
    torch._dynamo.utils.counters.clear()
    weights = []
    for compile_ in (True, False):
        stack = stacked(on_gpu, variant, 1, dropout=0.0, compile=compile_, order="time")
        weights.append(stack.parameters)
    assert not torch._dynamo.utils.counters["graph_break"]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-2, atol=1e-3)


def test_models_side_by_side_train_as_each_alone_on_the_device(on_gpu: Dataset) -> None:
    """Without dropout, whose draws a GPU numbers in another way."""
    stack = stacked(on_gpu, "full", 1, dropout=0.0)
    for trainer in stack.trainers:
        values = config_for("full", device="cuda").model_dump()
        values["training"] |= {"seed": trainer.config.seed, "lr": trainer.config.lr}
        values["framework"]["alpha"] = trainer.model.config.alpha
        values["model"]["options"]["dropout"] = 0.0
        config = ExperimentConfig.parse(values)
        alone = Trainer(model_for(config, on_gpu).to("cuda"), on_gpu, config.training)
        alone._train_epoch()
        own = {name: value.detach() for name, value in trainer.model.named_parameters()}
        assert_close(own, dict(alone.model.named_parameters()))
