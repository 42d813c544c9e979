"""Asks a study for trials and trains them in processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from workbench.config import ExperimentConfig
from workbench.errors import TrainingError
from workbench.presets import Settings, merged, method_settings
from workbench.reproduce.jobs import ONE_THREAD
from workbench.tuning import worker
from workbench.tuning.space import suggest
from workbench.tuning.study import STARTUP_TRIALS, Plan, completed, requeue_lost, spent

if TYPE_CHECKING:
    import optuna
    from optuna.trial import Trial

CRASHES = 3
"""Worker processes that may die before the search gives up."""

Told = Callable[[str], None]


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


class Loop:
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
            for _ in range(min(room, self._left())):
                self._submit(pool)
            if not self.running:
                if self._finished():
                    return
                continue
            done, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                self._tell(self.running.pop(future), result)

    def _left(self) -> int:
        """Trials that may be begun."""
        return self.plan.trials - spent(self.optuna, self.study) - len(self.running)

    def _finished(self) -> bool:
        """Whether nothing is left to do, asked when no trial runs here."""
        return True

    def _ask(self) -> Trial | None:
        """A new trial, or None where the budget leaves none."""
        # The sampler's draws follow from how many trials were spent, so a search that was killed
        # goes on with the draws it would have had.
        position = spent(self.optuna, self.study) + len(self.running)
        self.study.sampler = self._sampler(position)
        return self.study.ask()

    def _sampler(self, position: int) -> Any:
        return self.optuna.samplers.TPESampler(
            seed=self.plan.seed * 1_000_003 + position,
            n_startup_trials=STARTUP_TRIALS,
            constant_liar=True,
        )

    def _submit(self, pool: Executor) -> None:
        trial = self._ask()
        if trial is None:
            return
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
        lost = list(self.running.values())
        self.running.clear()
        self._do_again(lost)
        if self.crashes >= CRASHES:
            raise TrainingError(
                f"{self.crashes} worker processes died without a word (out of memory?); "
                "try fewer --jobs or smaller --dims"
            )

    def _do_again(self, lost: list[Trial]) -> None:
        requeue_lost(self.optuna, self.study)
