"""Runs a study: asks for trials, trains them in processes, goes on where it was killed."""

from __future__ import annotations

import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.config import ExperimentConfig
from workbench.errors import InputError, TrainingError
from workbench.models import model_class
from workbench.presets import Settings, merged, method_settings
from workbench.reproduce.jobs import ONE_THREAD
from workbench.tuning import worker
from workbench.tuning.space import check_method, suggest
from workbench.tuning.study import (
    STARTUP_TRIALS,
    Plan,
    completed,
    locked,
    need_optuna,
    open_study,
    requeue_lost,
    spent,
)

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

CRASHES = 3
"""Worker processes that may die before the search gives up."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        config: of the best trial.
        value: its validation AUC.
        number, params: of the best trial.
        complete, pruned, diverged, failed: trials by how they ended; failed ones were interrupted
            and done again.
        seconds: training time of all trials together.
        history: every trial that was spent, in order: `trial`, `state`, `valid_auc` (None where no
            epoch was finished), `epochs`, `seconds`, `params`.
    """

    config: ExperimentConfig
    value: float
    number: int
    params: dict[str, Any]
    complete: int
    pruned: int
    diverged: int
    failed: int
    seconds: float
    history: tuple[dict[str, Any], ...] = ()

    @property
    def trials(self) -> int:
        """Those that were spent."""
        return self.complete + self.pruned + self.diverged


Told = Callable[[str], None]


def search(plan: Plan, told: Told = lambda line: None) -> Found:
    """Run the trials that are missing and return the best.

    Trials that a killed process left running are failed and done again with the same settings.

    Args:
        plan: the search.
        told: gets a line for people after every trial.

    Raises:
        InputError: Optuna is missing; the study belongs to another search or is in use; fewer than
            one trial or process; data or config that cannot be used.
        TrainingError: every trial diverged, or worker processes keep dying.
        KeyboardInterrupt: interrupted; a later call goes on.
    """
    optuna = need_optuna()
    worker.quiet(optuna)
    for name, value in (("--trials", plan.trials), ("--jobs", plan.processes)):
        if value < 1:
            raise InputError(f"{name} {value}: must be at least 1")
    check_method(plan.config.method, plan.space)
    model = plan.config.model
    model_class(model.name).check_options(model.name, model.options)
    worker.training_data(plan.config)  # what cannot be read ends here, before a file is written
    try:
        plan.study.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--study {plan.study}: cannot be written ({error.strerror})") from None
    with locked(plan.study), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = open_study(optuna, plan)
        requeue_lost(optuna, study)
        _Loop(optuna, plan, study, told).run()
        return _found(optuna, plan, study)


def trial_config(plan: Plan, settings: Settings) -> ExperimentConfig:
    """The experiment of a trial."""
    method = method_settings(plan.config.method)
    return ExperimentConfig.parse(merged(plan.config.model_dump(), settings, method), "trial")


class _Here(Executor):
    """One trial at a time in this process, which needs no other."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Run at once."""
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **named))
        return future


class _Loop:
    """Keeps `processes` trials running until all are spent."""

    def __init__(self, optuna: Any, plan: Plan, study: optuna.Study, told: Told) -> None:
        self.optuna, self.plan, self.study, self.told = optuna, plan, study, told
        self.running: dict[Future[worker.Result], Trial] = {}
        self.crashes = 0
        self.began = time.monotonic()
        self.spent_before = spent(optuna, study)

    def run(self) -> None:
        """Spend the trials.

        Raises:
            TrainingError: worker processes keep dying.
        """
        if self.plan.processes == 1:
            worker.start(self.plan.config.to_json(), parent=None)
            self._work(_Here())
            return
        while spent(self.optuna, self.study) < self.plan.trials:
            with self._pool() as pool:
                try:
                    self._work(pool)
                except BrokenProcessPool:
                    self._crashed()
                except BaseException:
                    for process in list((pool._processes or {}).values()):
                        process.terminate()
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def _pool(self) -> ProcessPoolExecutor:
        # For the workers; torch is loaded here already.
        os.environ.update(ONE_THREAD)
        return ProcessPoolExecutor(
            self.plan.processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=worker.start,
            initargs=(self.plan.config.to_json(), os.getpid()),
        )

    def _work(self, pool: Executor) -> None:
        while True:
            room = self.plan.processes - len(self.running)
            left = self.plan.trials - spent(self.optuna, self.study) - len(self.running)
            for _ in range(min(room, left)):
                self._submit(pool)
            if not self.running:
                return
            done, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                self._tell(self.running.pop(future), result)

    def _submit(self, pool: Executor) -> None:
        # The sampler's draws follow from how many trials were spent, so a search that was killed
        # goes on with the draws it would have had.
        position = spent(self.optuna, self.study) + len(self.running)
        self.study.sampler = self.optuna.samplers.TPESampler(
            seed=self.plan.seed * 1_000_003 + position,
            n_startup_trials=STARTUP_TRIALS,
            constant_liar=True,
        )
        trial = self.study.ask()
        config = trial_config(self.plan, suggest(trial, self.plan.space, self.plan.config.method))
        future = pool.submit(
            worker.run, self.plan.name, self.plan.url, trial._trial_id, config.to_json()
        )
        self.running[future] = trial

    def _tell(self, trial: Trial, result: worker.Result) -> None:
        for key in ("epochs", "best_epoch", "seconds"):
            trial.set_user_attr(key, getattr(result, key))
        if result.state == "complete":
            self.study.tell(trial, result.value)
        else:
            trial.set_user_attr("ended", result.state)
            trial.set_user_attr("message", result.message)
            self.study.tell(trial, state=self.optuna.trial.TrialState.PRUNED)
        self._report(trial, result)

    def _report(self, trial: Trial, result: worker.Result) -> None:
        done = spent(self.optuna, self.study)
        complete = completed(self.optuna, self.study)
        best = max((t.value for t in complete if t.value is not None), default=float("nan"))
        each = (time.monotonic() - self.began) / max(1, done - self.spent_before)
        left = each * (self.plan.trials - done)
        self.told(
            f"[{done}/{self.plan.trials}] trial {trial.number} {result.state}: validation AUC "
            f"{result.value:.4f} in {result.epochs} epochs, {result.seconds:.0f} s; best "
            f"{best:.4f}; about {left / 60:.0f} min left"
        )

    def _crashed(self) -> None:
        """A worker died (out of memory, killed): its trials are done again."""
        self.crashes += 1
        self.running.clear()
        requeue_lost(self.optuna, self.study)
        if self.crashes >= CRASHES:
            raise TrainingError(
                f"{self.crashes} worker processes died without a word (out of memory?); "
                "try fewer --jobs or smaller --dims"
            )


def _found(optuna: Any, plan: Plan, study: optuna.Study) -> Found:
    states = optuna.trial.TrialState
    complete = completed(optuna, study)
    if not complete:
        raise TrainingError(
            f"none of the {plan.trials} trials was finished: each diverged or was pruned; "
            "narrow --lrs"
        )
    trials = study.get_trials(deepcopy=False)
    best = study.best_trial
    again = optuna.trial.FixedTrial(best.params)
    pruned = [trial for trial in trials if trial.state == states.PRUNED]
    diverged = [trial for trial in pruned if trial.user_attrs.get("ended") == "diverged"]
    return Found(
        config=trial_config(plan, suggest(again, plan.space, plan.config.method)),
        value=float(best.value or 0.0),
        number=best.number,
        params=dict(best.params),
        complete=len(complete),
        pruned=len(pruned) - len(diverged),
        diverged=len(diverged),
        failed=sum(trial.state == states.FAIL for trial in trials),
        seconds=sum(float(trial.user_attrs.get("seconds", 0.0)) for trial in trials),
        history=tuple(_told(trial) for trial in trials if trial.state != states.FAIL),
    )


def _told(trial: FrozenTrial) -> dict[str, Any]:
    """A trial as a row of the report; a pruned one's score is that of its best epoch."""
    ended = trial.user_attrs.get("ended") or trial.state.name.lower()
    reached = max(trial.intermediate_values.values(), default=None)
    return {
        "trial": trial.number,
        "state": ended,
        "valid_auc": reached if trial.value is None else trial.value,
        "epochs": trial.user_attrs.get("epochs"),
        "seconds": round(float(trial.user_attrs.get("seconds", 0.0)), 1),
        "params": dict(trial.params),
    }
