"""What is trained both in one process and in two; imported by the tests and by `worker`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workbench.config import DataConfig, ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer

WORLD = {"planted": {"rows": 3000}}
TOLERANCE = 1e-5
"""Between one process and two: sums are added up in another order."""

FM = {"name": "fm", "dim": 4}
DNN = {"name": "youtube_dnn", "dim": 4, "options": {"hidden": [8], "dropout": 0.1}}
DCN = {"name": "dcn_v2", "dim": 8}
AFN = {"name": "afn", "dim": 4, "options": {"neurons": 8, "hidden": [8], "plus": True}}


def case(
    model: dict[str, Any], variant: str, rival: str = "none", **training: Any
) -> ExperimentConfig:
    values = {"batch_size": 256, "lr": 0.01, "epochs": 1, "log_every": 1, "device": "cpu"}
    return ExperimentConfig.parse(
        {
            "data": WORLD,
            "model": model,
            "framework": {"variant": variant},
            "rival": {"name": rival},
            "training": values | training,
        }
    )


CASES: dict[str, ExperimentConfig] = {
    "dropout, mask and adapter": case(DNN, "full", epochs=2),
    "cross network": case(DCN, "full"),
    # Batch norm makes some gradients pure rounding, which Adam blows up to whole steps: small ones.
    "batch norm": case(AFN, "full", batch_size=400, lr=1e-5),
    # 1,800 training rows: the second batch has one row, of which process 0 gets none.
    "a last batch of one row": case(FM, "mask", batch_size=1799, epochs=3),
    "one row through batch norm": case(AFN, "base", batch_size=1799, lr=1e-5),
    "dropoutnet": case(DCN, "base", "dropoutnet"),
    "embedding dropout": case(DCN, "base", "embedding_dropout"),
    "self-supervised": case(DCN, "base", "ssl"),
    "senet": case(DCN, "base", "senet"),
    "patience": case(FM, "base", epochs=30, patience=1, lr=0.05),
}
SPLIT: dict[str, ExperimentConfig] = {
    "row_wise": case(DNN, "full", epochs=2, table_sharding="row_wise"),
    "row_wise, one row": case(DCN, "mask", batch_size=1799, table_sharding="row_wise"),
    "table_wise": case(DCN, "full", epochs=2, table_sharding="table_wise"),
    "column_wise": case(DCN, "full", epochs=2, table_sharding="column_wise"),
    "table_wise, one row": case(DCN, "mask", batch_size=1799, table_sharding="table_wise"),
}
STOP_AFTER = 2


def cut(sharding: str) -> ExperimentConfig:
    """A run that is stopped after two of its four epochs."""
    return case(DCN, "full", epochs=4, patience=4, batch_size=600, table_sharding=sharding)


def has_torchrec() -> bool:
    try:
        import torchrec  # noqa: F401
    except ImportError:
        return False
    return True


def possible(sharding: str) -> bool:
    """Whether a table can be split so here."""
    return sharding in ("none", "row_wise") or has_torchrec()


class StopAfter(Hooks):
    """Wishes to stop after an epoch."""

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        trainer.stop_requested = trainer.epoch == STOP_AFTER


@dataclass
class Recorder(Hooks):
    """Keeps every record that the trainer tells."""

    steps: list[Record] = field(default_factory=list)
    epochs: list[Record] = field(default_factory=list)

    def step(self, trainer: Trainer, record: Record) -> None:
        self.steps.append(record | {"samples": trainer.train_samples})

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self.epochs.append(record)


def world() -> Dataset:
    return load(DataConfig.model_validate(WORLD))
