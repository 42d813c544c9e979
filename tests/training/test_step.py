"""The ways to take a step: precision, compilation, and what a captured step may do."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.test_trainer import config_for, fit
from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.models import MODELS
from workbench.nn.build import model_for
from workbench.training import compiled
from workbench.training.experiment import resolve
from workbench.training.step import Step, in_precision, is_captured, products_in
from workbench.training.trainer import Trainer

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def trainer_of(dataset: Dataset, variant: str = "full", **training: object) -> Trainer:
    config = config_for(variant, **training)
    return Trainer(model_for(config, dataset), dataset, config.training)


class _Readings(TorchDispatchMode):
    """Counts what would make the host wait for a GPU: a number, or a shape, read from a tensor."""

    WAITING = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::item")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().split(".")[0]
        moved = name == "aten::_to_copy" and (kwargs or {}).get("device") is not None
        if name in self.WAITING or moved:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def torchs_own_lookup(trainer: Trainer) -> Iterator[None]:
    """As on a GPU, where the lookup by hand is not used."""
    embedding = trainer.model.embedding
    together, embedding._together = embedding._together, None
    yield
    embedding._together = together


@pytest.mark.parametrize("variant", ["base", "mask", "adapter", "full"])
def test_nothing_within_an_epoch_waits_for_the_device(small_world: Dataset, variant: str) -> None:
    trainer = trainer_of(small_world, variant, log_every=1000)
    with torchs_own_lookup(trainer), _Readings() as within:
        for batch in small_world.batches("train", 256, trainer.shuffle):
            trainer._losses[trainer.step] = trainer._step(batch)
            trainer.step += 1
    assert trainer.step == trainer.steps > 1
    assert within.seen == []
    with _Readings() as reading:
        trainer._read()
    assert reading.seen  # the one place that does wait is seen


def test_a_step_returns_its_losses(small_world: Dataset) -> None:
    first, second = trainer_of(small_world), trainer_of(small_world)
    batch = small_world.head("train", 256)
    torch.manual_seed(1)  # dropout
    losses = first.model.losses(batch, first.masks)
    torch.manual_seed(1)
    assert torch.equal(torch.stack(losses).detach(), second._step(batch))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_trains_in_bf16(small_world: Dataset, name: str) -> None:
    config = ExperimentConfig.parse(
        {
            "model": {"name": name, "dim": 4},
            "training": {"precision": "bf16", "batch_size": 512, "epochs": 1},
        }
    )
    trainer = Trainer(model_for(config, small_world), small_world, config.training)
    batch = small_world.head("train", 512)
    exact = trainer.model.losses(batch, torch.Generator().manual_seed(1))
    with in_precision("bf16", CPU):
        rough = trainer.model.losses(batch, torch.Generator().manual_seed(1))
    for one, other in zip(exact, rough, strict=True):
        assert other.dtype is torch.float32
        # bfloat16 keeps 8 bits.
        torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-2)
    trainer._step(batch)
    for parameter in trainer.model.parameters():
        assert parameter.dtype is torch.float32
        assert parameter.grad is None or parameter.grad.dtype is torch.float32
        assert parameter.isfinite().all()
    moments = [v for state in trainer.optimizer.state.values() for v in state.values()]
    assert {moment.dtype for moment in moments} == {torch.float32}


def test_bf16_changes_products_and_little_else(small_world: Dataset) -> None:
    plain, rough = (fit(small_world, config_for(precision=p)) for p in ("float32", "bf16"))
    assert not torch.equal(plain.model.embedding.weight, rough.model.embedding.weight)
    assert plain.best_scores is not None
    assert rough.best_scores is not None
    assert rough.best_scores.auc == pytest.approx(plain.best_scores.auc, abs=0.01)


@pytest.mark.parametrize("variant", ["base", "full"])
def test_what_is_traced_for_the_compiler_draws_and_computes_the_same(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """By a compiler that leaves every operation as it is: the numbers stay, but for the order of
    sums in the lookup.
    """
    torch._dynamo.reset()
    as_it_is = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", as_it_is)
    trainers = [trainer_of(small_world, variant, compile=fast) for fast in (False, True)]
    for trainer in trainers:
        torch.manual_seed(0)  # dropout
        trainer.model.train()
        for epoch in range(3):
            trainer.model.epoch = epoch
            trainer._step(small_world.head("train", 256))
    assert trainers[1]._step._fast is not None
    assert torch.equal(trainers[0].masks.get_state(), trainers[1].masks.get_state())
    first, second = (trainer.model.state_dict() for trainer in trainers)
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-5, atol=1e-6)


def test_only_whole_batches_are_compiled(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    trainer = trainer_of(small_world, "base", compile=True)

    def watched(losses: Any) -> Any:
        def run(looked_up: Any, batch: Any, *draws: Any) -> Any:
            seen.append(len(batch))
            return losses(looked_up, batch, *draws)

        return run

    monkeypatch.setattr("workbench.training.step.compiled", watched)
    trainer._train_epoch()
    rows = len(small_world.splits["train"])
    assert rows % 256 != 0
    assert seen == [256] * (rows // 256)


def test_without_a_compiler_there_is_one_line(small_world: Dataset) -> None:
    from torch._inductor import config as inductor

    with inductor.patch({"cpp.cxx": ("no-such-compiler",)}):
        with pytest.raises(
            InputError, match=r"^training.compile = true: no working C\+\+ compiler"
        ):
            compiled.check_compiler(CPU)
        with pytest.raises(InputError, match="allowed here: false"):
            resolve(config_for(compile=True, device="cpu"), small_world)
        resolve(config_for(device="cpu"), small_world)


def test_a_compiler_that_fails_is_named(small_world: Dataset) -> None:
    def losses(batch: Any, generator: Any, mask: Any) -> Any:
        raise torch._dynamo.exc.Unsupported("no such thing")

    def broken(function: Any, **_: Any) -> Any:
        return function

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", broken)
        run = compiled.compiled(losses)
    with pytest.raises(
        InputError, match=r"^training.compile = true: the compiler failed \(no such"
    ):
        run(small_world.head("train", 2), None, None)


class TestCaptured:
    def test_where_a_step_can_be_captured(self, small_world: Dataset) -> None:
        def asked(device: torch.device = GPU, variant: str = "full", **training: object) -> bool:
            config = config_for(variant, **training)
            return is_captured(model_for(config, small_world), config.training, device)

        assert asked()
        assert asked(variant="base")
        assert not asked(CPU)
        assert not asked(capture="off")
        assert not asked(updates="sparse")

    def test_not_where_rows_depend_on_draws(self, small_world: Dataset) -> None:
        values = config_for().model_dump()
        values["framework"]["cold_states"]["share"] = 0.1
        config = ExperimentConfig.parse(values)
        assert not is_captured(model_for(config, small_world), config.training, GPU)

    def test_what_the_host_decides_is_noticed(self, small_world: Dataset) -> None:
        """A graph holds these numbers for good, so each of them must lead to a new one."""
        trainer = trainer_of(small_world)
        step = trainer._step
        assert isinstance(step, Step)
        trainer.steering.begin(trainer)
        trainer.model.train()
        seen = [step._decided()]
        for change in ({"lr": 0.5}, {"alpha": 0.7}, {"mask_range": (0.2, 0.3)}):
            trainer.steering.now(trainer, **change)
            seen.append(step._decided())
            assert step._decided() == seen[-1]
        trainer.model.eval()
        seen.append(step._decided())
        assert len(set(seen)) == len(seen)


def test_products_are_rounded_inside_only_and_on_a_gpu_only() -> None:
    usual = torch.get_float32_matmul_precision()
    for precision, device, inside in (
        ("tf32", torch.device("cuda"), "high"),
        ("tf32", CPU, usual),
        ("float32", torch.device("cuda"), usual),
    ):
        with products_in(precision, device):
            assert torch.get_float32_matmul_precision() == inside
        assert torch.get_float32_matmul_precision() == usual
    with pytest.raises(ValueError, match="stop"), products_in("tf32", torch.device("cuda")):
        raise ValueError("stop")
    assert torch.get_float32_matmul_precision() == usual


def test_tf32_changes_nothing_on_a_processor(small_world: Dataset) -> None:
    plain, other = (fit(small_world, config_for(precision=p)) for p in ("float32", "tf32"))
    assert plain.best_scores == other.best_scores
