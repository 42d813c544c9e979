"""Runs that are made, found again, resumed, and reported as failed; children are real processes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fake_runs import make_fake_run
from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.reproduce import jobs as module
from workbench.reproduce.jobs import Job, finished_runs, hidden_table, missing_shares, run_jobs
from workbench.runs import Run, RunStore


class Silent:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.todo: list[str] = []
        self.ended_names: list[str] = []
        self.problems: list[str] = []

    def planned(self, jobs: Sequence[Job], found: Sequence[Run]) -> None:
        self.todo = [job.name for job in jobs]

    def started(self, job: Job, path: Path) -> None: ...

    def tick(self) -> None: ...

    def ended(self, job: Job, run: Run | None, seconds: float, problem: str) -> None:
        self.ended_names.append(job.name)
        self.problems += [problem] if problem else []


def tiny(**training: Any) -> ExperimentConfig:
    return ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 2000}},
            "model": {"name": "fm", "dim": 4},
            "framework": {"variant": "full"},
            "training": {"epochs": 1, "batch_size": 256, "lr": 0.01, "device": "cpu"} | training,
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_finished_run_is_found_by_its_settings_not_by_its_name(store: RunStore) -> None:
    run = make_fake_run(store, variant="full", seed=4, name="any-name")
    assert finished_runs(store)[run.config.fingerprint()].name == "any-name"
    make_fake_run(store, variant="base", seed=4, state="running")
    assert len({run.name for run in finished_runs(store).values()}) == 1


def test_default_counts_in_the_record_do_not_hide_a_run(store: RunStore) -> None:
    asked = make_fake_run(store, variant="full", name="asked").config
    counts = ("user_id:impression",)
    chosen = {"framework": {"counts": counts}}
    run = make_fake_run(store, variant="full", name="resolved", overrides=chosen)
    card = json.loads((run.path / "card.json").read_text())
    (run.path / "card.json").write_text(json.dumps(card | {"default_counts": list(counts)}))
    RunStore(store.root).delete("asked")
    assert finished_runs(store)[asked.fingerprint()].name == "resolved"
    # Counts that are not the data set's default are another experiment.
    (run.path / "card.json").write_text(json.dumps(card | {"default_counts": []}))
    assert asked.fingerprint() not in finished_runs(store)


def test_jobs_are_made_once_and_reused(store: RunStore) -> None:
    watcher = Silent()
    job, failing = Job(tiny(), hidden=(0.0, 0.25)), Job(tiny(lr=1e30))
    outcomes = run_jobs([job, job, failing], store, processes=2, watcher=watcher)
    assert sorted(watcher.ended_names) == sorted([job.name, failing.name])
    run = outcomes.runs[job.key]
    assert run.summary is not None
    assert run.summary["threads"] == 1
    assert run.summary["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert run.name == job.name
    assert missing_shares(run, (0.0, 0.25)) == ()
    assert "not finite" in outcomes.failed[failing.key]
    hidden = run.table(hidden_table(0.25))["logit"]
    shown = run.table("predictions")["logit"]
    assert len(hidden) == len(shown)
    assert (hidden != shown).mean() > 0.5

    again = Silent()
    outcomes = run_jobs([job], store, watcher=again)
    assert again.todo == []
    assert outcomes.runs[job.key].name == run.name


def test_a_killed_run_goes_on(store: RunStore) -> None:
    job = Job(tiny(epochs=2))
    with store.create(job.config, job.name) as writer:
        writer.status("running")
    # The lock is free and the status says "running", as after kill -9.
    outcomes = run_jobs([job], store, watcher=Silent())
    assert outcomes.runs[job.key].name == job.name
    assert outcomes.runs[job.key].state == "finished"


def test_a_broken_folder_is_a_reason_not_a_crash(store: RunStore) -> None:
    job = Job(tiny())
    (store.root / job.name).mkdir(parents=True)
    watcher = Silent()
    outcomes = run_jobs([job], store, watcher=watcher)
    assert "broken" in outcomes.failed[job.key]
    assert watcher.problems == list(outcomes.failed.values())


def test_an_interrupt_stops_the_children(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []
    monkeypatch.setattr(module, "_stop", stopped.extend)

    class Interrupting(Silent):
        def tick(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs([Job(tiny())], store, watcher=Interrupting())
    (process,) = stopped
    process.kill()
    process.wait()


def test_no_process_is_refused(store: RunStore) -> None:
    with pytest.raises(InputError, match="--jobs 0"):
        run_jobs([], store, processes=0, watcher=Silent())
