"""Trains the cases in one of two processes; process 0 writes what happened.

torchrun --nproc-per-node 2 -m tests.training.distributed.worker OUT
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from tests.training.distributed.cases import (
    CASES,
    FM,
    SPLIT,
    Recorder,
    StopAfter,
    case,
    cut,
    possible,
    world,
)
from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.errors import InputError
from workbench.runs import RunStore
from workbench.runs.tensors import write_tensors
from workbench.training.distributed.build import split_model
from workbench.training.distributed.experiment import train_in
from workbench.training.distributed.group import Group, joined
from workbench.training.distributed.tables import SplitEmbedding
from workbench.training.distributed.trainer import DistributedTrainer, shared_logits
from workbench.training.hooks import HookList, Hooks, Record
from workbench.training.trainer import Trainer


class StopAt(Hooks):
    """One process alone wishes to stop."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, trainer: Trainer, record: Record) -> None:
        trainer.stop_requested = trainer.step == self.at


def train(
    config: ExperimentConfig, dataset: Dataset, group: Group, hooks: Hooks | None = None
) -> tuple[DistributedTrainer, dict[str, Any]]:
    recorder = Recorder()
    model = split_model(config, dataset, group, torch.device("cpu"))
    told = HookList([recorder, *([hooks] if hooks else [])])
    trainer = DistributedTrainer(model, dataset, config.training, group, told)
    trainer.fit()
    facts = {
        "steps": recorder.steps,
        "epochs": recorder.epochs,
        "best_epoch": trainer.best_epoch,
        "epoch": trainer.epoch,
        "step": trainer.step,
    }
    return trainer, facts


def train_case(
    name: str, config: ExperimentConfig, dataset: Dataset, group: Group, out: Path
) -> None:
    trainer, facts = train(config, dataset, group)
    tensors = dict(trainer.model.state_dict())
    embedding = trainer.model.embedding
    if isinstance(embedding, SplitEmbedding):
        own = sum(parameter.numel() for parameter in embedding.own_parameters())
        facts["own numbers"] = [int(group.text(str(own), rank)) for rank in range(group.size)]
        tensors = {k: v for k, v in tensors.items() if not k.startswith("embedding.")}
        tensors["embedding.weight"] = embedding.whole()
    tensors["test logits"] = shared_logits(trainer.model, dataset, "test", 100, group)
    if group.first:
        (out / f"{name}.json").write_text(json.dumps(facts))
        write_tensors(out / f"{name}.safetensors", tensors)


def runs(out: Path, group: Group) -> None:
    """Runs that stop and go on, in two processes."""
    store = RunStore(out / "runs")
    for sharding in ("none", "row_wise", "table_wise", "column_wise"):
        if not possible(sharding):
            continue
        name, config = f"cut-{sharding}", cut(sharding)
        train_in(group, lambda config=config: config, store, name=name, hooks=StopAfter())
        if group.first:
            shutil.copytree(store.root / name, store.root / f"on-{sharding}")
        goes_on = f"on-{sharding}"
        train_in(group, lambda config=config: config, store, resume=goes_on)
    # Begun by one process before these two were started.
    train_in(group, lambda: cut("row_wise"), store, resume="begun-by-one")


def failures(group: Group) -> dict[str, Any]:
    """What all processes learn of one that fails."""

    def fail() -> None:
        if group.rank == 1:
            raise InputError("no such file")

    told: dict[str, Any] = {}
    try:
        group.together(fail)
    except InputError as error:
        told["error"] = str(error)
    except SystemExit as error:
        told["code"] = error.code
    return told


def main(out: Path) -> None:
    torch.set_num_threads(1)
    with joined() as group:
        dataset = world()
        for name, config in (CASES | SPLIT).items():
            if possible(config.training.table_sharding):
                train_case(name, config, dataset, group, out)
        # Process 1 wishes to stop after step 3.
        wish = StopAt(3) if group.rank == 1 else None
        _, facts = train(case(FM, "base"), dataset, group, wish)
        told = failures(group) | {"stopped at": facts["step"], "longest": group.text("é" * 70_000)}
        (out / f"process-{group.rank}.json").write_text(json.dumps(told))
        runs(out, group)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
