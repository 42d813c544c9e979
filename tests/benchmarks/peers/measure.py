"""What is measured, one cell at a time: the workbench and the other libraries take turns.

A cell is a JSON object with what every library did in every round. Cells are written as soon as
they are measured, so that a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.peers.client import OWN, ROOT, SCRIPTS, Worker, WorkerError, python_of
from workbench.runs.files import to_json, write_text

Cell = dict[str, Any]
PEERS = tuple(name for name in SCRIPTS if name != OWN)
LOADERS = ("recbole", "fuxictr")
ON_GPU = ("recbole",)
"""Libraries whose worker can be told to use a GPU."""
BARE_MODELS = {"dcn_v2": "dcn_v2", "dnn": "youtube_dnn", "fm": "fm"}


@dataclass(frozen=True)
class Bench:
    """Where everything is and how long to measure.

    Attributes:
        environments: one per library, made by `environments.make`.
        export: what the workers read.
        out: the folder of cells.
        raw: the published files.
        command: that a reader can repeat.
        rounds: turns that every library takes.
        steps: of a turn; None: as `steps_of`.
        mode: of the workbench; the other libraries stay in float32, eager.
        device: "cpu" or "cuda", of the libraries in `ON_GPU`.
        epochs: of the comparison of AUC.
        weight_decay: L2 of the comparison of AUC.
        running: workers, started when they are first asked and kept until `close`.
    """

    environments: Path
    export: Path
    out: Path
    raw: Path
    command: str
    rounds: int = 5
    steps: int | None = None
    mode: str = "float32"
    device: str = "cpu"
    epochs: int = 10
    weight_decay: float = 1e-5
    running: dict[str, Worker] = field(default_factory=dict)

    def steps_of(self, batch_size: int) -> int:
        """400 steps of 256 samples or 100 of 4096: between 100,000 and 400,000 samples."""
        return self.steps or max(100, 102_400 // batch_size)

    def worker(self, name: str) -> Worker:
        """A library's process; a new one where the last one has ended."""
        worker = self.running.get(name)
        if worker is None or worker.process.poll() is not None:
            log = self.out / "logs" / f"{name}.log"
            worker = Worker(name, python_of(name, self.environments), self.export, log)
            self.running[name] = worker
        return worker

    def close(self) -> None:
        """End all workers."""
        for worker in self.running.values():
            worker.close()
        self.running.clear()

    def keep(self, name: str, make: Callable[[], Cell]) -> Cell:
        """Measure a cell unless it is there already, write it and say so."""
        path = self.out / f"{name}.json"
        if path.exists():
            print(f"{name}: already measured", flush=True)
            kept: Cell = json.loads(path.read_text(encoding="utf-8"))
            return kept
        before = os.getloadavg()[0]
        cell = make() | {"machine": machine(), "load": before, "command": self.command}
        write_text(path, to_json(cell, indent=1) + "\n")
        print(f"{name}: {to_json(cell.get('absent') or 'done')}", flush=True)
        return cell


def machine() -> dict[str, Any]:
    """The processor by its name, its cores, and the versions that matter."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        name = next(
            (x.partition(":")[2].strip() for x in lines if x.startswith("model name")), name
        )
    return {"cpu": name, "cores": os.cpu_count(), "torch": version("torch"), "threads": 1}


def in_turns(
    bench: Bench, names: Sequence[str], before: dict[str, Any] | None, ask: dict[str, Any]
) -> Cell:
    """Every library answers the same request once a round, in an order that moves on.

    Args:
        bench: how often.
        names: of the libraries.
        before: the request to open a model, or None.
        ask: the request that is measured.

    Returns:
        "rounds": name -> one answer per round; "absent": name -> why it has none; "versions".

    Raises:
        WorkerError: the workbench itself failed.
    """
    rounds: dict[str, list[Cell]] = {}
    absent: dict[str, str] = {}
    versions: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = bench.worker(name).ask("version")["value"]
            if before is not None:
                mode = bench.mode if name == OWN else "float32"
                bench.worker(name).ask("open", **before, mode=mode, device=bench.device)
            rounds[name] = []
        except WorkerError as error:
            absent[name] = str(error)
    for number in range(bench.rounds):
        first = number % max(1, len(rounds))
        for name in [*rounds][first:] + [*rounds][:first]:
            try:
                rounds[name].append(bench.worker(name).ask(**ask))
            except WorkerError as error:
                absent[name] = str(error)
                del rounds[name]
    if OWN in absent:
        raise WorkerError(absent[OWN])
    facts = {"versions": versions, "mode": bench.mode}
    facts["device"] = bench.worker(OWN).ask("device", device=bench.device)["value"]
    return {"rounds": rounds, "absent": absent, **facts}


def train(bench: Bench, model: str, batch_size: int, against: Sequence[str]) -> None:
    """Steps of training: samples per second."""
    steps = bench.steps_of(batch_size)
    bench.keep(
        f"train-{model}-{batch_size}-{bench.mode}",
        lambda: (
            {"what": "train", "model": model, "batch_size": batch_size, "steps": steps}
            | in_turns(
                bench,
                [OWN, *against],
                {"model": model, "batch_size": batch_size},
                {"do": "train", "steps": steps},
            )
        ),
    )


def evaluate(bench: Bench, model: str, against: Sequence[str]) -> None:
    """Predicting the test rows and scoring them, by every library's own evaluation."""
    bench.keep(
        f"evaluate-{model}-{bench.mode}",
        lambda: (
            {"what": "evaluate", "model": model}
            | in_turns(
                bench,
                [OWN, *against],
                {"model": model, "batch_size": 4096},
                {"do": "evaluate"},
            )
        ),
    )


def load(bench: Bench, against: Sequence[str]) -> None:
    """From files to tensors or loaders; only for libraries that read files."""
    names = [OWN, *(name for name in against if name in LOADERS)]
    bench.keep("load", lambda: {"what": "load"} | in_turns(bench, names, None, {"do": "load"}))


def auc(bench: Bench, model: str, names: Sequence[str], batch_size: int = 4096) -> None:
    """Test AUC at the best epoch by validation, with the same budget for all; a cell for each."""
    for name in names:
        mode = bench.mode if name == OWN else "float32"
        request = {
            "do": "fit",
            "model": model,
            "batch_size": batch_size,
            "epochs": bench.epochs,
            "weight_decay": bench.weight_decay,
            "seed": 0,
            "mode": mode,
        }

        def make(name: str = name, request: dict[str, Any] = request) -> Cell:
            worker = bench.worker(name)
            about = {"what": "auc", "library": name, **request}
            about["version"] = worker.ask("version")["value"]
            return about | {"fit": worker.ask(**request)}

        bench.keep(f"auc-{model}-{mode}-{name}", make)


def profile(bench: Bench, model: str, batch_size: int, names: Sequence[str]) -> Cell:
    """Which operators a step spends its time in; the cell, see `operators.table`."""
    steps = max(10, bench.steps_of(batch_size) // 5)
    one = replace(bench, rounds=1)
    return bench.keep(
        f"profile-{model}-{batch_size}-{bench.mode}",
        lambda: (
            {"what": "profile", "model": model, "batch_size": batch_size}
            | in_turns(
                one,
                [OWN, *names],
                {"model": model, "batch_size": batch_size},
                {"do": "profile", "steps": steps},
            )
        ),
    )


def bare(bench: Bench, model: str, batch_size: int) -> None:
    """The trainer against the shortest possible loop: what ``bench_step.py`` says last."""
    script = ROOT / "tests" / "benchmarks" / "bench_step.py"
    samples = batch_size * bench.steps_of(batch_size)
    arguments = ["--from", str(bench.raw), "--models", BARE_MODELS[model]]
    arguments += ["--batch-sizes", str(batch_size), "--rounds", str(bench.rounds)]
    arguments += ["--samples", str(samples)]

    def make() -> Cell:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        found = subprocess.run(
            [sys.executable, str(script), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        row = json.loads(found.stdout.splitlines()[-1])["rows"][0]
        return {"what": "bare", "model": model, "batch_size": batch_size, "row": row}

    bench.keep(f"bare-{model}-{batch_size}", make)
