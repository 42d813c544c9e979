"""Training on a CUDA device: epochs, captured against eager steps, masked copies, distance to the
device's limits.

    python tests/benchmarks/bench_gpu.py --from ../shared/data/ml-1m --device cuda

DCN-V2 on MovieLens-1M unless told otherwise. Variants take turns, wall time, the device waited for
at both ends. The shares of the limits divide what the profiler counts (operations of matrix
products; bytes of weights, gradients and moments that the optimiser's kernel has to move) by the
time of the kernels concerned and by a rate measured in the same run: the fastest large matrix
product and the fastest large copy. Without a CUDA device it ends in one line and exit code 2.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from timing import Row, Steps, finish, in_turns, ratios, shown, spread, trainer_for
from torch.profiler import ProfilerActivity, profile

from workbench.config import DataConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.errors import InputError
from workbench.training.experiment import pick_device

PRODUCT_SIZE = 8192
COPY_BYTES = 2**30
ADAM_PASSES = 7
"""Reads of weight, gradient and both moments; writes of all but the gradient."""


def settings(options: argparse.Namespace, k: int, mode: str) -> dict[str, Any]:
    """One variant; `mode` is eager or captured."""
    framework = {"variant": "mask", "k": k} if k else {"variant": "base"}
    training = {
        "batch_size": options.batch_size,
        "capture": "auto" if mode == "captured" else "off",
        "precision": options.precision,
        "compile": options.compile,
    }
    model = {"name": options.model, "dim": options.dim}
    return {"model": model, "framework": framework, "training": training}


def fastest(work: Callable[[], object], repeats: int = 10) -> float:
    """Seconds of the fastest of some repeats on the device."""
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1000)
    return min(times)


def limits(device: torch.device, precision: str) -> tuple[float, float]:
    """Operations and bytes per second that the device reaches in large pieces of work."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    one = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, device=device, dtype=kind)
    operations = 2 * PRODUCT_SIZE**3 / fastest(lambda: one @ one)
    source = torch.empty(COPY_BYTES, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    return operations, 2 * COPY_BYTES / fastest(lambda: target.copy_(source))


def achieved(steps: Steps, count: int) -> dict[str, float]:
    """What the profiler sees of eager steps: rates, and how much of the time a kernel runs."""
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with profile(activities=activities, with_flops=True) as seen:
        seconds = steps.seconds(count)
    events = seen.key_averages()
    products = [e for e in events if e.key in ("aten::mm", "aten::addmm")]
    adam = [e for e in events if e.key == "aten::_fused_adam_"]
    numbers = sum(p.numel() for p in steps.trainer.model.parameters())
    busy = sum(event.self_device_time_total for event in events) / 1e6 / count
    product_time = sum(e.self_device_time_total for e in products) / 1e6
    adam_time = sum(e.device_time_total for e in adam) / 1e6 / count
    return {
        "busy": busy / seconds,
        "operations": sum(e.flops for e in products) / product_time if product_time else 0.0,
        "bytes": ADAM_PASSES * 4 * numbers / adam_time if adam_time else 0.0,
    }


def measure(dataset: Dataset, options: argparse.Namespace) -> list[Row]:
    """All rows; prints them."""
    size = options.batch_size
    variants = [(k, mode) for k in (0, options.k) for mode in ("eager", "captured")]
    runs = {
        (k, mode): Steps(trainer_for(dataset, settings(options, k, mode)), time.perf_counter)
        for k, mode in variants
    }
    steps = dataset.steps("train", size)
    seen = in_turns(
        {str(v): lambda run=run: run.seconds(steps) for v, run in runs.items()},  # type: ignore[misc]
        options.rounds,
    )
    seconds = {variant: seen[str(variant)] for variant in variants}
    for (k, mode), own in seconds.items():
        epoch = [steps * one for one in own]
        print(f"k = {k}  {mode:9} epoch {shown(epoch, 3)} s  step {1e6 * min(own):,.0f} us at best")

    def row(name: str, peer: str, ours: list[float], theirs: list[float]) -> Row:
        ratio = ratios(theirs, ours)
        print(f"{name} against {peer}: {shown(ratio)} times as fast")
        return {
            "name": name,
            "peer": peer,
            "model": options.model,
            "batch_size": size,
            "device": torch.cuda.get_device_name(dataset.device),
            "mode": options.precision + ("+compile" if options.compile else ""),
            "ours": size / spread(ours)["median"],
            "theirs": size / spread(theirs)["median"],
            "ratio": spread(ratio)["median"],
            "goal": None,
            "epoch_seconds": steps * spread(ours)["median"],
        }

    base, masked = (0, "captured"), (options.k, "captured")
    rows = [
        row("captured step", "eager step", seconds[base], seconds[(0, "eager")]),
        row(f"{options.k} masked copies", "the base step", seconds[masked], seconds[base]),
        row(
            f"captured step, k = {options.k}",
            "eager step",
            seconds[masked],
            seconds[(options.k, "eager")],
        ),
    ]
    operations, rate = limits(dataset.device, options.precision)
    found = achieved(runs[(0, "eager")], min(steps, 50))
    rows[0] |= {
        "kernels_busy_eager": found["busy"],
        "share_of_compute": found["operations"] / operations,
        "share_of_memory": found["bytes"] / rate,
    }
    print(
        f"eager step: kernels run {100 * found['busy']:.0f}% of the time; matrix products reach "
        f"{found['operations'] / 1e12:.1f} of {operations / 1e12:.1f} Tflop/s, the update "
        f"{found['bytes'] / 1e9:,.0f} of {rate / 1e9:,.0f} GB/s"
    )
    return rows


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", default="dcn_v2")
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    try:
        device = pick_device(options.device)
        if device.type != "cuda":
            raise InputError(f"--device {options.device}: a CUDA device is needed")
        dataset = load(DataConfig(source=options.data, folder=options.folder)).to(device)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = measure(dataset, options)
    finish(rows, settings=vars(options), device=torch.cuda.get_device_name(device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
