"""Training from Parquet files against the same rows in memory, and memory over sizes of the data.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_stream.py
    OMP_NUM_THREADS=1 python tests/benchmarks/bench_stream.py --rows 1e6 1e7 1e8

For every size it writes a folder of 20 features (about 40 bytes a row, deleted afterwards), reads a
whole shuffled epoch of it without training, and trains on it, each in a process of its own whose
peak memory is reported. Speeds are compared on the smallest size, whose rows fit into memory:
streamed and in memory alternate within one process. The time that is compared is the process's CPU
time, the reading thread included, which is what streaming costs where training uses every core; the
wall clock is shown beside it. The last line is JSON.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.stream_columns import make
from tests.benchmarks.timing import Row, finish
from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.store import load_dataset
from workbench.data.stream.dataset import StreamedDataset
from workbench.nn.build import model_for
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer

LIMIT_MIB = 3 * 1024
GOAL = 0.9
FLAT = 0.9


def experiment(model: str, batch_size: int, steps: int) -> ExperimentConfig:
    """Base model, one reading of the loss at the end of `steps` steps."""
    training = {"batch_size": batch_size, "log_every": steps, "device": "cpu"}
    return ExperimentConfig.parse(
        {"model": {"name": model}, "framework": {"variant": "base"}, "training": training}
    )


class _Stop(Hooks):
    """Ends the epoch at the first reading of the loss."""

    def step(self, trainer: Trainer, record: Record) -> None:
        trainer.stop_requested = True


def train_steps(config: ExperimentConfig, data: Dataset) -> tuple[float, float]:
    """Seconds of CPU time and of wall time that ``log_every`` steps take, from the first batch."""
    trainer = Trainer(model_for(config, data), data, config.training, _Stop())
    cpu, wall = time.process_time(), time.perf_counter()
    trainer._train_epoch()
    return time.process_time() - cpu, time.perf_counter() - wall


def read_epoch(folder: Path, batch_size: int) -> dict[str, Any]:
    """A whole shuffled epoch without training."""
    data = load_dataset(folder)
    cpu, wall = time.process_time(), time.perf_counter()
    rows = positives = 0
    for batch in data.batches("train", batch_size, torch.Generator().manual_seed(0)):
        rows += len(batch)
        positives += int(batch.labels.sum())
    assert rows == data.rows_in("train")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"rows": rows, "positives": positives, "per_cpu_s": rows / cpu, "per_s": rows / wall}


def train_streamed(folder: Path, model: str, batch_size: int, steps: int) -> dict[str, Any]:
    """Some steps from disk alone, for the peak memory of training."""
    cpu, _ = train_steps(experiment(model, batch_size, steps), load_dataset(folder))
    return {"per_cpu_s": steps * batch_size / cpu}


def in_memory(data: Dataset) -> Dataset:
    """A streamed data set with its training rows in memory, and nothing else."""
    assert isinstance(data, StreamedDataset)
    samples = data.reader("train").read_first(data.rows_in("train"))
    columns = {name: getattr(data, name) for name in Dataset.__dataclass_fields__}
    columns |= samples._asdict() | {"splits": {"train": torch.arange(samples.rows)}}
    return Dataset(**columns)


def compare(
    folder: Path, model: str, batch_size: int, steps: int, rounds: int
) -> dict[str, list[float]]:
    """Samples per second, alternating within this process."""
    streamed = load_dataset(folder)
    config, held = experiment(model, batch_size, steps), in_memory(streamed)
    seen: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for name, data in (("streamed", streamed), ("memory", held)):
            seconds = train_steps(config, data)
            for clock, value in zip(("cpu", "wall"), seconds, strict=True):
                if turn:  # the first round only warms up
                    seen.setdefault(f"{name} {clock}", []).append(steps * batch_size / value)
    return seen


def _child(sender: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    done = work(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.send((done, peak / 2**20 if sys.platform == "darwin" else peak / 2**10))


def alone(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Result and peak MiB of a function in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, work, arguments))
    process.start()
    sender.close()
    try:
        done: tuple[Any, float] = receiver.recv()
    except EOFError:
        sys.exit(f"{work.__name__}{arguments}: failed")
    process.join()
    return done


def row(name: str, mode: str, ours: float, theirs: float, goal: float, **more: Any) -> Row:
    """One line of the result; its ratio is to reach the goal, so for sizes it is theirs / ours."""
    values = {"name": name, "peer": "in memory", "model": None, "batch_size": None, "device": "cpu"}
    values |= {"mode": mode, "ours": ours, "theirs": theirs, "ratio": ours / theirs, "goal": goal}
    values |= more
    return {"ratio_low": values["ratio"], "ratio_high": values["ratio"]} | values


def measure(options: argparse.Namespace, scratch: Path) -> list[Row]:
    """All sizes; one folder at a time is on disk."""
    size, found, peaks = options.batch_size, [], {}
    for rows in sorted(int(float(text)) for text in options.rows):
        folder = scratch / "columns"
        try:
            made, peak = alone(make, folder, rows)
            each = made["bytes_per_row"]
            print(f"{rows:,} rows: {each:.1f} bytes each; written with {peak:.0f} MiB")
            read, read_peak = alone(read_epoch, folder, size)
            print(
                f"  an epoch read: {read['per_cpu_s']:,.0f} rows per CPU second, "
                f"{read['per_s']:,.0f} per second, {read_peak:.0f} MiB"
            )
            model = options.models[0]
            trained, train_peak = alone(train_streamed, folder, model, size, options.steps)
            speed = trained["per_cpu_s"]
            print(f"  {model} trained: {speed:,.0f} rows per CPU second, {train_peak:.0f} MiB")
            peaks[rows] = max(read_peak, train_peak)
            bound = {"peer": "limit", "batch_size": size, "model": model, "unit": "MiB"}
            found.append(
                row(
                    "streaming, peak memory",
                    f"{rows:,} rows",
                    peaks[rows],
                    LIMIT_MIB,
                    1.0,
                    ratio=LIMIT_MIB / peaks[rows],
                    **bound,
                )
            )
            found.append(
                row("streaming, an epoch read", f"{rows:,} rows", read["per_cpu_s"],
                    trained["per_cpu_s"], 1.0, peer="training", batch_size=size, model=model)
            )  # fmt: skip
            if rows == min(peaks):
                found += compared(options, folder, rows)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    small, large = min(peaks), max(peaks)
    if small == large:
        return found
    mode, ratio = f"{large:,} rows", peaks[small] / peaks[large]
    flat = {"peer": f"{small:,} rows", "unit": "MiB", "ratio": ratio}
    found.append(row("streaming, memory is flat", mode, peaks[large], peaks[small], FLAT, **flat))
    return found


def compared(options: argparse.Namespace, folder: Path, rows: int) -> list[Row]:
    """Streamed against in memory, for each model."""
    found = []
    # A whole epoch: a part of one would pay for a window that is read ahead in vain.
    steps = rows // options.batch_size
    for model in options.models:
        work = (folder, model, options.batch_size, steps, options.rounds)
        seen, _ = alone(compare, *work)
        for clock in ("cpu", "wall"):
            ours, theirs = seen[f"streamed {clock}"], seen[f"memory {clock}"]
            ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
            print(
                f"  {model}, {clock} clock: streamed / memory median "
                f"{statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}"
            )
            ours_median, theirs_median = statistics.median(ours), statistics.median(theirs)
            found.append(
                row("streaming, training", f"{clock} clock, {rows:,} rows", ours_median,
                    theirs_median, GOAL, model=model, batch_size=options.batch_size, clock=clock,
                    ratio=statistics.median(ratios), ratio_low=min(ratios), ratio_high=max(ratios))
            )  # fmt: skip
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=["1e6", "4e6"], help="sizes, such as 1e8")
    parser.add_argument("--models", nargs="+", default=["fm", "dcn_v2"])
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=128, help="for the peak memory of training")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scratch", type=Path, help="where the folders go; default: the system's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        finish(measure(options, Path(scratch)))


if __name__ == "__main__":
    main()
