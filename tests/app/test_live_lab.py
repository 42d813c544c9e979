"""The live lab without a browser and without training: its settings and what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import make_fake_run
from workbench.config import ExperimentConfig
from workbench.lab import queue
from workbench.lab.control import read_control
from workbench.runs import RunStore

sys.path.insert(0, str(Path(__file__).parents[2] / "app"))
SMALL = {"data": {"planted": {"rows": 3000}}, "model": {"name": "fm", "dim": 8}}


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are queued; nobody takes them."""
    monkeypatch.setenv("WORKBENCH_LAB_SLOTS", "1")
    monkeypatch.setattr("workbench.lab.runner.ensure_runners", lambda root: 1)


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "runs")
    make_fake_run(store, variant="base", name="base-s0", overrides=SMALL)
    return store


def queued(store: RunStore) -> ExperimentConfig:
    """The config of the run that waits first."""
    (name, *_) = queue.waiting(store.root)
    return store.open(name).config


def test_models_are_those_that_there_are() -> None:
    from lab import settings

    from workbench.models import MODELS

    assert set(settings.MODELS) == set(MODELS)


def test_a_link_sets_everything(runs: RunStore, open_app: Any) -> None:
    link = {
        "lab_alpha": "0.5",
        "lab_k": "4",
        "lab_mask": ["0.2", "0.4"],
        "lab_scale": "2.0",
        "lab_variant": "full",
        "lab_model": "autoint",
        "lab_dim": "32",
        "lab_lr": "0.005",
        "lab_seed": "7",
        "lab_epochs": "3",
        "lab_average": "yes",
    }
    app = open_app(runs.root, page="live_lab", **link)
    for name, value in link.items():
        assert app.query_params[name] in (value, [value]), name
    app.button(key="lab_start").click().run()
    assert not app.exception
    config = queued(runs)
    own = config.framework
    assert (own.alpha, own.k, own.mask_range, own.weight_scale) == (0.5, 4, (0.2, 0.4), 2.0)
    assert (own.variant.value, config.model.name, config.model.dim) == ("full", "autoint", 32)
    assert (config.training.lr, config.training.seed, config.training.epochs) == (0.005, 7, 3)
    assert config.training.average_decay == 0.999
    # All else is as in the run that the data set comes with.
    base = runs.open("base-s0").config
    assert config.data == base.data
    assert config.training.batch_size == base.training.batch_size
    assert config.training.changes == ()


def test_the_weight_of_the_copies_in_words(runs: RunStore, open_app: Any, text: Any) -> None:
    app = open_app(runs.root, page="live_lab", lab_alpha="0.3", lab_k="3")
    assert "αk = 0.3 × 3 = 0.9\\: together the masked copies weigh 0.9 times" in text(app)
    app.segmented_control(key="lab_variant").set_value("base").run()
    assert "No masked copies" in text(app)
    assert app.slider(key="lab_alpha").disabled
    assert app.slider(key="lab_scale").disabled


def test_a_started_run_is_in_the_link_and_waits(runs: RunStore, open_app: Any, text: Any) -> None:
    app = open_app(runs.root, page="live_lab")
    assert "Nothing trains here yet" in text(app)
    app.button(key="lab_start").click().run()
    (name,) = queue.waiting(runs.root)
    assert app.query_params["lab_run"] in (name, [name])
    assert "Waits for a place; it is next" in text(app)
    app.button(key="lab_stop").click().run()
    assert queue.waiting(runs.root) == []
    assert "Stopped" in text(app)
    app.button(key="lab_resume").click().run()
    assert queue.waiting(runs.root) == [name]


def test_curves_stand_ready_when_it_is_the_runs_turn(
    runs: RunStore, open_app: Any, specs: Any
) -> None:
    first = open_app(runs.root, page="live_lab", lab_seed="1")
    first.button(key="lab_start").click().run()
    assert len(specs(first)) == 2
    # Somebody else is before this one.
    second = open_app(runs.root, page="live_lab", lab_seed="2")
    second.button(key="lab_start").click().run()
    assert specs(second) == []


def test_the_data_on_the_page_are_announced(runs: RunStore, open_app: Any) -> None:
    app = open_app(runs.root, page="live_lab")
    assert queue.announced(runs.root) == runs.open("base-s0").config.data
    app.selectbox(key="lab_data").set_value("planted world, any size").run()
    app.select_slider(key="lab_rows").set_value("5000").run()
    known = queue.announced(runs.root)
    assert known is not None
    assert known.planted.rows == 5000


def test_worlds_of_any_size(runs: RunStore, open_app: Any) -> None:
    app = open_app(runs.root, page="live_lab", lab_data="planted world, any size", lab_rows="5000")
    app.button(key="lab_start").click().run()
    assert queued(runs).data.planted.rows == 5000


def test_another_data_set_brings_its_own_settings(runs: RunStore, open_app: Any) -> None:
    app = open_app(runs.root, page="live_lab", lab_dim="64")
    assert app.select_slider(key="lab_dim").value == "64"
    app.selectbox(key="lab_data").set_value("planted world, any size").run()
    assert app.select_slider(key="lab_dim").value == "8"
    assert app.select_slider(key="lab_lr").value == "0.01"


def test_what_the_owner_has_can_be_trained_on(
    runs: RunStore, open_app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets" / "ml-1m").mkdir(parents=True)
    (tmp_path / "sets" / "ml-1m" / "ratings.dat").touch()
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "sets"))
    app = open_app(runs.root, page="live_lab")
    options = app.selectbox(key="lab_data").options
    assert options == ["planted", "planted world, any size", "movielens-1m"]
    app.selectbox(key="lab_data").set_value("movielens-1m").run()
    app.button(key="lab_start").click().run()
    assert queued(runs).data.folder == str(tmp_path / "sets" / "ml-1m")


def test_two_sessions_watch_their_own_runs(runs: RunStore, open_app: Any) -> None:
    first = open_app(runs.root, page="live_lab", lab_seed="1")
    second = open_app(runs.root, page="live_lab", lab_seed="2")
    first.button(key="lab_start").click().run()
    second.button(key="lab_start").click().run()
    one, two = queue.waiting(runs.root)
    assert first.run().query_params["lab_run"] in (one, [one])
    assert second.run().query_params["lab_run"] in (two, [two])
    assert runs.open(two).config.training.seed == 2


def test_a_click_that_comes_twice_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from lab import actions

    now, done = [100.0], list[str]()
    monkeypatch.setattr(actions.st, "session_state", {})
    monkeypatch.setattr(actions.time, "monotonic", lambda: now[0])

    def click(button: str, after: float) -> None:
        now[0] += after
        actions.once(button, done.append, button)

    click("step", 0)
    now[0] += 5
    actions.drawn()
    click("step", 0.05)
    assert done == ["step"], "what it started took long to draw; the same click came with it"
    now[0] += 0.01
    actions.drawn()
    click("pause", 0.01)
    click("step", 0.01)
    assert done == ["step", "pause", "step"], "other buttons are other clicks"
    actions.drawn()
    now[0] += 1
    actions.drawn()
    click("step", 0.05)
    assert done == ["step", "pause", "step", "step"], "the board has redrawn itself since"


@pytest.mark.parametrize("name", ["../base-s0", "gone", "/etc", ".lab"])
def test_a_link_to_a_run_that_is_not_here(
    name: str, runs: RunStore, open_app: Any, text: Any
) -> None:
    app = open_app(runs.root, page="live_lab")
    app.query_params["lab_run"] = name
    app.run()
    assert "which is not here" in text(app)
    assert not app.get("vega_lite_chart")


def test_a_failed_run_shows_the_end_of_its_log(runs: RunStore, open_app: Any, text: Any) -> None:
    run = make_fake_run(runs, variant="full", name="dead", state="running", overrides=SMALL)
    (run.path / "lab.log").write_text("the last words\n")
    app = open_app(runs.root, page="live_lab", lab_run="dead")
    said = text(app)
    assert "Failed\\: its process is gone" in said.replace("Failed: ", "Failed\\: ")
    assert "the last words" in said
    # Other pages say the same.
    assert runs.open("dead").state == "failed"


def test_curves_of_a_run(runs: RunStore, open_app: Any, specs: Any) -> None:
    make_fake_run(runs, variant="mask", name="done", overrides=SMALL)
    app = open_app(runs.root, page="live_lab", lab_run="done")
    losses, _ = specs(app)
    assert losses["layer"][1]["mark"]["color"] == "#D55E00"
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["training log.csv"]


def test_steering_asks_for_what_was_moved(runs: RunStore, open_app: Any) -> None:
    app = open_app(runs.root, page="live_lab", lab_steer="yes")
    app.button(key="lab_start").click().run()
    (name,) = queue.waiting(runs.root)
    assert read_control(runs.root / name).alpha is None
    app.slider(key="lab_alpha").set_value(0.55).run()
    wanted = read_control(runs.root / name)
    assert (wanted.alpha, wanted.mask_range, wanted.paused) == (0.55, (0.1, 0.5), False)
    app.toggle(key="lab_steer").set_value(False).run()
    app.slider(key="lab_alpha").set_value(0.9).run()
    assert read_control(runs.root / name).alpha == 0.55


def test_training_can_be_switched_off(
    runs: RunStore, open_app: Any, text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_LAB_SLOTS", "0")
    app = open_app(runs.root, page="live_lab")
    assert "Training is switched off" in text(app)
    assert app.button(key="lab_start").disabled
    monkeypatch.setenv("WORKBENCH_LAB_SLOTS", "lots")
    (error,) = open_app(runs.root, page="live_lab").error
    assert "must be a whole number from 0 to 64" in error.value


def test_a_control_file_is_plain_json(runs: RunStore, open_app: Any) -> None:
    app = open_app(runs.root, page="live_lab", lab_steer="yes")
    app.button(key="lab_start").click().run()
    app.slider(key="lab_alpha").set_value(0.55).run()
    (name,) = queue.waiting(runs.root)
    values = json.loads((runs.root / name / "control.json").read_text())
    assert set(values) == {"paused", "steps", "alpha", "mask_range", "lr"}
