"""What the benchmarks of the training step share: steps without their books, turns, rows."""

from __future__ import annotations

import json
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from workbench.config import ExperimentConfig
from workbench.data.dataset import Batch, Dataset
from workbench.nn.build import model_for
from workbench.training.trainer import Trainer

WARM_UP = 10

Row = dict[str, Any]


def trainer_for(dataset: Dataset, values: Mapping[str, Any]) -> Trainer:
    """A trainer on the data set's device."""
    config = ExperimentConfig.parse(values)
    model = model_for(config, dataset).to(dataset.device)
    return Trainer(model, dataset, config.training)


class Steps:
    """Steps of a trainer, one after the other, over and over through its epochs.

    Args:
        trainer: whose steps.
        clock: `time.process_time`, which other programs disturb little, or another.
    """

    def __init__(self, trainer: Trainer, clock: Callable[[], float] = time.process_time) -> None:
        self.trainer = trainer
        self.clock = clock
        self.size = trainer.config.batch_size
        self._batches = self._forever()
        trainer.model.train()
        self.seconds(WARM_UP)

    def _forever(self) -> Iterator[Batch]:
        while True:
            yield from self.trainer.dataset.batches("train", self.size, self.trainer.shuffle)

    def seconds(self, steps: int) -> float:
        """Time of one step, over `steps` of them; gathering the batches included."""
        self._wait()
        began = self.clock()
        for _ in range(steps):
            self.trainer._step(next(self._batches))
        self._wait()
        return (self.clock() - began) / steps

    def _wait(self) -> None:
        if self.trainer.device.type == "cuda":
            torch.cuda.synchronize(self.trainer.device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """One call: the process's own time on a CPU, the clock's on a GPU until it has finished."""
    if device.type != "cuda":
        began = time.process_time()
        work()
        return time.process_time() - began
    torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - began


def in_turns(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Every measure once a round, so that a change of the machine's speed meets all alike."""
    seen: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            seen[name].append(measure())
    return seen


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Round by round."""
    return [one / other for one, other in zip(above, below, strict=True)]


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def faster(ratio: list[float]) -> Row:
    """A row's ratio and its range, from how many times as fast each round was."""
    seen = spread(ratio)
    return {"ratio": seen["median"], "ratio_low": seen["low"], "ratio_high": seen["high"]}


def dearer(cost: list[float]) -> Row:
    """The same from how many times as much each round cost."""
    seen = spread(cost)
    return {
        "ratio": 1 / seen["median"],
        "ratio_low": 1 / seen["high"],
        "ratio_high": 1 / seen["low"],
    }


def shown(values: list[float], digits: int = 2) -> str:
    """The same for people."""
    numbers = spread(values)
    return (
        f"{numbers['median']:.{digits}f} "
        f"({numbers['low']:.{digits}f} to {numbers['high']:.{digits}f})"
    )


def first_rows(dataset: Dataset, split: str, rows: int) -> Dataset:
    """The data set with only so many rows in a split."""
    return replace(dataset, splits={**dataset.splits, split: dataset.splits[split][:rows]})


def machine() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def where(device: torch.device) -> Row:
    """What the rows of a device say of it; those of a GPU are of the wall clock."""
    if device.type != "cuda":
        return {"device": device.type}
    gpu = torch.cuda.get_device_name(device)
    about = {"cpu": machine(), "gpu": gpu, "torch": torch.__version__}
    return {
        "device": gpu,
        "machine": about | {"threads": torch.get_num_threads()},
        "clock": "wall",
    }


def command() -> str:
    """The benchmark's command without the places of this machine, so that it can be published."""
    words = list(sys.argv[1:])
    for place, word in enumerate(words[:-1]):
        if word in ("--from", "--out"):
            words[place + 1] = "DIR"
    return shlex.join(["python", f"tests/benchmarks/{Path(sys.argv[0]).name}", *words])


def finish(rows: list[Row], **facts: Any) -> None:
    """The last line: JSON, which ``merge_speed.py --lines`` takes over."""
    about = {"machine": machine(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    print(json.dumps({**about, "command": command(), **facts, "rows": rows}))
