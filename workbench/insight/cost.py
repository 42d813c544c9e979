"""What ways of training cost: seconds of training, and latency of serving."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from workbench.data.dataset import Batch, Dataset
from workbench.insight.trained import Trained

WARM_UP = 5


@torch.no_grad()
def serving_latency(
    models: Mapping[str, Trained],
    batch_sizes: Sequence[int] = (1, 1000),
    *,
    rounds: int = 50,
) -> pd.DataFrame:
    """Milliseconds from a ready batch to its logits, on one thread, models taking turns.

    Taking turns, whatever else the machine does at the moment hits all models alike.

    Args:
        models: name -> model with its data.
        batch_sizes: samples per request; fewer where the test split has fewer.
        rounds: timed requests of each model and size.

    Returns:
        One row per model and size: `model`, `batch_size`, `p50`, `p99` (milliseconds), `ratio` (of
        p50 to the first model's), `rounds`.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        records = []
        for size in batch_sizes:
            batches = {name: _batch(own.dataset, size) for name, own in models.items()}
            times: dict[str, list[float]] = {name: [] for name in models}
            for turn in range(rounds + WARM_UP):
                for name, own in models.items():
                    start = time.perf_counter()
                    own.model(batches[name])
                    if turn >= WARM_UP:
                        times[name].append(1000 * (time.perf_counter() - start))
            records += [_record(name, size, own, times) for name, own in times.items()]
    finally:
        torch.set_num_threads(threads)
    return pd.DataFrame(records)


def _batch(dataset: Dataset, size: int) -> Batch:
    return dataset.batch(dataset.splits["test"][:size])


def _record(
    name: str, size: int, own: list[float], times: Mapping[str, list[float]]
) -> dict[str, object]:
    first = float(np.median(next(iter(times.values()))))
    p50, p99 = np.quantile(own, (0.5, 0.99))
    return {
        "model": name,
        "batch_size": size,
        "p50": float(p50),
        "p99": float(p99),
        "ratio": float(p50) / first,
        "rounds": len(own),
    }
