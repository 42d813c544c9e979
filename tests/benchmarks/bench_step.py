"""The trainer's step against a bare loop over the same tensors and the same network.

    python tests/benchmarks/bench_step.py --from ../shared/data/ml-1m

Alternates the two within one process and prints the median and range of each, of their ratio, and
of the evaluation of the test rows; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2
from workbench.training.evaluation import predict, score
from workbench.training.trainer import Trainer

WARM_UP = 10


def flat_tensors(dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Every training row joined beforehand: what a bare loop would hold."""
    batch = dataset.batch(dataset.splits["train"])
    return batch.rows, batch.labels[:, 0].contiguous()


def bare_loop(
    model: AdaF2M2, rows: torch.Tensor, labels: torch.Tensor, config: ExperimentConfig, steps: int
) -> float:
    """Samples per second of the shortest possible loop."""
    size = config.training.batch_size
    optimizer = torch.optim.Adam(
        model.parameters(),
        lr=config.training.lr,
        weight_decay=config.training.weight_decay,
        fused=True,
    )
    model.train()
    order = torch.randperm(len(rows))
    started = 0.0
    for step in range(steps + WARM_UP):
        if step == WARM_UP:
            started = time.perf_counter()
        index = order[step * size % (len(rows) - size) :][:size]
        logit = model.base(model.embedding(rows[index]))
        loss = F.binary_cross_entropy_with_logits(logit, labels[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return steps * size / (time.perf_counter() - started)


def trainer_loop(model: AdaF2M2, dataset: Dataset, config: ExperimentConfig, steps: int) -> float:
    """Samples per second of the trainer, its logging included."""
    size = config.training.batch_size
    trainer = Trainer(model, dataset, config.training)
    part = {**dataset.splits, "train": dataset.splits["train"][: WARM_UP * size]}
    trainer.dataset = type(dataset)(**{**vars(dataset), "splits": part})
    trainer.steps = WARM_UP
    trainer._train_epoch()
    part = {**dataset.splits, "train": dataset.splits["train"][: steps * size]}
    trainer.dataset = type(dataset)(**{**vars(dataset), "splits": part})
    trainer.steps = steps
    started = time.perf_counter()
    trainer._train_epoch()
    return steps * size / (time.perf_counter() - started)


def evaluation_seconds(model: AdaF2M2, dataset: Dataset) -> float:
    """Predicting and scoring the test rows, UAUC included."""
    started = time.perf_counter()
    score(predict(model, dataset, "test"), dataset, "test")
    return time.perf_counter() - started


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--model", default="youtube_dnn")
    parser.add_argument("--variant", default="base")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = ExperimentConfig.parse(
        {
            "data": {"source": options.data, "folder": options.folder},
            "model": {"name": options.model, "dim": options.dim},
            "framework": {"variant": options.variant},
            "training": {"batch_size": options.batch_size},
        }
    )
    dataset = load(config.data)
    values = config.model_dump()
    values["framework"]["variant"] = "base"
    base = ExperimentConfig.parse(values)
    rows, labels = flat_tensors(dataset)
    measures: dict[str, Callable[[], float]] = {
        "bare loop, samples/s": lambda: bare_loop(
            model_for(base, dataset), rows, labels, base, options.steps
        ),
        "trainer, samples/s": lambda: trainer_loop(
            model_for(config, dataset), dataset, config, options.steps
        ),
        "evaluation of the test rows, s": lambda: evaluation_seconds(
            model_for(config, dataset), dataset
        ),
    }
    seen: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(options.rounds):
        for name, measure in measures.items():
            seen[name].append(measure())
    bare, trainer, _ = seen.values()
    seen["trainer / bare loop"] = [a / b for a, b in zip(trainer, bare, strict=True)]
    print(
        f"{options.model} {options.variant}, batch {options.batch_size}, dim {options.dim}, "
        f"{options.threads} thread(s), {options.rounds} rounds of {options.steps} steps"
    )
    for name, values in seen.items():
        shown = spread(values)
        print(
            f"{name:32} median {shown['median']:12,.3f}  range {shown['low']:,.3f} to "
            f"{shown['high']:,.3f}"
        )
    print(json.dumps({"settings": vars(options)} | {k: spread(v) for k, v in seen.items()}))


if __name__ == "__main__":
    main()
