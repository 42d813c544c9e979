"""Creating, finding, deleting and restoring runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_runs import fake_config, make_fake_run
from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.runs import RunStore, open_run, store
from workbench.runs.files import check_name, check_new_name

BAD_NAMES = ["", ".", "..", "../out", "a/b", "/etc", "a\\b", ".hidden", "a\nb", "a\0b", "x" * 300]


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def set_heartbeat(folder: Path, heartbeat: float, **changes: object) -> None:
    path = folder / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"heartbeat": heartbeat} | changes))


def test_default_name_says_what_the_run_is_and_is_unique(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.time, "strftime", lambda form: "20260102-030405")
    config = fake_config("full", seed=7)
    names = []
    for _ in range(3):
        with runs.create(config) as writer:
            names.append(writer.name)
    first = "planted-youtube_dnn-full-s7-20260102-030405"
    assert names == [first, f"{first}-2", f"{first}-3"]


def test_a_rivals_run_has_the_rivals_name(runs: RunStore) -> None:
    with runs.create(fake_config("base", overrides={"rival": {"name": "dropoutnet"}})) as writer:
        assert writer.name.startswith("planted-youtube_dnn-dropoutnet-s0-")
    assert runs.open(writer.name).variant == "dropoutnet"


def test_default_name_of_a_prepared_data_set_is_a_valid_name(runs: RunStore) -> None:
    config = ExperimentConfig.parse({"data": {"source": "/some where/My data (2).v1"}})
    with runs.create(config) as writer:
        assert writer.name.startswith("My-data-2-dcn_v2-full-s0-")
        assert check_new_name(writer.name) == writer.name


def test_a_created_run_is_complete_at_once(runs: RunStore) -> None:
    config = fake_config("mask", seed=3)
    with runs.create(config, "one") as writer:
        run = runs.open("one")
        assert writer.path == runs.root / "one"
    assert (run.config, run.state, run.seed, run.variant) == (config, "running", 3, "mask")
    assert (run.summary, run.problem) == (None, None)
    assert run.status.pid == os.getpid()
    assert run.metrics().empty


def test_group_leaves_the_seed_out(runs: RunStore) -> None:
    groups = {}
    for name, variant, seed in (("a", "full", 0), ("b", "full", 1), ("c", "mask", 0)):
        runs.create(fake_config(variant, seed), name).close()
        groups[name] = runs.open(name).group
    assert groups["a"] == groups["b"] != groups["c"]


@pytest.mark.parametrize("name", [*BAD_NAMES, "with space", "ü", "-dash-first", "x" * 121])
def test_create_refuses_bad_names_and_writes_nothing(runs: RunStore, name: str) -> None:
    with pytest.raises(InputError, match="run name"):
        runs.create(fake_config("base"), name)
    assert not runs.root.exists()


@pytest.mark.parametrize("name", BAD_NAMES)
def test_every_door_refuses_names_that_leave_the_store(runs: RunStore, name: str) -> None:
    runs.create(fake_config("base"), "inside").close()
    for door in (runs.open, runs.resume, runs.delete, runs.restore, runs.request_stop):
        with pytest.raises(InputError, match="run name"):
            door(name)


@given(st.text(max_size=140))
def test_an_accepted_name_is_one_folder_below_the_root(name: str) -> None:
    root = Path("/store")
    for check in (check_name, check_new_name):
        try:
            path = root / check(name)
        except InputError:
            continue
        assert Path(os.path.normpath(path)).parent == root


def test_a_taken_name_is_refused_and_the_first_run_kept(runs: RunStore) -> None:
    runs.create(fake_config("base"), "taken").close()
    with pytest.raises(InputError, match="'taken' exists already"):
        runs.create(fake_config("full"), "taken")
    assert runs.open("taken").variant == "base"
    assert os.listdir(runs.root) == ["taken"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"run store .*/file/runs: cannot be written"):
        RunStore(tmp_path / "file" / "runs").create(fake_config("base"))
    with pytest.raises(InputError, match="cannot be read"):
        RunStore(tmp_path / "file").list()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        RunStore(tmp_path).create(fake_config("base"))
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_creating_leaves_nothing_behind(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(path: Path, text: str) -> None:
        path.write_text(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_text", full_disk)
    with pytest.raises(InputError, match="No space left on device"):
        runs.create(fake_config("base"), "half")
    assert list(runs.root.iterdir()) == []


def test_list_is_newest_first_with_broken_folders_last(runs: RunStore) -> None:
    assert runs.list() == []
    for age, name in ((50, "old"), (0, "new"), (20, "middle")):
        runs.create(fake_config("base"), name).close()
        set_heartbeat(runs.root / name, time.time() - age)
    (runs.root / "broken").mkdir()
    (runs.root / ".hidden").mkdir()
    (runs.root / "README.txt").write_text("not a run")
    listed = runs.list()
    assert [run.name for run in listed] == ["new", "middle", "old", "broken"]
    assert [run.state for run in listed] == ["running", "running", "interrupted", "broken"]
    assert listed[3].problem == "broken/config.json: no such file"
    with pytest.raises(InputError, match="no such file"):
        _ = listed[3].config


@pytest.mark.parametrize(
    ("written", "age", "state"),
    [
        ("running", 29, "running"),
        ("running", 31, "interrupted"),
        ("finished", 1e6, "finished"),
        ("failed", 1e6, "failed"),
        ("stopped", 1e6, "stopped"),
    ],
)
def test_heartbeat_rule(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch, written: str, age: float, state: str
) -> None:
    runs.create(fake_config("base"), "run").close()
    set_heartbeat(runs.root / "run", 5e6, state=written)
    monkeypatch.setattr("workbench.runs.run.time.time", lambda: 5e6 + age)
    assert runs.open("run").state == state


def test_delete_moves_and_restore_brings_back(runs: RunStore) -> None:
    run = make_fake_run(runs, variant="full", name="run-20260101-000000-2")
    before = run.table("predictions")
    trash_name = runs.delete(run.name)
    assert runs.list() == []
    assert runs.trash() == (trash_name,)
    with pytest.raises(InputError, match="no run 'run-20260101-000000-2'"):
        runs.open(run.name)
    restored = runs.restore(trash_name)
    assert restored.name == run.name
    assert restored.table("predictions").equals(before)
    assert runs.trash() == ()


def test_a_name_can_be_deleted_twice_within_a_second(runs: RunStore) -> None:
    names = set()
    for _ in range(3):
        runs.create(fake_config("base"), "run").close()
        names.add(runs.delete("run"))
    assert len(names) == 3
    runs.restore(max(names))
    with pytest.raises(InputError, match="'run' exists again"):
        runs.restore(min(names))


def test_a_broken_run_can_be_deleted_but_a_missing_one_cannot(runs: RunStore) -> None:
    (runs.root / "broken").mkdir(parents=True)
    assert runs.delete("broken") in runs.trash()
    with pytest.raises(InputError, match="no run 'broken'"):
        runs.delete("broken")
    with pytest.raises(InputError, match="not in the trash"):
        runs.restore("nothing-20260101-000000")


def test_a_run_that_is_being_written_cannot_be_deleted(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "busy"):
        with pytest.raises(InputError, match=f"'busy': process {os.getpid()} is writing it"):
            runs.delete("busy")
        assert runs.open("busy").state == "running"
    runs.delete("busy")


def test_deleting_a_linked_run_leaves_its_target_alone(runs: RunStore, tmp_path: Path) -> None:
    elsewhere = RunStore(tmp_path / "elsewhere")
    make_fake_run(elsewhere, variant="base", name="real")
    runs.root.mkdir()
    (runs.root / "link").symlink_to(elsewhere.root / "real")
    assert runs.list()[0].problem == "link: links to another place; refused"
    for door in (runs.open, runs.resume, runs.request_stop):
        with pytest.raises(InputError, match="links to another place"):
            door("link")
    runs.delete("link")
    assert elsewhere.open("real").state == "finished"


def test_open_run_takes_a_name_or_a_folder(runs: RunStore, tmp_path: Path) -> None:
    runs.create(fake_config("base"), "run").close()
    assert open_run("run", runs.root).path == runs.root / "run"
    folder = open_run(str(runs.root / "run"), tmp_path / "another store")
    assert folder.name == "run"
    for place in ("missing", str(tmp_path / "missing")):
        with pytest.raises(InputError, match="missing"):
            open_run(place, runs.root)


def test_stop_request_reaches_the_writer_and_is_cleared_by_resume(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        assert not writer.stop_requested()
        runs.request_stop("run")
        assert writer.stop_requested()
    with runs.resume("run") as writer:
        assert not writer.stop_requested()


def test_a_folder_that_was_never_locked_goes_once_it_is_old(runs: RunStore) -> None:
    runs.root.mkdir()
    fresh, old = (runs.root / f"{store.UNLOCKED}{name}" for name in ("fresh", "old"))
    for folder in (fresh, old):
        folder.mkdir()
    before = time.time() - 2 * store.UNLOCKED_SECONDS
    os.utime(old, (before, before))
    runs.create(ExperimentConfig()).close()
    assert fresh.exists()  # its writer may be about to lock it
    assert not old.exists()
    assert len(runs.list()) == 1
