"""Speed and memory of the metrics and the paired bootstrap; a table, then one JSON line.

python tests/benchmarks/bench_metrics.py --rows 200000 --threads 1
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from workbench.metrics import auc, log_loss, uauc
from workbench.statistics import METRICS, median_bootstrap, paired_bootstrap, slope_interval


def long_tailed_rows(rows: int, users: int) -> dict[str, np.ndarray]:
    """Two models' logits; a few users have most of the rows; a bucket is a seventh of the users."""
    rng = np.random.default_rng(0)
    user = np.minimum((rng.random(rows) ** 3 * users).astype(np.int64), users - 1)
    truth = rng.normal(size=rows)
    return {
        "scores_base": (truth + rng.normal(size=rows)).astype(np.float32),
        "scores_new": (truth + 0.98 * rng.normal(size=rows)).astype(np.float32),
        "labels": (rng.random(rows) < 1 / (1 + np.exp(-truth))).astype(np.int64),
        "users": user,
        "buckets": user * 7 // users,
    }


def peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def best_seconds(call: Callable[[], object], repeats: int) -> float:
    """The fastest of some runs: the one that other processes disturbed least."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--users", type=int, default=6040)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    data = long_tailed_rows(options.rows, options.users)
    scores, labels, users = (
        torch.from_numpy(data[name]) for name in ("scores_base", "labels", "users")
    )
    # The bootstrap comes first: the peak so far is then that of the imports and the data.
    before = peak_mib()
    paired_bootstrap(**data, replicates=options.replicates)
    bootstrap_mib = peak_mib() - before

    calls: dict[str, Callable[[], object]] = {
        "auc": lambda: auc(scores, labels),
        "auc, scikit-learn": lambda: roc_auc_score(data["labels"], data["scores_base"]),
        "uauc": lambda: uauc(scores, labels, users),
        "log_loss": lambda: log_loss(scores, labels),
        "median_bootstrap": lambda: median_bootstrap(data["scores_base"][: options.users]),
        "slope_interval": lambda: slope_interval(
            data["scores_base"], data["labels"], data["users"], options.replicates
        ),
    }
    for metric in METRICS:
        calls[f"paired_bootstrap {metric}"] = lambda metric=metric: paired_bootstrap(
            **data, metric=metric, replicates=options.replicates
        )
    seconds = {name: best_seconds(call, options.repeats) for name, call in calls.items()}
    for name, value in seconds.items():
        print(f"{name:28s} {value:9.4f} s")
    print(f"{'bootstrap memory':28s} {bootstrap_mib:9.1f} MiB above {before:.0f} MiB")
    print(json.dumps(vars(options) | {"seconds": seconds, "bootstrap_mib": bootstrap_mib}))


if __name__ == "__main__":
    main()
