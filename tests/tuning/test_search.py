"""A search: equal budgets, pruning, what a kill leaves behind, and that the test rows stay out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.config import ExperimentConfig
from workbench.errors import InputError, TrainingError
from workbench.presets import find_preset
from workbench.tuning import worker
from workbench.tuning.report import config_yaml, write_report
from workbench.tuning.search import search, trial_config
from workbench.tuning.space import Space, suggest
from workbench.tuning.study import Plan, open_study, spent

optuna = pytest.importorskip("optuna")

SPACE = Space.parse({"lrs": [0.01, 0.02], "dims": [2, 4], "k": [1, 2]})


def plan_for(folder: Path, variant: str = "mask", trials: int = 3, **training: Any) -> Plan:
    config = ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 2000}},
            "model": {"name": "fm"},
            "framework": {"variant": variant},
            "training": {"epochs": 2, "batch_size": 512, "device": "cpu"} | training,
        }
    )
    return Plan(folder / "study.db", config, SPACE, trials)


class Ready:
    """`worker.run` without training: a trial's score is a function of what it drew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.configs: list[ExperimentConfig] = []
        self.die_at: int | None = None
        monkeypatch.setattr(worker, "start", lambda config, parent: None)
        monkeypatch.setattr(worker, "training_data", lambda config: None)
        monkeypatch.setattr(worker, "run", self.run)

    def run(self, study: str, storage: str, trial_id: int, config: str) -> worker.Result:
        if len(self.configs) == self.die_at:
            raise KeyboardInterrupt
        parsed = ExperimentConfig.from_json(config, "config")
        self.configs.append(parsed)
        if parsed.training.lr == 1.0:
            return worker.Result("diverged", math.nan, 0, 0, 0.1, "loss is not finite")
        value = 0.5 + parsed.training.lr + parsed.model.dim / 100
        return worker.Result("complete", value, 2, 1, 0.1)


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> Ready:
    return Ready(monkeypatch)


def test_all_trials_are_spent_and_the_best_is_found(tmp_path: Path, ready: Ready) -> None:
    lines: list[str] = []
    found = search(plan_for(tmp_path, trials=12), lines.append)
    assert len(ready.configs) == found.trials == found.complete == 12
    best = max(ready.configs, key=lambda c: c.training.lr + c.model.dim / 100)
    assert found.value == pytest.approx(0.5 + best.training.lr + best.model.dim / 100)
    assert found.config.training.lr == best.training.lr
    assert found.config.framework.mask_range[1] <= 1
    assert len(lines) == 12
    assert "[12/12]" in lines[-1]


def test_the_first_trial_is_the_preset_within_the_space(tmp_path: Path, ready: Ready) -> None:
    search(plan_for(tmp_path, trials=1))
    (config,) = ready.configs
    assert (config.training.lr, config.model.dim, config.framework.alpha) == (0.01, 4, 0.2)


def test_base_and_framework_draw_from_the_same_shared_part(tmp_path: Path, ready: Ready) -> None:
    for variant in ("base", "full"):
        plan = plan_for(tmp_path / variant, variant, trials=4)
        assert search(plan).trials == 4
    base, full = ready.configs[:4], ready.configs[4:]
    assert {c.method for c in base} == {"base"}
    assert {c.method for c in full} == {"full"}


def test_an_interrupted_search_goes_on_as_if_nothing_had_been(tmp_path: Path, ready: Ready) -> None:
    whole = search(plan_for(tmp_path / "whole", trials=11))
    expected = [config.to_json() for config in ready.configs]
    ready.configs.clear()
    ready.die_at = 6  # in the middle of the seventh trial
    plan = plan_for(tmp_path / "cut", trials=11)
    with pytest.raises(KeyboardInterrupt):
        search(plan)
    ready.die_at = None
    found = search(plan)
    assert [config.to_json() for config in ready.configs] == expected
    assert (found.trials, found.failed, found.value) == (11, 1, whole.value)


def test_more_trials_can_be_added_later(tmp_path: Path, ready: Ready) -> None:
    plan = plan_for(tmp_path, trials=2)
    search(plan)
    assert search(replace(plan, trials=5)).trials == 5
    assert len(ready.configs) == 5
    assert search(plan).trials == 5  # nothing left to do


LAST = {"lr": 0.01, "dim": 2, "weight_decay": 3e-4}


def test_the_last_trial_can_be_given(tmp_path: Path, ready: Ready) -> None:
    plan = plan_for(tmp_path, trials=6)
    found = search(plan, last=LAST)
    assert found.trials == len(ready.configs) == 6
    # What it leaves out is as in the best trial before it.
    best = max(found.history[:-1], key=lambda trial: trial["valid_auc"])["params"]
    assert best != best | LAST
    assert found.history[-1]["params"] == best | LAST
    assert search(plan, last=LAST).trials == 6  # nothing left to do


def test_a_last_trial_that_was_tried_leaves_room_for_another(tmp_path: Path, ready: Ready) -> None:
    first = search(plan_for(tmp_path, trials=1)).history[0]["params"]
    found = search(plan_for(tmp_path, trials=3), last=first)
    assert found.trials == 3
    assert [trial["params"] for trial in found.history].count(first) == 1


def test_a_last_trial_that_was_interrupted_is_done_again(tmp_path: Path, ready: Ready) -> None:
    plan = plan_for(tmp_path, trials=3)
    ready.die_at = 2
    with pytest.raises(KeyboardInterrupt):
        search(plan, last=LAST)
    ready.die_at = None
    found = search(plan, last=LAST)
    assert (found.trials, found.failed) == (3, 1)
    assert {key: found.history[-1]["params"][key] for key in LAST} == LAST


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ({"rate": 1}, "--last-trial: 'rate' is not searched; allowed are lr, dim, weight_decay"),
        ({"lr": 0.5}, r"--last-trial: .*0\.5"),
        ({"weight_decay": 10.0}, r"--last-trial: .*10"),
        ({"weight_decay": "much"}, "--last-trial: .*much"),
    ],
)
def test_a_last_trial_outside_the_space_is_refused_before_any_training(
    last: dict[str, Any], message: str, tmp_path: Path, ready: Ready
) -> None:
    with pytest.raises(InputError, match=message):
        search(plan_for(tmp_path), last=last)
    assert not ready.configs


def test_diverged_trials_count_and_never_win(tmp_path: Path, ready: Ready) -> None:
    plan = replace(
        plan_for(tmp_path, trials=10), space=SPACE.model_copy(update={"lrs": (0.01, 1.0)})
    )
    found = search(plan)
    assert found.diverged > 0
    assert found.complete + found.diverged == found.trials == 10
    assert found.config.training.lr == 0.01
    only = replace(plan_for(tmp_path / "only"), space=SPACE.model_copy(update={"lrs": (1.0,)}))
    with pytest.raises(TrainingError, match="none of the 3 trials was finished"):
        search(only)


def test_a_study_of_another_search_is_refused(tmp_path: Path, ready: Ready) -> None:
    search(plan_for(tmp_path, trials=1))
    with pytest.raises(InputError, match=r"training\.epochs: 2 then, 3 now"):
        search(plan_for(tmp_path, trials=1, epochs=3))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "study.db").write_text("no database at all, but long enough for a header")
    with pytest.raises(InputError, match="not a study") as caught:
        search(plan_for(tmp_path / "bad", trials=1))
    assert "\n" not in str(caught.value)


def test_a_study_in_use_is_refused(tmp_path: Path, ready: Ready) -> None:
    plan = plan_for(tmp_path, trials=1)
    refused: list[InputError] = []

    def again(line: str) -> None:
        with pytest.raises(InputError, match="another process is at it") as caught:
            search(plan)
        refused.append(caught.value)

    search(plan, again)
    assert len(refused) == 1


@pytest.mark.parametrize(("field", "option"), [("trials", "--trials 0"), ("processes", "--jobs 0")])
def test_none_at_all_is_refused(tmp_path: Path, field: str, option: str) -> None:
    with pytest.raises(InputError, match=option):
        search(replace(plan_for(tmp_path), **{field: 0}))


def test_a_trial_trains_without_test_rows_and_is_pruned_by_epoch(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, epochs=4, patience=4)
    dataset = worker.training_data(plan.config)
    assert set(dataset.splits) == {"train", "valid"}

    class AfterTwo(optuna.pruners.BasePruner):  # type: ignore[misc]
        def prune(self, study: Any, trial: Any) -> bool:
            return trial.last_step >= 2

    study = optuna.create_study(direction="maximize", pruner=AfterTwo())
    trial = study.ask()
    config = trial_config(plan, suggest(trial, SPACE, "mask"))
    result = worker.train_trial(trial, config, dataset)
    assert (result.state, result.epochs) == ("pruned", 2)
    reported = study.trials[0].intermediate_values
    assert list(reported) == [1, 2]
    assert result.value == max(reported.values())


def test_a_loss_that_is_not_finite_is_a_result(tmp_path: Path) -> None:
    plan = plan_for(tmp_path)
    dataset = worker.training_data(plan.config)
    study = optuna.create_study(direction="maximize")
    config = trial_config(plan, {"training": {"lr": 1e30}, "model": {"dim": 4}})
    result = worker.train_trial(study.ask(), config, dataset)
    assert result.state == "diverged"
    assert "not finite" in result.message


def test_what_a_killed_process_left_is_failed_and_queued(tmp_path: Path, ready: Ready) -> None:
    plan = plan_for(tmp_path, trials=3)
    study = open_study(optuna, plan)
    lost = study.ask()
    suggest(lost, plan.space, "mask")
    assert spent(optuna, study) == 0
    found = search(plan)
    assert (found.trials, found.failed) == (3, 1)
    again = [t for t in open_study(optuna, plan).trials if t.user_attrs.get("again") == 0]
    assert [trial.params for trial in again] == [lost.params]


def test_the_report_is_a_config_and_a_preset(tmp_path: Path, ready: Ready) -> None:
    found = search(plan_for(tmp_path, trials=3))
    stem = tmp_path / "planted-fm-mask"
    path, _ = write_report(stem, found, "workbench tune ...")
    text = path.read_text()
    assert ExperimentConfig.parse(yaml.safe_load(text)) == found.config
    assert text == config_yaml(found.config, text.split("\ndata:")[0].replace("# ", ""))
    preset = find_preset(str(tmp_path), "planted", "fm", "mask")
    assert preset.trials == 3
    assert preset.settings["training"]["lr"] == found.config.training.lr


@pytest.mark.slow
def test_two_processes_share_a_study(tmp_path: Path) -> None:
    plan = replace(plan_for(tmp_path, "base", trials=3, epochs=1), processes=2)
    found = search(plan)
    assert (found.trials, found.failed) == (3, 0)
    assert 0.4 < found.value < 1
