"""What the framework costs in serving: the full variant against its base model, call by call.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_serving.py --out data/results/serving.json

Both variants are exported alike, on the features of the planted world; within a round base and
full take turns call by call, on one thread, so that what else the machine does hits both. Latency
is the time of a call, from encoded rows to probabilities: p50 and p99 by the clock on the wall,
which on a busy machine counts the waiting for a core too, and the processor time of the thread,
which does not. The ratio is that of the median processor times, its range over the rounds; that of
the wall-clock medians stands beside it. Prints a table; the last line is JSON.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch
from workbench.data.encoding import Encoding, encoding_of
from workbench.data.registry import load
from workbench.models import MODELS
from workbench.nn.build import model_for
from workbench.nn.framework import AdaF2M2
from workbench.runs.files import to_json, write_text
from workbench.serving.export import example_rows, write_onnx, write_torch
from workbench.serving.servable import Servable

LIMIT = 1.25
Call = Callable[[torch.Tensor, torch.Tensor], Any]


def eager(model: AdaF2M2) -> Call:
    """The training code's own serving path."""
    return lambda rows, counts: model(Batch(rows, counts, counts)).sigmoid()


def onnx_call(module: Any, encoding: Encoding, folder: Path, name: str) -> Call:
    """onnxruntime on one thread, arrays in and out."""
    path = folder / f"{name}.onnx"
    write_onnx(module, encoding, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def call(rows: torch.Tensor, counts: torch.Tensor) -> Any:
        feeds = {"rows": rows.numpy(), "counts": counts.numpy()}
        return session.run(["probability"], {name: feeds[name] for name in names})

    return call


def runtimes(model: AdaF2M2, encoding: Encoding, folder: Path, name: str) -> dict[str, Call]:
    """Every way to serve a model."""
    module = Servable(model)
    return {
        "eager": eager(model),
        "servable": module,
        "torch.export": write_torch(module, encoding, folder / f"{name}.pt2"),
        "onnxruntime": onnx_call(module, encoding, folder, name),
    }


@torch.no_grad()
def alternate(pair: dict[str, Call], inputs: Any, calls: int, rounds: int) -> dict[str, Any]:
    """Latencies in microseconds of both, call by call in turn."""
    wall = {name: np.empty((rounds, calls)) for name in pair}
    processor = {name: np.empty((rounds, calls)) for name in pair}
    for call in pair.values():
        for _ in range(10):
            call(*inputs)
    for round_ in range(rounds):
        for place in range(calls):
            for name, call in pair.items():
                started, worked = time.perf_counter_ns(), time.thread_time_ns()
                call(*inputs)
                processor[name][round_, place] = (time.thread_time_ns() - worked) / 1000
                wall[name][round_, place] = (time.perf_counter_ns() - started) / 1000
    found: dict[str, Any] = {}
    for name in pair:
        found |= {
            f"{name}_p50_us": float(np.median(wall[name])),
            f"{name}_p99_us": float(np.quantile(wall[name], 0.99)),
            f"{name}_cpu_p50_us": float(np.median(processor[name])),
            f"{name}_cpu_p99_us": float(np.quantile(processor[name], 0.99)),
        }
    by_round = {name: np.median(values, axis=1) for name, values in processor.items()}
    ratios = by_round["full"] / by_round["base"]
    ratio = found["full_cpu_p50_us"] / found["base_cpu_p50_us"]
    return found | {
        "ratio": ratio,
        "ratio_low": float(ratios.min()),
        "ratio_high": float(ratios.max()),
        "ratio_cpu_p99": found["full_cpu_p99_us"] / found["base_cpu_p99_us"],
        "ratio_wall": found["full_p50_us"] / found["base_p50_us"],
        "ratio_wall_p99": found["full_p99_us"] / found["base_p99_us"],
        "within_limit": ratio <= LIMIT,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="per measurement and round")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cells = []
    line = "{:12} {:13} {:>5} | {:>9} {:>9} | {:>9} {:>9} | {:>6} {:>6} {:>6} | {:>6} {:>6}"
    print("microseconds by the wall clock, then ratios of processor and of wall-clock time")
    print(line.format("model", "runtime", "batch", "base p50", "p99", "full p50", "p99", "cpu",
                      "low", "high", "wall", "p99"))  # fmt: skip
    for name in options.model:
        data = {"planted": {"rows": 20_000}}
        configs = {
            variant: ExperimentConfig.parse(
                {
                    "data": data,
                    "model": {"name": name, "dim": options.dim},
                    "framework": {"variant": variant},
                }
            )
            for variant in ("base", "full")
        }
        dataset = load(configs["base"].data)
        encoding = encoding_of(dataset)
        with tempfile.TemporaryDirectory() as folder:
            ways = {
                variant: runtimes(model_for(c, dataset).eval(), encoding, Path(folder), variant)
                for variant, c in configs.items()
            }
            for runtime in ways["base"]:
                pair = {variant: ways[variant][runtime] for variant in ways}
                for batch in (1, 1000):
                    inputs = example_rows(encoding, batch)
                    with torch.no_grad():
                        started = time.perf_counter()
                        for _ in range(5):
                            pair["full"](*inputs)
                        once = (time.perf_counter() - started) / 5
                    calls = int(np.clip(options.seconds / once / 2, 20, 2000))
                    found = alternate(pair, inputs, calls, options.rounds)
                    cell = {"model": name, "runtime": runtime, "batch": batch, "calls": calls}
                    cells.append(cell | found)
                    numbers = [
                        found[key]
                        for key in ("base_p50_us", "base_p99_us", "full_p50_us", "full_p99_us")
                    ]
                    ratios = [
                        found[key]
                        for key in (
                            "ratio",
                            "ratio_low",
                            "ratio_high",
                            "ratio_wall",
                            "ratio_wall_p99",
                        )
                    ]
                    texts = [f"{value:.0f}" for value in numbers]
                    texts += [f"{value:.2f}" for value in ratios]
                    print(line.format(name, runtime, batch, *texts), flush=True)
        result = about(options) | {"cells": cells}
        if options.out is not None:  # after every model: a long measurement may be cut short
            write_text(options.out, to_json(result, indent=1) + "\n")
    print(to_json(result))


def about(options: argparse.Namespace) -> dict[str, Any]:
    """How and where it was measured."""
    return {
        "command": " ".join(["python", *sys.argv]),
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "threads": 1,
        "dim": options.dim,
        "rounds": options.rounds,
        "limit": LIMIT,
        "load_average": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()
