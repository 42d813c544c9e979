"""Runs a study, goes on where it was killed, and tells the best of its trials."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.config import ExperimentConfig
from workbench.errors import InputError, TrainingError
from workbench.models import model_class
from workbench.tuning import worker
from workbench.tuning.loop import Loop, Told, trial_config
from workbench.tuning.shared import SharedLoop
from workbench.tuning.space import check_method, suggest
from workbench.tuning.study import (
    WITHDRAWN,
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
    from optuna.trial import FrozenTrial

__all__ = ["Found", "search", "trial_config"]


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


def search(plan: Plan, told: Told = lambda line: None, last: dict[str, Any] | None = None) -> Found:
    """Run the trials that are missing and return the best.

    Trials that a killed process left running are failed and done again with the same settings. A
    study on a server may be searched by several machines at once, which share its trials.

    Args:
        plan: the search.
        told: gets a line for people after every trial.
        last: parameters of the last of the trials, such as those that another search found; what
            it leaves out is as in the best trial before. Without effect where there is one trial
            only, or where these very parameters were tried.

    Raises:
        InputError: Optuna is missing; the study belongs to another search or is in use; fewer than
            one trial or process; data or config that cannot be used; `last` is outside the space.
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
    if last is not None:
        _check_last(optuna, plan, last)
    worker.training_data(plan.config)  # what cannot be read ends here, before a file is written
    with _held(plan), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = open_study(optuna, plan)
        if not plan.server:
            requeue_lost(optuna, study)
        loop = SharedLoop if plan.server else Loop
        if last is not None and plan.trials > 1:
            loop(optuna, replace(plan, trials=plan.trials - 1), study, told).run()
            _queue_last(optuna, plan, study, last)
        loop(optuna, plan, study, told).run()
        return _found(optuna, plan, study)


def _check_last(optuna: Any, plan: Plan, last: dict[str, Any]) -> None:
    guess = plan.guess()
    if unknown := last.keys() - guess.keys():
        known = ", ".join(guess)
        raise InputError(f"--last-trial: '{min(unknown)}' is not searched; allowed are {known}")
    try:
        with warnings.catch_warnings():
            # Optuna only warns of a number that is out of its range.
            warnings.simplefilter("error", UserWarning)
            suggest(optuna.trial.FixedTrial(guess | last), plan.space, plan.config.method)
    except (ValueError, TypeError, UserWarning) as error:
        raise InputError(f"--last-trial: {error}") from None


def _queue_last(optuna: Any, plan: Plan, study: optuna.Study, last: dict[str, Any]) -> None:
    """Put the parameters of the last trial in the queue, unless they stand there or were tried."""
    if spent(optuna, study) >= plan.trials or not completed(optuna, study):
        return
    params = study.best_trial.params | last
    trials = study.get_trials(deepcopy=False)
    if not any(params in (one.params, one.system_attrs.get("fixed_params")) for one in trials):
        study.enqueue_trial(params)


def _held(plan: Plan) -> AbstractContextManager[None]:
    """A study in a file is one search's at a time; one on a server is there to be shared."""
    try:
        plan.study.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{plan.study.parent}: cannot be written ({error.strerror})") from None
    return nullcontext() if plan.server else locked(plan.study)


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
        failed=sum(
            trial.state == states.FAIL and WITHDRAWN not in trial.user_attrs for trial in trials
        ),
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
