"""Speed and memory of the metrics and the paired bootstrap; a table, then one JSON line.

    python tests/benchmarks/bench_metrics.py --rows 200000 2000000 20000000
    python tests/benchmarks/bench_metrics.py --rows 100000000 --device cuda

Beside them scikit-learn's AUC, and UAUC as a pandas groupby with scikit-learn in each group and as
one over ranks. The bootstrap is measured up to a million rows, on the CPU. Memory is what a call
takes beside its arguments, in bytes per row.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from timing import Row, finish, where

from workbench.metrics import auc, auc_by_group, log_loss, uauc
from workbench.statistics import METRICS, median_bootstrap, paired_bootstrap, slope_interval

BOOTSTRAP_ROWS = 1_000_000
LIMIT_ROWS = 100_000_000
LIMIT_SECONDS = 1.0
"""The goal on a GPU: AUC of so many rows in so long."""
PEERS = {
    "auc": ("auc, scikit-learn",),
    "uauc": ("uauc, pandas ranks", "uauc, pandas and scikit-learn"),
}


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


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def extra_bytes(call: Callable[[], object], device: torch.device) -> int:
    """What a call takes at its peak beside what there is, measured in a child of this process."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        before = peak_bytes()  # a child's peak starts at what it was born with
        call()
        os.write(writing, str(peak_bytes() - before).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    return int(found)


def best_seconds(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """The fastest of some runs: the one that other processes disturbed least. On a CPU, its own."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    seconds = []
    for _ in range(repeats):
        start = clock()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(clock() - start)
    return min(seconds)


def by_groupby(frame: pd.DataFrame) -> float:
    """UAUC as it is often written: a groupby, and scikit-learn in each group."""
    mixed = frame.groupby("user").filter(lambda rows: rows["label"].nunique() == 2)
    groups = mixed.groupby("user")
    values = groups[["label", "score"]].apply(lambda g: roc_auc_score(g["label"], g["score"]))
    return float(np.average(values, weights=groups.size()))


def by_ranks(frame: pd.DataFrame) -> float:
    """UAUC with pandas at its best: ranks within groups, and the rank-sum formula."""
    frame = frame.assign(rank=frame.groupby("user")["score"].rank())
    frame["won"] = frame["rank"] * frame["label"]
    sums = frame.groupby("user").agg(
        won=("won", "sum"), positives=("label", "sum"), rows=("label", "size")
    )
    sums = sums[(sums["positives"] > 0) & (sums["positives"] < sums["rows"])]
    positives, negatives = sums["positives"], sums["rows"] - sums["positives"]
    values = (sums["won"] - positives * (positives + 1) / 2) / (positives * negatives)
    return float(np.average(values, weights=sums["rows"]))


def ours(data: dict[str, np.ndarray], device: torch.device) -> dict[str, Callable[[], object]]:
    """The metrics, on tensors of the device."""
    scores, labels, users, buckets = (
        torch.from_numpy(data[name]).to(device)
        for name in ("scores_base", "labels", "users", "buckets")
    )
    return {
        "auc": lambda: auc(scores, labels),
        "uauc": lambda: uauc(scores, labels, users),
        "auc_by_group, 7 buckets": lambda: auc_by_group(scores, labels, buckets),
        "log_loss": lambda: log_loss(scores, labels),
    }


def others(data: dict[str, np.ndarray], options: argparse.Namespace) -> dict[str, Any]:
    """What other libraries do, and the bootstrap, on the CPU."""
    frame = pd.DataFrame(
        {"user": data["users"], "label": data["labels"], "score": data["scores_base"]}
    )
    calls: dict[str, Callable[[], object]] = {
        "auc, scikit-learn": lambda: roc_auc_score(data["labels"], data["scores_base"]),
        "uauc, pandas ranks": lambda: by_ranks(frame),
        "uauc, pandas and scikit-learn": lambda: by_groupby(frame),
    }
    if len(frame) > BOOTSTRAP_ROWS:
        return calls
    calls["median_bootstrap"] = lambda: median_bootstrap(data["scores_base"][: options.users])
    calls["slope_interval"] = lambda: slope_interval(
        data["scores_base"], data["labels"], data["users"], options.replicates
    )
    for metric in METRICS:
        calls[f"paired_bootstrap {metric}"] = lambda metric=metric: paired_bootstrap(
            **data, metric=metric, replicates=options.replicates
        )
    return calls


def measure(options: argparse.Namespace, rows: int) -> list[Row]:
    """All calls on so many rows; prints them."""
    device = torch.device(options.device)
    cpu = torch.device("cpu")
    data = long_tailed_rows(rows, options.users)
    own = ours(data, device)
    memory = {name: extra_bytes(call, device) / rows for name, call in own.items()}
    seconds = {name: best_seconds(call, options.repeats, device) for name, call in own.items()}
    if not options.alone:
        for name, call in others(data, options).items():
            seconds[name] = best_seconds(call, options.repeats, cpu)
    for name, value in seconds.items():
        taken = f"{memory[name]:8.1f} bytes/row" if name in memory else ""
        print(f"{rows:11,} {name:30s} {1000 * value:12.2f} ms {taken}", flush=True)
    found = [limited(name, rows, seconds[name], device) for name in own] + [
        result(name, peer, rows, seconds[name], seconds[peer], device)
        for name in own
        for peer in PEERS.get(name, ())
        if peer in seconds
    ]
    return [row | {"bytes_per_row": memory[row["metric"]]} for row in found]


def result(name: str, peer: str, rows: int, own: float, other: float, device: torch.device) -> Row:
    """A metric against another way to it, in seconds."""
    ratio = other / own
    return where(device) | {
        "name": f"{name} of {rows:,} rows",
        "metric": name,
        "peer": peer.partition(", ")[2] or peer,
        "model": None,
        "batch_size": None,
        "mode": "exact",
        "unit": "seconds",
        "ours": own,
        "theirs": other,
        "ratio": ratio,
        "ratio_low": ratio,
        "ratio_high": ratio,
        "goal": None,
    }


def limited(name: str, rows: int, own: float, device: torch.device) -> Row:
    """A metric against a second, which is the goal for AUC of 100 million rows on a GPU."""
    row = result(name, "a second", rows, own, LIMIT_SECONDS, device)
    asked = name == "auc" and rows >= LIMIT_ROWS and device.type == "cuda"
    return row | ({"goal": 1.0} if asked else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000])
    parser.add_argument("--users", type=int, default=6040)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--alone", action="store_true", help="leave the other libraries out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    finish([row for rows in options.rows for row in measure(options, rows)], settings=vars(options))


if __name__ == "__main__":
    main()
