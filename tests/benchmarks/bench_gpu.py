"""Training on a CUDA device: epochs, captured against eager steps, masked copies, distance to the
device's limits.

    python tests/benchmarks/bench_gpu.py --from ../shared/data/ml-1m --device cuda

DCN-V2 on MovieLens-1M unless told otherwise. Variants take turns, wall time, the device waited for
at both ends. Shares of the limits are of the captured step: operations of its matrix products, and
bytes of weights, gradients and moments that the optimiser has to move, over the time of the whole
step and over that of their own kernels, against rates measured in the same run (the fastest large
matrix product, the fastest large copy). The profile that shows where the time goes is printed,
kernel by kernel. Without a CUDA device it ends in one line and exit code 2.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from timing import (
    Row,
    Steps,
    dearer,
    faster,
    finish,
    in_turns,
    ratios,
    seconds_of,
    shown,
    spread,
    trainer_for,
    where,
)
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from workbench.config import DataConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.errors import InputError
from workbench.training.experiment import pick_device
from workbench.training.step import products_in
from workbench.training.trainer import Trainer

PRODUCT_SIZE = 8192
PROFILE_LINES = 14
COPY_BYTES = 2**30
EPOCH_SECONDS = 0.1
"""The goal for an epoch of MovieLens-1M, DCN-V2 on batches of 4096."""
MASKED_COST = 1.3
"""Times the base step that three masked copies may cost."""
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
    with products_in(precision, device):
        operations = 2 * PRODUCT_SIZE**3 / fastest(lambda: one @ one)
    source = torch.empty(COPY_BYTES, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    return operations, 2 * COPY_BYTES / fastest(lambda: target.copy_(source))


def profiled(steps: Steps, count: int) -> tuple[list[Any], float]:
    """What the profiler saw of some steps, and the seconds of one as it watched."""
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with profile(activities=activities, with_flops=True) as seen:
        seconds = steps.seconds(count)
    return list(seen.key_averages()), seconds


def kernels(steps: Steps, count: int) -> tuple[dict[str, tuple[float, float]], float]:
    """Name -> microseconds and calls in a step, longest first; the share of time one runs."""
    events, seconds = profiled(steps, count)
    found = {
        event.key: (event.self_device_time_total / count, event.count / count)
        for event in events
        if event.device_type != DeviceType.CPU and event.self_device_time_total
    }
    busy = sum(own for own, _ in found.values()) / 1e6 / seconds
    return dict(sorted(found.items(), key=lambda pair: -pair[1][0])), busy


def achieved(eager: Steps, captured: Steps, step_seconds: float, count: int) -> Row:
    """Operations and bytes of a step, over its time and over that of the kernels that do them."""
    events, _ = profiled(eager, count)
    products = [e for e in events if e.key in ("aten::mm", "aten::addmm", "aten::bmm")]
    adam = [e for e in events if e.key == "aten::_fused_adam_"]
    operations = sum(event.flops for event in products) / count
    moved = ADAM_PASSES * 4 * sum(p.numel() for p in eager.trainer.model.parameters())
    product_time = sum(event.device_time_total for event in products) / 1e6 / count
    adam_time = sum(event.device_time_total for event in adam) / 1e6 / count
    table, busy = kernels(captured, count)
    return {
        "kernels": table,
        "kernels_busy": busy,
        "operations_rate": operations / step_seconds,
        "operations_rate_alone": operations / product_time if product_time else 0.0,
        "bytes_rate": moved / step_seconds,
        "bytes_rate_alone": moved / adam_time if adam_time else 0.0,
    }


def show_profile(name: str, table: dict[str, tuple[float, float]], busy: float) -> None:
    """Print where the time of a step goes."""
    total = sum(own for own, _ in table.values())
    print(f"{name}: a kernel runs {100 * busy:.0f}% of the time; of {total:.0f} us:")
    for kernel, (own, calls) in list(table.items())[:PROFILE_LINES]:
        print(f"  {own:8.1f} us {100 * own / total:5.1f}%  {calls:6.1f} times  {kernel[:90]}")


def show_limits(found: Row, operations: float, rate: float) -> Row:
    """Print the profile and the shares; the shares."""
    show_profile("captured step", found["kernels"], found["kernels_busy"])
    shares = {
        "share_of_compute": found["operations_rate"] / operations,
        "share_of_compute_of_products_alone": found["operations_rate_alone"] / operations,
        "share_of_memory": found["bytes_rate"] / rate,
        "share_of_memory_of_update_alone": found["bytes_rate_alone"] / rate,
    }
    for unit, limit, kind, part in (
        ("Tflop/s", operations / 1e12, "compute", "products"),
        ("GB/s", rate / 1e9, "memory", "update"),
    ):
        whole, alone = shares[f"share_of_{kind}"], shares[f"share_of_{kind}_of_{part}_alone"]
        print(
            f"of {limit:,.1f} {unit}: {100 * whole:.1f}% over the step, "
            f"{100 * alone:.1f}% in the {part} alone"
        )
    return shares | {
        "kernels_busy": found["kernels_busy"],
        "kernels_per_step": sum(calls for _, calls in found["kernels"].values()),
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

    def row(name: str, peer: str, ours: list[float], theirs: list[float], goal: object) -> Row:
        ratio = ratios(theirs, ours)
        print(f"{name} against {peer}: {shown(ratio)} times as fast")
        return about | {
            "name": name,
            "peer": peer,
            "batch_size": size,
            "unit": "samples/s",
            "ours": size / spread(ours)["median"],
            "theirs": size / spread(theirs)["median"],
            **faster(ratio),
            "goal": goal,
        }

    mode = options.precision + ("+compile" if options.compile else "")
    about = where(dataset.device) | {"model": options.model, "mode": mode}
    base, masked = (0, "captured"), (options.k, "captured")
    usual = (options.model, size, options.k) == ("dcn_v2", 4096, 3)
    masked_goal = 1 / MASKED_COST if usual else None
    rows = [
        row("captured step", "eager step", seconds[base], seconds[(0, "eager")], None),
        row(
            f"masked copies, k = {options.k}",
            "the base step",
            seconds[masked],
            seconds[base],
            masked_goal,
        ),
        row(
            f"captured step, k = {options.k}",
            "eager step",
            seconds[masked],
            seconds[(options.k, "eager")],
            None,
        ),
        about | epoch_row(runs[base].trainer, options.rounds, usual),
    ]
    operations, rate = limits(dataset.device, options.precision)
    found = achieved(
        runs[(0, "eager")], runs[base], spread(seconds[base])["median"], min(steps, 50)
    )
    rows[0] |= show_limits(found, operations, rate)
    show_profile(f"captured step, k = {options.k}", *kernels(runs[masked], min(steps, 50)))
    return rows


def epoch_row(trainer: Trainer, rounds: int, usual: bool) -> Row:
    """Whole epochs through the trainer, against the limit."""
    device = trainer.device
    taken = [seconds_of(trainer._train_epoch, device) for _ in range(rounds)]
    print(f"an epoch of {trainer.dataset.rows_in('train'):,} rows: {shown(taken, 3)} s")
    return {
        "name": "an epoch of training",
        "peer": "limit in seconds",
        "batch_size": trainer.config.batch_size,
        "unit": "seconds",
        "ours": spread(taken)["median"],
        "theirs": EPOCH_SECONDS,
        **dearer([one / EPOCH_SECONDS for one in taken]),
        "goal": 1.0 if usual else None,
    }


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
    parser.add_argument("--precision", choices=("float32", "tf32", "bf16"), default="float32")
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
