"""Makes the runs that are not there yet: each in a process of its own, on one thread.

A job is an ordinary run of an ordinary store, started as ``workbench train`` would be. Finished
runs are found by their config's fingerprint, whatever they are called; one that was interrupted
goes on from its last epoch. A process that is left over from a killed parent keeps its run locked,
so it is waited for and not started twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.runs import Run, RunStore
from workbench.runs.files import write_text
from workbench.runs.lock import lock_holder
from workbench.runs.store import default_name

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 15.0
"""How long a child may take to stop when it is asked to."""
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}


@dataclass(frozen=True)
class Job:
    """One run, and what is measured on it once it is finished.

    Attributes:
        config: the experiment, training seed included.
        hidden: shares of missing values at which the test rows are scored once more.
    """

    config: ExperimentConfig
    hidden: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """The config's fingerprint."""
        return self.config.fingerprint()

    @property
    def name(self) -> str:
        """Name of a new run: what it is, then the fingerprint in place of the time."""
        return f"{default_name(self.config).rsplit('-', 2)[0]}-{self.key}"


@dataclass
class Outcomes:
    """What became of some jobs.

    Attributes:
        runs: job key -> finished run.
        failed: job key -> one line that says why there is none.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


class Watcher(Protocol):
    """Is told how the jobs go."""

    def planned(self, jobs: Sequence[Job], found: Sequence[Run]) -> None:
        """Before the first start: jobs to do, and finished runs that need nothing more."""

    def started(self, job: Job, path: Path) -> None:
        """A process runs it; `path` will be the run's folder."""

    def tick(self) -> None:
        """Now and then, while something runs."""

    def ended(self, job: Job, run: Run | None, seconds: float, problem: str) -> None:
        """Finished, or failed with a one-line problem."""


def finished_runs(store: RunStore) -> dict[str, Run]:
    """Finished runs by the fingerprint of the config they were asked for with.

    A run's record names the state counts that the data set chose; where they are the data set's
    default, a config that leaves the choice open means the same run.
    """
    found: dict[str, Run] = {}
    for run in store.list():
        if run.problem is not None or run.state != "finished" or run.summary is None:
            continue
        found.setdefault(run.config.fingerprint(), run)
        counts = run.config.framework.counts
        with suppress(InputError):
            if counts is not None and list(counts) == run.card().get("default_counts"):
                framework = run.config.framework.model_copy(update={"counts": None})
                config = run.config.model_copy(update={"framework": framework})
                found.setdefault(config.fingerprint(), run)
    return found


def hidden_table(share: float) -> str:
    """Name of a run's table with the logits at a share of missing values."""
    return f"hidden_{round(1000 * share):04d}"


def missing_shares(run: Run, shares: Sequence[float]) -> tuple[float, ...]:
    """Those shares at which the run was not scored yet; none is asked for 0."""
    return tuple(share for share in shares if share and not run.has(hidden_table(share)))


def run_jobs(
    jobs: Sequence[Job], store: RunStore, *, processes: int = 1, watcher: Watcher
) -> Outcomes:
    """Make what is missing, `processes` at a time.

    Args:
        jobs: equal ones are done once.
        store: where finished runs are looked for and new ones go.
        processes: at least 1; each runs on one thread.
        watcher: told of progress.

    Returns:
        A run or a reason for every job.

    Raises:
        InputError: fewer than one process, or a store that cannot be read.
        KeyboardInterrupt: after the children have stopped; a later call goes on.
    """
    if processes < 1:
        raise InputError(f"--jobs {processes}: must be at least 1")
    wanted: dict[str, Job] = {}
    for job in jobs:
        known = wanted.get(job.key)
        shares = (*known.hidden, *job.hidden) if known else job.hidden
        wanted[job.key] = Job(job.config, tuple(dict.fromkeys(shares)))
    outcomes = Outcomes()
    todo: list[Job] = []
    for key, run in finished_runs(store).items():
        if key in wanted and not missing_shares(run, wanted[key].hidden):
            outcomes.runs[key] = run
    todo = [job for key, job in wanted.items() if key not in outcomes.runs]
    watcher.planned(todo, list(outcomes.runs.values()))
    _Pool(store, processes, watcher, outcomes).work(todo)
    return outcomes


@dataclass
class _Child:
    job: Job
    process: subprocess.Popen[bytes] | None  # None: another process has it
    log: Path
    started: float


class _Pool:
    """Starts, watches and ends the children."""

    def __init__(
        self, store: RunStore, processes: int, watcher: Watcher, outcomes: Outcomes
    ) -> None:
        self.store = store
        self.processes = processes
        self.watcher = watcher
        self.outcomes = outcomes
        self.notes = store.root / ".jobs"  # hidden, so the store does not take it for a run

    def work(self, todo: Sequence[Job]) -> None:
        waiting, running = list(todo), list[_Child]()
        try:
            while waiting or running:
                while waiting and len(running) < self.processes:
                    running.append(self._start(waiting.pop(0)))
                for child in running.copy():
                    if self._is_over(child):
                        running.remove(child)
                        again = self._ended(child)
                        if again is not None:
                            waiting.insert(0, again)
                self.watcher.tick()
                time.sleep(POLL_SECONDS if running else 0)
        except BaseException:
            _stop([child.process for child in running if child.process])
            raise

    def _start(self, job: Job) -> _Child:
        path = self.store.root / job.name
        self.notes.mkdir(parents=True, exist_ok=True)
        log = self.notes / f"{job.name}.log"
        child = _Child(job, None, log, time.monotonic())
        finished = finished_runs(self.store).get(job.key)
        if finished is None and path.is_dir() and lock_holder(path) is not None:
            self.watcher.started(job, path)
            return child
        if finished is not None:
            shares = [str(share) for share in missing_shares(finished, job.hidden)]
            module = "workbench.reproduce.hidden"
            command = [module, str(finished.path), *shares, *_folder(job)]
        elif path.is_dir():
            command = ["workbench", "train", "--resume", job.name, "--runs", str(self.store.root)]
        else:
            config = self.notes / f"{job.name}.json"
            write_text(config, job.config.to_json())
            command = ["workbench", "train", "--config", str(config), "--name", job.name]
            command += ["--runs", str(self.store.root)]
        with log.open("wb") as output:
            child.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=os.environ | ONE_THREAD,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                # Ctrl-C reaches this process alone, which then asks its children to stop.
                start_new_session=True,
            )
        self.watcher.started(job, path)
        return child

    def _is_over(self, child: _Child) -> bool:
        if child.process is not None:
            return child.process.poll() is not None
        return lock_holder(self.store.root / child.job.name) is None

    def _ended(self, child: _Child) -> Job | None:
        """Record what became of a child; the job again where something is left to do."""
        job, process = child.job, child.process
        seconds = time.monotonic() - child.started
        if process is not None and process.returncode != 0:
            problem = _last_line(child.log) or f"ended with exit code {process.returncode}"
            self.outcomes.failed[job.key] = problem
            self.watcher.ended(job, None, seconds, problem)
            return None
        run = finished_runs(self.store).get(job.key)
        if run is not None and not missing_shares(run, job.hidden):
            self.outcomes.runs[job.key] = run
            self.watcher.ended(job, run, seconds, "")
            return None
        if run is None and process is not None:
            # It was asked to stop, or made another run than was asked for: once is enough.
            problem = f"run '{job.name}' ended without a result"
            self.outcomes.failed[job.key] = problem
            self.watcher.ended(job, None, seconds, problem)
            return None
        return job


def _folder(job: Job) -> list[str]:
    folder = job.config.data.folder
    return [] if folder is None else ["--from", folder]


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("workbench: ")[:500] if lines else ""


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask the children to stop, as Ctrl-C does, and end those that do not."""
    for process in processes:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
    until = time.monotonic() + PATIENCE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
