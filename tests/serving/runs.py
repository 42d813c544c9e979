"""A small trained run, and its samples as a user would have them: one flat table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.config import ExperimentConfig
from workbench.data.raw import Ragged, RawData
from workbench.runs import Run, RunStore
from workbench.training.experiment import train_run

ROWS = 3000


def small_config(model: str = "fm", variant: str = "full", **data: Any) -> ExperimentConfig:
    """One epoch on a small planted world, split by time."""
    return ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": ROWS}, "split": "time"} | data,
            "model": {"name": model, "dim": 4},
            "framework": {"variant": variant},
            "training": {"epochs": 1, "batch_size": 256, "lr": 0.01, "device": "cpu"},
        }
    )


def trained(folder: Path, name: str, config: ExperimentConfig) -> Run:
    """Train into ``<folder>/runs``."""
    return train_run(config, RunStore(folder / "runs"), name=name)


def flat_table(raw: RawData, index: NDArray[np.int64]) -> pd.DataFrame:
    """The samples `index` with a column per feature, joined from users, items and context."""
    columns: dict[str, Any] = {}
    sides = ((raw.users, raw.user_index), (raw.items, raw.item_index))
    for side, keys in (*sides, (raw.context, np.arange(len(raw)))):
        for name, values in side.items():
            if isinstance(values, Ragged):
                lists = np.split(values.values, values.offsets[1:-1])
                columns[name] = [lists[key].tolist() for key in keys[index]]
            else:
                columns[name] = values[keys[index]]
    return pd.DataFrame(columns)


def written(frame: pd.DataFrame, path: Path) -> Path:
    """The table as CSV (lists joined by |) or Parquet."""
    if path.suffix == ".parquet":
        frame.to_parquet(path)
        return path
    lists = [c for c in frame if frame[c].map(lambda value: isinstance(value, list)).any()]
    frame.assign(**{c: frame[c].map("|".join) for c in lists}).to_csv(path, index=False)
    return path
