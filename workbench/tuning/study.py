"""A study file: created or opened, checked, cleared of trials that nobody runs any more."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
WITHDRAWN = "withdrawn"
"""Attribute of a trial that found the budget spent and never trained."""
JOURNAL = "journal:"
"""Begins the name of a journal file that machines share."""
WAITS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each further look at a database whose tables others are making."""
WARMUP_EPOCHS = 2
"""Epochs that no trial is pruned in."""


@dataclass(frozen=True)
class Plan:
    """One search.

    Attributes:
        study: the SQLite file; not used where there is a server.
        config: the experiment that trials start from: data, model, method, seed, epochs.
        space: what is searched.
        trials: how many, pruned and diverged ones included; those of an earlier call count.
        processes: at a time.
        seed: of the sampler; the training seed is the config's.
        server: URL of a database that several machines share, or ``journal:FILE`` for a journal on
            a disk that all see; "" for a study in a file of this machine.
    """

    study: Path
    config: ExperimentConfig
    space: Space
    trials: int
    processes: int = 1
    seed: int = 0
    server: str = ""

    @property
    def name(self) -> str:
        """Of the study in its file, or on its server, which may hold studies of other data."""
        name = f"{self.config.model.name} {self.config.method}"
        return f"{Path(self.config.data.source).stem} {name}" if self.server else name

    @property
    def url(self) -> str:
        """The database."""
        return self.server or f"sqlite:///{self.study.absolute()}"

    @property
    def place(self) -> str:
        """The study as people may see it, without a password."""
        return shown(self.server) if self.server else str(self.study)

    def guess(self) -> dict[str, Any]:
        """The parameters of the first trial, by name: all that are searched."""
        return first_guess(self.space, self.config.method, self.config.model_dump(mode="json"))

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


def is_server(study: str) -> bool:
    """Whether a study's name is that of a storage that machines share, not of a file."""
    return "://" in study or study.startswith(JOURNAL)


def shown(url: str) -> str:
    """A URL without its password."""
    return re.sub(r"(://[^/@]*?):[^/]*@", r"\1:***@", url)


def open_storage(url: str) -> Any:
    """The study's database; several processes write to it, so they wait for each other."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if url.startswith(JOURNAL):
        return JournalStorage(JournalFileBackend(url.removeprefix(JOURNAL)))
    if url.startswith("sqlite:"):
        return _open_database(url, {"connect_args": {"timeout": 120}})
    # A connection that a server has closed meanwhile is opened again.
    return _open_database(url, {"pool_pre_ping": True})


def _open_database(url: str, engine: dict[str, Any]) -> Any:
    """Open it, or make its tables.

    Where several processes open a new database at once, each makes the tables that it does not see
    yet; those that come second are refused, and look again.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    for seconds in WAITS:
        try:
            return RDBStorage(url, engine_kwargs=engine)
        except SQLAlchemyError as error:
            if not isinstance(error, IntegrityError) and "already exists" not in str(error):
                raise
            time.sleep(seconds)
    return RDBStorage(url, engine_kwargs=engine)


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
    except ImportError:
        raise InputError(
            f"--study {plan.place}: its driver is not installed; pip install 'psycopg[binary]' for "
            "postgresql://, mysqlclient for mysql://"
        ) from None
    except Exception as error:  # Optuna's, SQLAlchemy's and a driver's have no base in common
        reason = shown(str(error).splitlines()[0] if str(error) else type(error).__name__)
        raise InputError(f"--study {plan.place}: not a study that can be used ({reason})") from None
    known = study.user_attrs.get("identity")
    if known is None:
        study.set_user_attr("identity", wanted)
        if plan.server:
            return study  # where machines start at once, whoever gets trial 0 takes the guess
        study.enqueue_trial(plan.guess())
    elif not same_search(known, plan):
        what = ", ".join(_differences(json.loads(known), plan.identity()))
        raise InputError(
            f"--study {plan.place}: was started with other settings ({what}); "
            "name another study or give the same settings"
        )
    return study


def same_search(known: str, plan: Plan) -> bool:
    """Whether a study's identity is the plan's; settings that came later have their defaults."""
    try:
        values = json.loads(known)
        config = ExperimentConfig.parse(values["config"])
        space = Space.parse(values["space"])
        return replace(plan, config=_without_place(config), space=space, seed=values["seed"]) == (
            replace(plan, config=_without_place(plan.config))
        )
    except (InputError, KeyError, TypeError, ValueError):
        return False


def _without_place(config: ExperimentConfig) -> ExperimentConfig:
    """The config without where its data lies and where it is computed."""
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"folder": None}),
            "training": config.training.model_copy(update={"device": "auto"}),
        }
    )


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
