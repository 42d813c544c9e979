"""A study file: created or opened, checked, cleared of trials that nobody runs any more."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.tuning.space import Space, first_guess

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

STARTUP_TRIALS = 8
"""Drawn at random before the sampler models what they showed."""
WARMUP_EPOCHS = 2
"""Epochs that no trial is pruned in."""


@dataclass(frozen=True)
class Plan:
    """One search.

    Attributes:
        study: the SQLite file.
        config: the experiment that trials start from: data, model, method, seed, epochs.
        space: what is searched.
        trials: how many, pruned and diverged ones included; those of an earlier call count.
        processes: at a time.
        seed: of the sampler; the training seed is the config's.
    """

    study: Path
    config: ExperimentConfig
    space: Space
    trials: int
    processes: int = 1
    seed: int = 0

    @property
    def name(self) -> str:
        """Of the study in its file."""
        return f"{self.config.model.name} {self.config.method}"

    @property
    def url(self) -> str:
        """The database."""
        return f"sqlite:///{self.study.absolute()}"

    def identity(self) -> dict[str, Any]:
        """What all trials of a study must share, as JSON values."""
        values = self.config.model_dump(mode="json")
        values["data"].pop("folder")
        values["training"].pop("device")
        space = self.space.model_dump(mode="json")
        if not space["choices"]:  # came later: a study without it goes on
            del space["choices"]
        return {"config": values, "space": space, "seed": self.seed}


def need_optuna() -> Any:
    """Import Optuna.

    Raises:
        InputError: it is not installed; names the extra.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("tuning needs Optuna: pip install 'adaf2m2-workbench[tune]'") from None
    return optuna


def open_storage(url: str) -> Any:
    """The study's database; several processes write to it, so they wait for each other."""
    from optuna.storages import RDBStorage

    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 120}})


def pruner() -> Any:
    """Ends a trial whose best epoch so far is below the median of the others at that epoch."""
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_EPOCHS)


def open_study(optuna: Any, plan: Plan) -> Study:
    """Create the study, or load it and check that it is of the same search.

    Raises:
        InputError: not a study, or one of another search.
    """
    wanted = json.dumps(plan.identity(), sort_keys=True)
    try:
        storage = open_storage(plan.url)
        study: Study = optuna.create_study(
            study_name=plan.name,
            storage=storage,
            direction="maximize",
            pruner=pruner(),
            load_if_exists=True,
        )
    except Exception as error:  # SQLAlchemy's errors share no base that is worth an import
        reason = str(error).splitlines()[0]
        raise InputError(f"--study {plan.study}: not a study that can be used ({reason})") from None
    known = study.user_attrs.get("identity")
    if known is None:
        study.set_user_attr("identity", wanted)
        guess = first_guess(plan.space, plan.config.method, plan.config.model_dump(mode="json"))
        study.enqueue_trial(guess)
    elif known != wanted:
        what = ", ".join(_differences(json.loads(known), plan.identity()))
        raise InputError(
            f"--study {plan.study}: was started with other settings ({what}); "
            "name another file or give the same settings"
        )
    return study


def requeue_lost(optuna: Any, study: Study) -> None:
    """Fail trials whose process is gone, and put their settings first in the queue."""
    running = optuna.trial.TrialState.RUNNING
    for trial in study.get_trials(deepcopy=False, states=(running,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs={"again": trial.number})


def spent(optuna: Any, study: Study) -> int:
    """Trials that count: finished, pruned and diverged ones."""
    states = optuna.trial.TrialState
    return len(study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED)))


def completed(optuna: Any, study: Study) -> list[FrozenTrial]:
    """Trials that ran to their end."""
    complete = optuna.trial.TrialState.COMPLETE
    trials: list[FrozenTrial] = study.get_trials(deepcopy=False, states=(complete,))
    return trials


@contextmanager
def locked(study: Path) -> Iterator[None]:
    """One search per study at a time.

    Raises:
        InputError: another process has it, or the folder cannot be written.
    """
    path = study.with_name(f".{study.name}.lock")
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise InputError(f"--study {study}: cannot be locked ({error.strerror})") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise InputError(f"--study {study}: another process is at it; wait or stop it") from None
    try:
        yield
    finally:
        os.close(file)


def _differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield f"{place}: {old} then, {new} now"
