"""What the two sides of a comparison say to each other: one JSON object a line.

A worker runs in the environment of its library, keeps its model and its data between requests, and
times what it does itself: wall clock and processor time of the process with its children. This
module is imported in every library's environment, so it needs NumPy and scikit-learn only.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

DIM = 16
CROSS_LAYERS = 3
HIDDEN = (256, 128)
LEARNING_RATE = 0.001
EVAL_BATCH_SIZE = 16_384
WARM_UP_STEPS = 5
SPLITS = ("train", "valid", "test")

Answer = dict[str, Any]


@dataclass(frozen=True)
class Feature:
    """A column of the exported data.

    Attributes:
        name: of the column.
        multi: a list, averaged after the lookup; padded with 0 up to `width`.
        size: codes, 0 (padding) included.
        width: entries per sample.
        side: "user" or "item".
    """

    name: str
    multi: bool
    size: int
    width: int
    side: str


@dataclass(frozen=True)
class Export:
    """The folder that every worker reads.

    Attributes:
        folder: with ``columns.npz``, ``about.json`` and the text files.
        features: in the order of the columns.
        user: name of the column that says whose row it is.
        raw: the folder of the published files.
    """

    folder: Path
    features: tuple[Feature, ...]
    user: str
    raw: str

    @classmethod
    def open(cls, folder: Path) -> Export:
        """Read ``about.json``."""
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        features = tuple(Feature(**values) for values in about["features"])
        return cls(folder, features, about["user"], about["raw"])

    def rows(self, split: str) -> dict[str, np.ndarray]:
        """Codes of a split: int32 [row] or [row, width], with "label" (uint8 [row])."""
        with np.load(self.folder / "columns.npz") as stored:
            index = stored[f"split:{split}"]
            names = ["label", *(feature.name for feature in self.features)]
            return {name: stored[name][index] for name in names}


class Peer:
    """What a worker can do; a library that has no counterpart leaves a method as it is."""

    def __init__(self, export: Export) -> None:
        self.export = export

    def wait(self) -> None:
        """Return when the device has done what it was asked for; on a CPU that is at once."""

    def version(self) -> str:
        """Of the library."""
        raise NotImplementedError

    def load(self) -> int:
        """From files of text to tensors or loaders that are ready; returns the training rows."""
        raise NotImplementedError

    def open(self, model: str, batch_size: int, **settings: Any) -> None:
        """Build a new model, its optimiser and its batches; what stays is not timed."""
        raise NotImplementedError

    def train(self, steps: int) -> int:
        """Train for some steps; returns the samples that were seen."""
        raise NotImplementedError

    def evaluate(self) -> Answer:
        """Predict the test rows and score them the library's own way."""
        raise NotImplementedError

    def epoch(self) -> None:
        """One pass over the training rows."""
        raise NotImplementedError

    def predictions(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Labels and scores [row] of a split, in any order but the same for both."""
        raise NotImplementedError


def clocks() -> tuple[float, float]:
    """Seconds of the wall clock, and of the processor for this process and its children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(part.ru_utime + part.ru_stime for part in used)


def timed(work: Callable[[], Any], wait: Callable[[], None]) -> Answer:
    """Seconds on both clocks until the device has done it, and what the work returned."""
    wait()
    wall, cpu = clocks()
    value = work()
    wait()
    wall_after, cpu_after = clocks()
    return {"wall": wall_after - wall, "cpu": cpu_after - cpu, "value": value}


def answer(peer: Peer, request: dict[str, Any]) -> Answer:
    """Do what a request asks for."""
    values = {key: value for key, value in request.items() if key != "do"}
    match request["do"]:
        case "version":
            return {"value": peer.version()}
        case "device":
            return {"value": device_name(values["device"])}
        case "load":
            return timed(peer.load, peer.wait)
        case "open":
            peer.open(**values)
            peer.train(WARM_UP_STEPS)
            return {"value": True}
        case "train":
            return timed(lambda: peer.train(values["steps"]), peer.wait)
        case "evaluate":
            return timed(peer.evaluate, peer.wait)
        case "fit":
            return fit(peer, values.pop("epochs"), **values)
        case "profile":
            return {"value": profile(peer, values["steps"])}
    raise ValueError(f"request {request['do']!r} is unknown")


def fit(peer: Peer, epochs: int, **settings: Any) -> Answer:
    """Train a new model; AUC of validation and test rows after every epoch."""
    from sklearn.metrics import roc_auc_score

    peer.open(**settings)
    valid, test, wall, cpu = [], [], 0.0, 0.0
    for _ in range(epochs):
        spent = timed(peer.epoch, peer.wait)
        wall, cpu = wall + spent["wall"], cpu + spent["cpu"]
        valid.append(float(roc_auc_score(*peer.predictions("valid"))))
        test.append(float(roc_auc_score(*peer.predictions("test"))))
    return {"value": {"valid": valid, "test": test}, "wall": wall, "cpu": cpu}


def device_name(device: str) -> str:
    """What the figures of a device are published under."""
    import torch

    return "cpu" if device == "cpu" else torch.cuda.get_device_name(device)


def profile(peer: Peer, steps: int) -> list[dict[str, Any]]:
    """Microseconds per step of the operators that take most of the time, their callees left out."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        spent = timed(lambda: peer.train(steps), peer.wait)
    events = profiler.key_averages()
    operators = sorted(events, key=lambda event: -event.self_cpu_time_total)
    table = [
        {
            "operator": event.key,
            "us_per_step": event.self_cpu_time_total / steps,
            "calls_per_step": event.count / steps,
        }
        for event in operators[:30]
    ]
    inside = sum(event.self_cpu_time_total for event in events) / steps
    whole = 1e6 * spent["wall"] / steps
    return [
        {"operator": "(whole step)", "us_per_step": whole, "calls_per_step": 1.0},
        {"operator": "(all operators)", "us_per_step": inside, "calls_per_step": 1.0},
        *table,
    ]


def serve(make: Callable[[Export], Peer]) -> None:
    """Answer requests from standard input until it ends; called by a worker with its folder.

    Whatever the library prints goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import torch

    torch.set_num_threads(1)
    peer = make(Export.open(Path(sys.argv[1])))
    for line in sys.stdin:
        say(answers, reply(peer, line))


def reply(peer: Peer, line: str) -> Answer:
    """The answer to a line, or the error that it met; a worker outlives a request that fails."""
    try:
        return answer(peer, json.loads(line))
    except NotImplementedError:
        return {"error": "the library has no counterpart"}
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return {"error": f"{type(error).__name__}: {error}"}


def say(stream: TextIO, value: Answer) -> None:
    """Write one line at once."""
    stream.write(json.dumps(value) + "\n")
    stream.flush()
