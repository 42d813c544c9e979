"""What masked copies cost: a training step with k copies against one without.

    python tests/benchmarks/bench_masks.py --from ../shared/data/ml-1m

The variants take turns within one process. Time is the process's own, so that other programs
disturb little. `products` is the least that k copies can cost where matrix products cannot be
shared: the step's time if nothing but the base model's own products came on top for each copy.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from timing import Row, Steps, dearer, finish, in_turns, ratios, shown, spread, trainer_for
from torch.profiler import ProfilerActivity, profile

from workbench.config import DataConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load

GOAL = 2.8
GOAL_K = 3
PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm")


def settings(model: str, k: int, size: int, dim: int) -> dict[str, Any]:
    """The base model, or the mask with k copies."""
    framework = {"variant": "mask", "k": k} if k else {"variant": "base"}
    training = {"batch_size": size, "seed": 0}
    return {"model": {"name": model, "dim": dim}, "framework": framework, "training": training}


def share_of_products(steps: Steps, count: int) -> float:
    """Which share of a step goes to matrix products, as the profiler sees it."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        steps.seconds(count)
    events = seen.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    return sum(e.self_cpu_time_total for e in events if e.key in PRODUCTS) / total


def measure(dataset: Dataset, model: str, size: int, options: argparse.Namespace) -> list[Row]:
    """Rows of one model and batch size; prints them."""
    runs = {
        f"k = {k}": Steps(trainer_for(dataset, settings(model, k, size, options.dim)))
        for k in range(options.most + 1)
    }
    count = max(3, options.samples // size)
    seen = in_turns(
        {name: lambda run=run: run.seconds(count) for name, run in runs.items()},  # type: ignore[misc]
        options.rounds,
    )
    base = seen["k = 0"]
    share = share_of_products(runs["k = 0"], count)
    rows: list[Row] = []
    for k, (name, seconds) in enumerate(seen.items()):
        ratio = ratios(seconds, base)
        least = 1 + k * share
        print(
            f"{model:12} batch {size:5}  {name}  {1000 * min(seconds):8.2f} ms/step at best   "
            f"to k = 0: {shown(ratio)}   products alone: {least:.2f}",
            flush=True,
        )
        rows.append(
            {
                "name": f"masked copies, k = {k}",
                "peer": "the base step",
                "model": model,
                "batch_size": size,
                "device": "cpu",
                "mode": "float32",
                "ours": size / spread(seconds)["median"],
                "theirs": size / spread(base)["median"],
                **dearer(ratio),
                "goal": 1 / GOAL if k == GOAL_K else None,
                "cost": spread(ratio),
                "products_alone": least,
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--models", nargs="+", default=["dcn_v2", "youtube_dnn", "fm"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[256, 2048, 4096])
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--most", type=int, default=4, metavar="K", help="the largest k")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=40_000, help="in a round of each k")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dataset = load(DataConfig(source=options.data, folder=options.folder))
    rows: list[Row] = []
    for model in options.models:
        for size in options.batch_sizes:
            rows += measure(dataset, model, size, options)
    finish(rows, settings=vars(options))


if __name__ == "__main__":
    main()
