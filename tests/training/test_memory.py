"""Out of memory: the message names a batch size that was tried and fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch, Dataset
from workbench.errors import TrainingError
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2, Losses
from workbench.runs import RunStore
from workbench.training.experiment import train_run
from workbench.training.memory import is_out_of_memory, largest_that_fits
from workbench.training.trainer import Trainer

CPU_ERROR = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
)


def config_for(**training: object) -> ExperimentConfig:
    settings = {"batch_size": 1000, "epochs": 2, "device": "cpu", "log_every": 1}
    return ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 3000}},
            "model": {"name": "fm", "dim": 2},
            "training": settings | training,
        }
    )


def limit_memory(
    monkeypatch: pytest.MonkeyPatch, *, train: int = 10**9, predict: int = 10**9
) -> list[int]:
    """A device that holds so many rows of a step, or of an evaluation; returns the sizes tried."""
    tried: list[int] = []
    losses, forward = AdaF2M2.losses, AdaF2M2.forward

    def checked_losses(self: AdaF2M2, batch: Batch, *rest: object) -> Losses:
        tried.append(len(batch))
        if len(batch) > train:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return losses(self, batch, *rest)  # type: ignore[arg-type]

    def checked_forward(self: AdaF2M2, batch: Batch) -> Tensor:
        if len(batch) > predict:
            raise RuntimeError(CPU_ERROR)
        return forward(self, batch)

    monkeypatch.setattr(AdaF2M2, "losses", checked_losses)
    monkeypatch.setattr(AdaF2M2, "forward", checked_forward)
    return tried


def trainer_for(config: ExperimentConfig, dataset: Dataset) -> Trainer:
    return Trainer(model_for(config, dataset), dataset, config.training)


@pytest.mark.parametrize(("room", "named"), [(999, 512), (512, 512), (300, 256), (1, 1)])
def test_a_step_names_the_batch_size_that_fits(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch, room: int, named: int
) -> None:
    tried = limit_memory(monkeypatch, train=room)
    with pytest.raises(TrainingError) as caught:
        trainer_for(config_for(), small_world).fit()
    message = str(caught.value)
    assert message == (
        "out of memory at epoch 1: a step of 1000 rows does not fit, training.batch_size = "
        f"{named} does; start again with --set training.batch_size={named}"
    )
    assert tried[-1] == named
    # And so it does.
    trainer_for(config_for(batch_size=named), small_world).try_step(named)


def test_a_batch_larger_than_the_data_counts_as_all_rows(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(monkeypatch, train=700)
    rows = len(small_world.splits["train"])
    with pytest.raises(TrainingError, match=rf"a step of {rows} rows .*batch_size = 512 does"):
        trainer_for(config_for(batch_size=100_000), small_world).fit()


def test_the_evaluation_names_its_own_setting(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(monkeypatch, predict=100)
    with pytest.raises(TrainingError, match=r"evaluation of 600 rows .*eval_batch_size = 64 does"):
        trainer_for(config_for(), small_world).fit()


def test_where_nothing_fits_the_table_is_named(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(monkeypatch, train=0)
    rows = small_world.layout.rows
    with pytest.raises(
        TrainingError, match=rf"nor does 1 row: the {rows} x \d+ .*; lower model.dim"
    ):
        trainer_for(config_for(), small_world).fit()


def test_the_run_says_so_too(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit_memory(monkeypatch, train=300)
    store = RunStore(tmp_path)
    with pytest.raises(TrainingError):
        train_run(config_for(), store, name="large", dataset=small_world)
    assert store.open("large").state == "failed"
    assert "training.batch_size = 256 does" in store.open("large").status.message


def test_other_errors_stay_what_they_are(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: AdaF2M2, *arguments: object) -> Losses:
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")

    monkeypatch.setattr(AdaF2M2, "losses", broken)
    with pytest.raises(RuntimeError, match="size of tensor a"):
        trainer_for(config_for(), small_world).fit()


def test_what_counts_as_out_of_memory() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError(CPU_ERROR))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)


def test_largest_that_fits_by_hand() -> None:
    def room_for(most: int) -> object:
        def attempt(size: int) -> None:
            if size > most:
                raise MemoryError

        return attempt

    cases = {(1024, 1023): 512, (1025, 2000): 1024, (7, 3): 2, (2, 1): 1, (1, 1): 0, (64, 0): 0}
    for (rows, most), expected in cases.items():
        assert largest_that_fits(rows, room_for(most)) == expected  # type: ignore[arg-type]


@pytest.mark.gpu
def test_a_real_gpu(small_world: Dataset) -> None:
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    # Leave the process 200 MiB: a batch of thousands fits, one of ten million does not.
    torch.cuda.set_per_process_memory_fraction((total - free + 200 * 2**20) / total)
    try:
        dataset = small_world.to("cuda")
        index = dataset.splits["train"]
        dataset.splits["train"] = index.repeat(2_000)
        config = config_for(batch_size=10_000_000, device="cuda")
        trainer = Trainer(model_for(config, dataset).cuda(), dataset, config.training)
        with pytest.raises(TrainingError, match=r"out of GPU memory .*batch_size = \d+ does"):
            trainer.fit()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
