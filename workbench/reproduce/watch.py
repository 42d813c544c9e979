"""Progress of many runs on standard error: what runs, how far it is, how long the rest may take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from workbench.errors import InputError
from workbench.reproduce.jobs import Job
from workbench.runs import Run
from workbench.runs.files import read_text
from workbench.runs.status import Status

STARTING_SECONDS = 5.0
"""Imports, reading the data and the evaluation: what a run takes beside its training steps."""

Kind = tuple[str, str, str]


class Durations:
    """Guesses how long runs take from those that are finished."""

    def __init__(self) -> None:
        self._seen: dict[Kind, list[float]] = defaultdict(list)

    def add(self, job: Job, seconds: float) -> None:
        """A run of this kind took so long."""
        self._seen[_kind(job)].append(seconds)

    def add_finished(self, run: Run) -> None:
        """Take an earlier run's training time."""
        seconds = (run.summary or {}).get("seconds")
        if seconds:
            self.add(Job(run.config), float(seconds) + STARTING_SECONDS)

    def guess(self, job: Job) -> float | None:
        """Seconds: the mean of this kind, else of all kinds; None before the first one ended."""
        own = self._seen.get(_kind(job))
        seconds = own or [value for values in self._seen.values() for value in values]
        return sum(seconds) / len(seconds) if seconds else None


def _kind(job: Job) -> Kind:
    return job.config.data.source, job.config.model.name, job.config.method


def words_for(seconds: float) -> str:
    """``"42 s"``, ``"12 min"``, ``"3 h 20 min"``."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass
class _Running:
    job: Job
    path: Path
    since: float
    task: TaskID


class ProgressWatcher:
    """A live display on a terminal; on a pipe one line per finished run."""

    def __init__(self, processes: int, console: Console | None = None) -> None:
        self.processes = processes
        self.console = console or Console(stderr=True, highlight=False)
        self.durations = Durations()
        self.total = self.done = 0
        self._waiting: dict[str, Job] = {}
        self._running: dict[str, _Running] = {}
        self._looked = 0.0
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._all = self.bar.add_task("runs", total=1, note="", visible=False)

    def __enter__(self) -> ProgressWatcher:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def planned(self, jobs: Sequence[Job], found: Sequence[Run]) -> None:
        """See `workbench.reproduce.jobs.Watcher`; so the other methods."""
        self.total, self._waiting = len(jobs), {job.key: job for job in jobs}
        for run in found:
            self.durations.add_finished(run)
        self.console.print(f"{len(found)} runs are there, {len(jobs)} to do")
        self.bar.update(self._all, total=max(1, len(jobs)), visible=True)

    def started(self, job: Job, path: Path) -> None:
        self._waiting.pop(job.key, None)
        if job.key not in self._running:
            task = self.bar.add_task(_title(job), total=1, note="starting")
            self._running[job.key] = _Running(job, path, time.monotonic(), task)

    def tick(self) -> None:
        if time.monotonic() - self._looked < 1 or self.bar.disable:
            return
        self._looked = time.monotonic()
        for running in self._running.values():
            share, note = _progress(running)
            self.bar.update(running.task, completed=share, note=note)
        note = f"{self.done} of {self.total}{self._left()}"
        self.bar.update(self._all, completed=self.done, note=note)

    def ended(self, job: Job, run: Run | None, seconds: float, problem: str) -> None:
        running = self._running.pop(job.key, None)
        if running is not None:
            self.bar.remove_task(running.task)
            seconds = time.monotonic() - running.since
        self.done += 1
        if run is None:
            result = f"failed: {problem}"
        else:
            self.durations.add(job, seconds)
            auc = (run.summary or {}).get("test_auc")
            result = f"test AUC {auc:.4f}" if auc is not None else "finished"
        self.console.print(
            f"[{self.done}/{self.total}] {_title(job)}: {result}, {words_for(seconds)}"
            f"{self._left()}",
            markup=False,
            soft_wrap=True,
        )

    def _left(self) -> str:
        left = self.seconds_left()
        return "" if left is None else f"; about {words_for(left)} left"

    def seconds_left(self) -> float | None:
        """A guess for everything that is not finished; None before anything is known."""
        if not self._waiting and not self._running:
            return 0.0
        total = 0.0
        for job in self._waiting.values():
            guess = self.durations.guess(job)
            if guess is None:
                return None
            total += guess
        for running in self._running.values():
            guess = self.durations.guess(running.job)
            if guess is None:
                return None
            total += max(0.0, guess - (time.monotonic() - running.since))
        busy = min(self.processes, len(self._waiting) + len(self._running))
        return total / max(1, busy)


def _title(job: Job) -> str:
    config = job.config
    return f"{config.model.name} {config.method} seed {config.training.seed} ({config.data.source})"


def _progress(running: _Running) -> tuple[float, str]:
    """Share of the epochs that are allowed, and where the run is; early stopping ends sooner."""
    try:
        status = Status.from_json(read_text(running.path, "status.json"), "status.json")
    except InputError:
        return 0.0, "starting"
    within = status.step / status.steps if status.steps else 0.0
    epochs = running.job.config.training.epochs
    return min(1.0, (status.epoch + within) / epochs), f"epoch {status.epoch + 1}"
