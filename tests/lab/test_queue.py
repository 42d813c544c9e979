"""The line, the places and what is wanted of a run: files that nobody has to trust."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import pytest

from tests.lab.files import small_config
from workbench.errors import InputError
from workbench.lab import places, queue, runner, watch
from workbench.lab.control import CONTROL_FILE, Control, read_control, write_control
from workbench.runs import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_first_come_first_served(store: RunStore) -> None:
    names = [queue.submit(store, small_config(alpha=alpha)) for alpha in (0.1, 0.2, 0.3)]
    assert queue.waiting(store.root) == names
    assert [watch.look(store, name).ahead for name in names] == [0, 1, 2]
    assert queue.claim(store.root) == names[0]
    assert queue.waiting(store.root) == names[1:]
    assert [queue.claim(store.root) for _ in range(3)] == [*names[1:], None]


def test_the_data_that_a_reader_looks_at_are_announced(store: RunStore) -> None:
    assert queue.announced(store.root) is None
    assert queue.announcement(store.root) == 0
    data = small_config().data
    queue.announce(store.root, data)
    assert queue.announced(store.root) == data
    first = queue.announcement(store.root)
    assert first > 0
    # The same again writes nothing: the page says it at every redraw.
    queue.announce(store.root, data)
    assert queue.announcement(store.root) == first
    other = data.model_copy(update={"split_seed": data.split_seed + 1})
    queue.announce(store.root, other)
    assert queue.announced(store.root) == other


@pytest.mark.parametrize("text", ["{", "[]", '{"source": 3}', '{"no such key": 1}'])
def test_an_announcement_that_cannot_be_read_is_none(text: str, store: RunStore) -> None:
    (places.lab_folder(store.root) / queue.NEXT_DATA).write_text(text)
    assert queue.announced(store.root) is None


def test_a_runner_loads_what_is_announced(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    place = places.Place.take(store.root, 0)
    assert place is not None
    own = runner.Runner(store.root, place, io.BytesIO())
    own.reserve = object()  # type: ignore[assignment]
    orders: list[object] = []
    monkeypatch.setattr(own, "_order", lambda worker, order: orders.append(order))
    data = small_config().data
    own._follow()
    assert orders == []
    queue.announce(store.root, data)
    own._follow()
    own._follow()
    assert orders == [{"preload": data.model_dump(mode="json")}]
    place.leave()


def test_a_queued_run_says_so_for_good(store: RunStore) -> None:
    name = queue.submit(store, small_config())
    run = store.open(name)
    assert run.config == small_config()
    status = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps(status | {"heartbeat": 1.0}))
    assert store.open(name).state == "queued"


def test_taking_a_run_out_of_the_line(store: RunStore) -> None:
    name = queue.submit(store, small_config())
    watch.stop(store, name)
    assert queue.waiting(store.root) == []
    assert watch.look(store, name).phase == "stopped"
    queue.resubmit(store, name)
    assert watch.look(store, name).phase == "queued"


def test_a_run_that_was_lost_on_its_way_is_put_in_line_again(store: RunStore) -> None:
    name = queue.submit(store, small_config())
    assert queue.claim(store.root) == name
    watch.look(store, name)
    assert queue.waiting(store.root) == []
    path = store.root / name / "status.json"
    status = json.loads(path.read_text())
    late = time.time() - 2 * watch.LOST_AFTER
    path.write_text(json.dumps(status | {"heartbeat": late}))
    watch.look(store, name)
    assert queue.waiting(store.root) == [name]


def test_a_model_that_does_not_exist_leaves_nothing_behind(store: RunStore) -> None:
    config = small_config()
    wrong = config.model_copy(update={"model": config.model.model_copy(update={"name": "x"})})
    with pytest.raises(InputError, match="model 'x' is unknown"):
        queue.submit(store, wrong)
    assert not store.root.exists()


def test_names_in_the_line_are_checked(store: RunStore) -> None:
    with pytest.raises(InputError, match="run name"):
        queue.put(store.root, "../elsewhere")
    with pytest.raises(InputError, match="run name"):
        watch.look(store, "../elsewhere")


def test_a_running_run_without_a_process_has_failed(store: RunStore) -> None:
    with store.create(small_config(), "lost") as writer:
        writer.status("running", epoch=1)
        (writer.path / watch.LOG_FILE).write_text("one\x1b[31m\ntwo\n")
        assert watch.look(store, "lost").phase == "training"
    found = watch.look(store, "lost")
    assert (found.phase, found.run.status.message) == ("failed", watch.GONE)
    assert watch.log_tail(found.run) == "one [31m\ntwo"
    # Who waited for the process knows more, and may say it later; but only once.
    watch.mark_lost(store.root, "lost", "its process was killed (SIGKILL)")
    watch.mark_lost(store.root, "lost", "something else")
    assert "SIGKILL" in store.open("lost").status.message


def test_a_log_that_leads_elsewhere_is_not_read(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with store.create(small_config(), "linked") as writer:
        os.symlink(tmp_path / "secret", writer.path / watch.LOG_FILE)
    assert watch.log_tail(store.open("linked")) == ""


def test_a_place_is_held_by_one(tmp_path: Path) -> None:
    place = places.Place.take(tmp_path, 0)
    assert place is not None
    assert places.Place.take(tmp_path, 0) is None
    assert not places.is_free(tmp_path, 0)
    assert places.is_free(tmp_path, 1)
    place.leave()
    assert places.is_free(tmp_path, 0)


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("0", 0)])
def test_number_of_places(told: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(places.SLOTS_VARIABLE, told)
    assert places.slots() == expected


@pytest.mark.parametrize("told", ["-1", "many", "65", "1.5"])
def test_a_bad_number_of_places(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(places.SLOTS_VARIABLE, told)
    with pytest.raises(InputError, match="whole number from 0 to 64"):
        places.slots()


def test_one_step_is_granted_while_it_pauses() -> None:
    running = Control()
    # The first press only pauses; each further one grants a reading.
    assert running.one_step() == Control(paused=True, steps=0)
    assert running.one_step().one_step().one_step() == Control(paused=True, steps=2)
    assert Control(paused=True, steps=2).go_on() == Control(paused=False, steps=2)


def test_what_cannot_be_read_wants_nothing(tmp_path: Path) -> None:
    assert read_control(tmp_path) == Control()
    for text in ("not json", '{"alpha": -1}', '{"unknown": 1}', '{"mask_range": [0.5, 0.1]}'):
        (tmp_path / CONTROL_FILE).write_text(text)
        assert read_control(tmp_path) == Control()
    wanted = Control(alpha=0.3, mask_range=(0.1, 0.2), lr=0.01)
    write_control(tmp_path, wanted)
    assert read_control(tmp_path) == wanted
    with pytest.raises(InputError, match="alpha = -1"):
        write_control(tmp_path, wanted.model_copy(update={"alpha": -1.0}))
    assert read_control(tmp_path) == wanted
