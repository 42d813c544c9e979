"""n models side by side against one model alone, in time per training step.

    python tests/benchmarks/bench_side_by_side.py --device cuda
    python tests/benchmarks/bench_side_by_side.py --models fm --batch-sizes 256 --members 1 4

One model alone is the trainer as it is, with its logging; both take turns within one process. On a
CPU the time is that of the process, on a GPU that of the clock. A ratio below n means that training
side by side pays. --differ gives each member a learning rate of its own, the optimiser's worst
case. The last line is JSON.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import replace

import torch
from timing import Row, dearer, finish, in_turns, ratios, seconds_of, spread, where

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.training.experiment import pick_device, resolve
from workbench.training.side_by_side.stack import Member, Stack
from workbench.training.trainer import Trainer

GOAL = 2.0
"""Times the step of one model that `GOAL_MEMBERS` of them may cost, on a GPU."""
GOAL_MEMBERS = 16


def config_for(options: argparse.Namespace, model: str, batch_size: int) -> ExperimentConfig:
    """What all members share."""
    return ExperimentConfig.parse(
        {
            "data": {"source": options.data, "folder": options.folder},
            "model": {"name": model, "dim": options.dim},
            "framework": {"variant": options.variant, "k": options.k},
            "training": {
                "batch_size": batch_size,
                "device": options.device,
                "precision": options.precision,
                "compile": options.compile,
            },
        }
    )


def member(config: ExperimentConfig, dataset: Dataset, place: int, *, differ: bool) -> Trainer:
    """Another seed and another alpha, as in a sweep."""
    values = config.model_dump()
    values["training"]["seed"] = place
    values["framework"]["alpha"] = 0.05 * (place + 1)
    if differ:
        values["training"]["lr"] = 0.001 * (1 + place / 100)
    config = resolve(ExperimentConfig.parse(values), dataset)
    return Trainer(model_for(config, dataset).to(dataset.device), dataset, config.training)


def cut(dataset: Dataset, rows: int) -> Dataset:
    """Training rows for so many steps, repeated where the data has fewer."""
    train = dataset.splits["train"]
    train = train.repeat(-(-rows // len(train)))[:rows]
    return replace(dataset, splits={**dataset.splits, "train": train})


def _mode(options: argparse.Namespace) -> str:
    words = [options.variant]
    if options.variant in ("mask", "full"):
        words.append(f"k = {options.k}")
    if options.precision != "float32":
        words.append(options.precision)
    if options.compile:
        words.append("compiled")
    return ", ".join(words)


def measure(
    options: argparse.Namespace, dataset: Dataset, model: str, batch_size: int
) -> list[Row]:
    """Rounds of all sizes in turn, after one that warms up."""
    config = config_for(options, model, batch_size)
    data = cut(dataset, options.steps * batch_size)
    alone = member(config, data, 0, differ=False)
    work: dict[int, Callable[[], object]] = {0: alone._train_epoch}
    for n in options.members:
        members = [Member(member(config, data, i, differ=options.differ)) for i in range(n)]
        work[n] = Stack(members).train_epoch
    turns = {
        str(n): lambda call=call: seconds_of(call, data.device)  # type: ignore[misc]
        for n, call in work.items()
    }
    in_turns(turns, 1)  # warms up
    seen = in_turns(turns, options.rounds)
    times = {n: [1000 * one / options.steps for one in seen[str(n)]] for n in work}
    rows: list[Row] = []
    for n in options.members:
        costs = ratios(times[n], times[0])
        cost = spread(costs)
        alone, together = statistics.median(times[0]), statistics.median(times[n])
        rows.append(
            where(data.device)
            | {
                "name": f"{n} models side by side",
                "peer": "one model alone",
                "model": model,
                "batch_size": batch_size,
                "mode": _mode(options),
                "ours": 1000 * batch_size / together,
                "theirs": 1000 * batch_size / alone,
                **dearer(costs),
                "goal": 1 / GOAL if n == GOAL_MEMBERS and data.device.type == "cuda" else None,
                "cost": cost,
            }
        )
        print(
            f"{model:12} {batch_size:6} {n:3}  {alone:9.2f} {together:9.2f}  "
            f"{cost['median']:6.2f} ({cost['low']:.2f} to {cost['high']:.2f})  "
            f"{cost['median'] / n:5.2f}",
            flush=True,
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="planted")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--models", nargs="+", default=["fm", "youtube_dnn", "dcn_v2"])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[256, 2048, 4096])
    parser.add_argument("--members", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--variant", default="full")
    parser.add_argument("--k", type=int, default=2)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--precision", choices=("float32", "tf32"), default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--differ", action="store_true")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = pick_device(options.device)
    config = config_for(options, options.models[0], options.batch_sizes[0])
    dataset = load(config.data).to(device)
    print(f"{options.data}, {options.variant}, k = {options.k}, dim {options.dim}, {device}")
    print("model         batch   n  ms alone   ms n      ratio (range)        ratio / n")
    rows = [
        row
        for model in options.models
        for batch_size in options.batch_sizes
        for row in measure(options, dataset, model, batch_size)
    ]
    finish(rows, settings=vars(options) | {"device": str(device)})


if __name__ == "__main__":
    main()
