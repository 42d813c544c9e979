"""A study that machines share: the budget is exact, nothing is done twice, silence is noticed.

With WORKBENCH_STUDY_SERVER, the URL of a database whose name holds "test" and whose studies may be
deleted, all of it is tried on that server too; its driver must be installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.tuning.test_search import SPACE, Ready, plan_for
from workbench.errors import InputError
from workbench.tuning import shared
from workbench.tuning.search import search
from workbench.tuning.shared import BEAT, SharedLoop, give_up
from workbench.tuning.space import first_guess, suggest
from workbench.tuning.study import (
    WITHDRAWN,
    Plan,
    is_server,
    open_storage,
    open_study,
    same_search,
    shown,
)

optuna = pytest.importorskip("optuna")
sqlalchemy_errors = pytest.importorskip("sqlalchemy.exc")

# Loops are asked directly here; a search itself keeps this warning off.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> Ready:
    return Ready(monkeypatch)


SERVER = os.environ.get("WORKBENCH_STUDY_SERVER", "")
on_a_server = pytest.mark.skipif(not SERVER, reason="WORKBENCH_STUDY_SERVER names no database")


@pytest.fixture(params=["journal", "sqlite", pytest.param("server", marks=on_a_server)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the machines meet; nothing is there yet."""
    if request.param == "journal":
        return f"journal:{tmp_path}/log"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    assert "test" in urlsplit(SERVER).path, "studies there are deleted"
    for name in optuna.get_all_study_names(SERVER):
        optuna.delete_study(study_name=name, storage=SERVER)
    return SERVER


def shared_plan(folder: Path, server: str, trials: int = 5) -> Plan:
    return replace(plan_for(folder, trials=trials), server=server)


def states(plan: Plan) -> Counter[str]:
    return Counter(trial.state.name for trial in open_study(optuna, plan).trials)


def test_one_machine_alone_spends_all(tmp_path: Path, ready: Ready, server: str) -> None:
    plan = shared_plan(tmp_path, server)
    found = search(plan)
    assert found.trials == found.complete == len(ready.configs) == 5
    assert found.failed == 0
    guess = first_guess(plan.space, "mask", plan.config.model_dump(mode="json"))
    assert found.history[0]["params"] == guess
    # A later call with the same budget has nothing to do; a larger one goes on.
    assert search(plan).trials == 5
    assert search(replace(plan, trials=7)).trials == len(ready.configs) == 7


def test_a_trial_beyond_the_budget_is_withdrawn(tmp_path: Path, ready: Ready, server: str) -> None:
    """Two machines that both saw room for one more ask at the same moment."""
    plan = shared_plan(tmp_path, server, trials=2)
    study = open_study(optuna, plan)
    here = SharedLoop(optuna, plan, study, lambda line: None)
    there = SharedLoop(optuna, plan, open_study(optuna, plan), lambda line: None)
    first, second, third = here._ask(), there._ask(), here._ask()
    assert first is not None
    assert second is not None
    assert third is None
    withdrawn = [trial.number for trial in study.trials if WITHDRAWN in trial.user_attrs]
    assert withdrawn == [2]
    assert here._left() == there._left() == 0


def test_trials_of_two_machines_draw_apart(tmp_path: Path, ready: Ready, server: str) -> None:
    plan = shared_plan(tmp_path, server, trials=20)
    loops = [
        SharedLoop(optuna, plan, open_study(optuna, plan), lambda line: None) for _ in range(2)
    ]
    drawn = []
    for turn in range(6):
        trial = loops[turn % 2]._ask()
        assert trial is not None
        suggest(trial, plan.space, "mask")
        drawn.append(trial.params["weight_decay"])
    assert len(set(drawn)) == 6


def test_only_one_machine_queues_a_lost_trial_again(
    tmp_path: Path, ready: Ready, server: str
) -> None:
    plan = shared_plan(tmp_path, server, trials=3)
    study = open_study(optuna, plan)
    lost = SharedLoop(optuna, plan, study, lambda line: None)._ask()
    assert lost is not None
    suggest(lost, plan.space, "mask")
    for _ in range(2):
        give_up(optuna, open_study(optuna, plan), lost.number, lost.params)
    assert states(plan) == {"FAIL": 1, "WAITING": 1}
    found = search(plan)
    assert (found.trials, found.failed) == (3, 1)
    assert found.history[0]["params"] == lost.params


def test_silence_is_noticed_and_signs_of_life_are_too(
    tmp_path: Path, ready: Ready, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = shared_plan(tmp_path, server, trials=2)
    there = SharedLoop(optuna, plan, open_study(optuna, plan), lambda line: None)
    alive, silent = there._ask(), there._ask()
    assert alive is not None
    assert silent is not None
    now = [1000.0]
    monkeypatch.setattr(shared.time, "monotonic", lambda: now[0])
    here = SharedLoop(optuna, plan, open_study(optuna, plan), lambda line: None)
    for beat in range(1, 5):
        alive.set_user_attr(BEAT, beat)
        here._give_up_silent()
        now[0] += shared.LOST_SECONDS * 0.4
    states_now = {trial.number: trial.state.name for trial in here.study.trials}
    assert states_now[alive.number] == "RUNNING"
    assert states_now[silent.number] == "FAIL"


def test_what_was_given_up_is_not_told_twice(tmp_path: Path, ready: Ready, server: str) -> None:
    plan = shared_plan(tmp_path, server, trials=1)
    lines: list[str] = []
    loop = SharedLoop(optuna, plan, open_study(optuna, plan), lines.append)
    trial = loop._ask()
    assert trial is not None
    give_up(optuna, open_study(optuna, plan), trial.number, {})
    loop._tell(trial, ready.run("", "", 0, plan.config.to_json()))
    assert "given up by another machine" in lines[0]
    assert states(plan) == {"FAIL": 1}


def test_an_interrupted_machine_leaves_its_trial_to_others(
    tmp_path: Path, ready: Ready, server: str
) -> None:
    plan = shared_plan(tmp_path, server, trials=3)
    ready.die_at = 1
    with pytest.raises(KeyboardInterrupt):
        search(plan)
    ready.die_at = None
    # The one that was broken off while it trained shows no sign of life any more.
    study = open_study(optuna, plan)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        give_up(optuna, study, trial.number, trial.params)
    assert search(plan).trials == 3


def test_another_search_is_refused(tmp_path: Path, ready: Ready, server: str) -> None:
    plan = shared_plan(tmp_path, server, trials=1)
    search(plan)
    other = replace(plan, space=SPACE.model_copy(update={"dims": (8,)}))
    with pytest.raises(InputError, match="was started with other settings"):
        search(other)


def test_a_study_from_before_a_setting_came_goes_on(tmp_path: Path) -> None:
    plan = plan_for(tmp_path)
    values: dict[str, Any] = plan.identity()
    del values["config"]["training"]["table_sharding"]
    assert same_search(json.dumps(values), plan)
    values["config"]["training"]["epochs"] += 1
    assert not same_search(json.dumps(values), plan)
    assert not same_search("[1]", plan)


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    url = "postgresql://me:se:c@ret@db.example/tune"
    assert shown(url) == "postgresql://me:***@db.example/tune"
    assert shown("sqlite:////tmp/a@b:c.db") == "sqlite:////tmp/a@b:c.db"
    plan = replace(plan_for(tmp_path), server="nosuchdb://me:secret@db.example/tune")
    with pytest.raises(InputError) as caught:
        open_study(optuna, plan)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    plan = replace(plan_for(tmp_path), server="postgresql+psycopg://me:secret@db.example/tune")
    with pytest.raises(InputError, match=r"me:\*\*\*@db.example/tune: its driver is not installed"):
        open_study(optuna, plan)


@pytest.mark.parametrize(
    ("study", "server"),
    [("runs/a.db", False), ("postgresql://db/x", True), ("journal:/mnt/a", True), ("a.db", False)],
)
def test_a_server_is_told_from_a_file(study: str, server: bool) -> None:
    assert is_server(study) is server


@pytest.mark.parametrize(
    ("refusal", "tries"),
    [
        (sqlalchemy_errors.IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed")), 3),
        (
            sqlalchemy_errors.OperationalError(
                "CREATE", {}, Exception("table studies already exists")
            ),
            3,
        ),
        (sqlalchemy_errors.OperationalError("connect", {}, Exception("connection refused")), 1),
    ],
)
def test_a_database_that_others_are_making_is_looked_at_again(
    refusal: Exception, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def open_it(*_: object, **__: object) -> str:
        tried.append(1)
        if len(tried) < 3:
            raise refusal
        return "open"

    monkeypatch.setattr("optuna.storages.RDBStorage", open_it)
    monkeypatch.setattr("workbench.tuning.study.WAITS", (0.0,) * 5)
    if tries == 1:
        with pytest.raises(sqlalchemy_errors.OperationalError, match="connection refused"):
            open_storage(f"sqlite:///{tmp_path}/study.db")
    else:
        assert open_storage(f"sqlite:///{tmp_path}/study.db") == "open"
    assert len(tried) == tries


@pytest.mark.slow
def test_two_processes_share_one_study(tmp_path: Path, project_root: Path, server: str) -> None:
    """Really at the same time: both train, no trial is trained by both, the budget is exact."""
    command = [sys.executable, "-m", "workbench", "tune", "--set", "data.planted.rows=600"]
    command += ["--model", "fm", "--variant", "base", "--epochs", "1", "--dims", "2", "--json"]
    command += ["--trials", "9", "--study", server, "--device", "cpu"]
    both = [
        subprocess.Popen(
            [*command, "--out", str(tmp_path / str(number))],
            cwd=project_root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    said = [process.communicate(timeout=500) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    results = [json.loads(out) for out, _ in said]
    assert [result["trials"] for result in results] == [9, 9]
    assert results[0]["best_trial"] == results[1]["best_trial"]
    told = Counter(
        line.split("trial ")[1].split()[0]
        for _, error in said
        for line in error.splitlines()
        if "] trial " in line
    )
    assert len(told) == 9
    assert set(told.values()) == {1}
