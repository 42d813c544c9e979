"""A study that several machines share: each takes trials from it until all are spent.

Optuna's storage is all that the machines have in common: a database server, or a journal file on a
disk that all see. Nobody hands out work.

- The budget is exact. A trial's number comes from the storage, so no two machines get the same; a
  trial that finds as many before it as the budget has is withdrawn before it trains.
- A machine that trains shows a sign of life at its trials. Where it stays silent, another machine
  fails the trial and queues its settings again; the storage lets only one of them do so.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from workbench.tuning import worker
from workbench.tuning.loop import Loop, Told
from workbench.tuning.study import WITHDRAWN, Plan, spent

if TYPE_CHECKING:
    import optuna
    from optuna.trial import Trial

BEAT: Final = "beat"
"""Attribute of a trial that changes while somebody trains it."""
BEAT_SECONDS = 15.0
LOST_SECONDS = 180.0
"""Without a sign of life, on the clock of the machine that looks; clocks need not agree."""
POLL_SECONDS = 1.0
"""Between two looks at trials that others train."""


class Beats:
    """Shows signs of life at the trials that this machine trains, from a thread."""

    def __init__(self) -> None:
        self._trials: dict[int, Trial] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def add(self, trial: Trial) -> None:
        """Begin with a trial."""
        trial.set_user_attr(BEAT, 0)
        with self._lock:
            self._trials[trial.number] = trial

    def remove(self, trial: Trial) -> None:
        """It is over."""
        with self._lock:
            self._trials.pop(trial.number, None)

    def _run(self) -> None:
        count = 0
        while not self._ended.wait(BEAT_SECONDS):
            count += 1
            with self._lock:
                for trial in list(self._trials.values()):
                    try:
                        trial.set_user_attr(BEAT, count)
                    except Exception:  # given up by another machine, or the server is away
                        continue


class SharedLoop(Loop):
    """`Loop` on a study that other machines take trials from at the same time."""

    def __init__(self, optuna: Any, plan: Plan, study: optuna.Study, told: Told) -> None:
        super().__init__(optuna, plan, study, told)
        self._beats = Beats()
        self._seen: dict[int, tuple[Any, float]] = {}

    def run(self) -> None:
        """Take trials until all are spent, those of other machines among them.

        Raises:
            TrainingError: worker processes keep dying.
        """
        with self._beats:
            try:
                super().run()
            except BaseException:
                # Others need not wait for signs of life of what is broken off here.
                self._do_again(list(self.running.values()))
                raise

    def _left(self) -> int:
        states = self.optuna.trial.TrialState
        taken = (states.COMPLETE, states.PRUNED, states.RUNNING)
        return self.plan.trials - len(self.study.get_trials(deepcopy=False, states=taken))

    def _finished(self) -> bool:
        if spent(self.optuna, self.study) >= self.plan.trials:
            return True
        self._give_up_silent()
        if self._left() < 1:
            time.sleep(POLL_SECONDS)
        return False

    def _ask(self) -> Trial | None:
        trial = self.study.ask()
        fail = self.optuna.trial.TrialState.FAIL
        trials = self.study.get_trials(deepcopy=False)
        before = sum(one.number < trial.number and one.state != fail for one in trials)
        if before >= self.plan.trials:
            trial.set_user_attr(WITHDRAWN, True)
            self.study.tell(trial, state=fail)
            return None
        self._beats.add(trial)
        sampler = self._sampler(trial.number)
        if trial.number == 0:
            sampler = self.optuna.samplers.PartialFixedSampler(self.plan.guess(), sampler)
        self.study.sampler = sampler
        return trial

    def _tell(self, trial: Trial, result: worker.Result) -> None:
        self._beats.remove(trial)
        try:
            super()._tell(trial, result)
        except (self.optuna.exceptions.UpdateFinishedTrialError, ValueError):
            self.told(f"trial {trial.number} was given up by another machine and is done again")

    def _do_again(self, lost: list[Trial]) -> None:
        for trial in lost:
            self._beats.remove(trial)
            give_up(self.optuna, self.study, trial.number, trial.params)

    def _give_up_silent(self) -> None:
        running = self.optuna.trial.TrialState.RUNNING
        now = time.monotonic()
        for trial in self.study.get_trials(deepcopy=False, states=(running,)):
            beat = trial.user_attrs.get(BEAT)
            last, since = self._seen.get(trial.number, (None, now))
            if trial.number not in self._seen or beat != last:
                self._seen[trial.number] = (beat, now)
            elif now - since > LOST_SECONDS:
                give_up(self.optuna, self.study, trial.number, trial.params)


def give_up(optuna: Any, study: optuna.Study, number: int, params: dict[str, Any]) -> None:
    """Fail a trial that nobody trains any more and queue its settings, unless another did so."""
    try:
        study.tell(number, state=optuna.trial.TrialState.FAIL)
    except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
        return
    if params:
        study.enqueue_trial(params, user_attrs={"again": number})
