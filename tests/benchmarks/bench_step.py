"""The trainer's step against a bare loop over the same tensors and the same network.

    python tests/benchmarks/bench_step.py --from ../shared/data/ml-1m
    python tests/benchmarks/bench_step.py --from ../shared/data/ml-1m --profile

The bare loop is the shortest one there is: all training rows joined beforehand, torch's own lookup
functions, one fused Adam. The two take turns within one process, on the process's own time, which
other programs disturb little. The evaluation of the test rows is measured beside them. `--profile`
prints where the trainer's step spends its time. The last line is JSON.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from timing import WARM_UP, Row, Steps, faster, finish, in_turns, ratios, shown, spread, trainer_for
from torch.profiler import ProfilerActivity, profile

from workbench.config import DataConfig, ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.training.evaluation import predict, score

SHOWN_OPERATORS = 15


def settings(options: argparse.Namespace, model: str, size: int, variant: str) -> dict[str, Any]:
    """The experiment of one measurement."""
    return {
        "model": {"name": model, "dim": options.dim},
        "framework": {"variant": variant},
        "training": {
            "batch_size": size,
            "precision": options.precision,
            "compile": options.compile,
        },
    }


class BareLoop:
    """The shortest possible loop over the base model."""

    def __init__(self, dataset: Dataset, values: dict[str, Any]) -> None:
        config = ExperimentConfig.parse(values)
        self.size = config.training.batch_size
        self.model = model_for(config, dataset)
        self.model.embedding._together = None  # torch's own lookup
        batch = dataset.batch(dataset.splits["train"])
        self.rows, self.labels = batch.rows, batch.labels[:, 0].contiguous()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=config.training.lr,
            weight_decay=config.training.weight_decay,
            fused=True,
        )
        self.order = torch.randperm(len(self.rows))
        self.place = 0
        self.seconds(WARM_UP)

    def seconds(self, steps: int) -> float:
        """Time of one step, over `steps` of them."""
        self.model.train()
        began = time.process_time()
        for _ in range(steps):
            if self.place + self.size > len(self.order):
                self.place = 0
            index = self.order[self.place : self.place + self.size]
            self.place += self.size
            logit = self.model.base(self.model.embedding(self.rows[index]))
            loss = F.binary_cross_entropy_with_logits(logit, self.labels[index])
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return (time.process_time() - began) / steps


def evaluation_seconds(dataset: Dataset, values: dict[str, Any]) -> float:
    """Predicting and scoring the test rows, UAUC included."""
    model = model_for(ExperimentConfig.parse(values), dataset)
    began = time.process_time()
    score(predict(model, dataset, "test"), dataset, "test")
    return time.process_time() - began


def operators(steps: Steps, count: int) -> None:
    """Print where the time of a step goes."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        steps.seconds(count)
    events = sorted(seen.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    for event in events[:SHOWN_OPERATORS]:
        print(
            f"    {event.key[:44]:44} {100 * event.self_cpu_time_total / total:5.1f}%  "
            f"{event.count / count:5.1f} calls/step"
        )


def measure(dataset: Dataset, model: str, size: int, options: argparse.Namespace) -> Row:
    """One model and batch size; prints it."""
    values = settings(options, model, size, options.variant)
    bare = BareLoop(dataset, settings(options, model, size, "base"))
    steps = Steps(trainer_for(dataset, values))
    count = max(3, options.samples // size)
    measures: dict[str, Callable[[], float]] = {
        "bare loop": lambda: bare.seconds(count),
        "trainer": lambda: steps.seconds(count),
        "evaluation": lambda: evaluation_seconds(dataset, values),
    }
    seen = in_turns(measures, options.rounds)
    ratio = ratios(seen["bare loop"], seen["trainer"])
    speeds = {name: [size / one for one in seen[name]] for name in ("bare loop", "trainer")}
    print(
        f"{model:12} {options.variant:8} batch {size:5}  "
        f"trainer {shown(speeds['trainer'], 0)} samples/s  bare loop "
        f"{shown(speeds['bare loop'], 0)}  faster by {shown(ratio)}  evaluation "
        f"{shown(seen['evaluation'])} s",
        flush=True,
    )
    if options.profile:
        operators(steps, count)
    return {
        "name": "training step",
        "peer": "bare loop",
        "model": model,
        "batch_size": size,
        "device": "cpu",
        "mode": options.precision + ("+compile" if options.compile else ""),
        "ours": spread(speeds["trainer"])["median"],
        "theirs": spread(speeds["bare loop"])["median"],
        **faster(ratio),
        "goal": None,
        "evaluation_seconds": spread(seen["evaluation"]),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--models", nargs="+", default=["dcn_v2", "youtube_dnn", "fm"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[256, 2048, 4096])
    parser.add_argument("--variant", default="base")
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=100_000, help="in a round of each")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dataset = load(DataConfig(source=options.data, folder=options.folder))
    rows = [
        measure(dataset, model, size, options)
        for model in options.models
        for size in options.batch_sizes
    ]
    finish(rows, settings=vars(options))


if __name__ == "__main__":
    main()
