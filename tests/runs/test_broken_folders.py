"""A run folder may have come from anywhere: what is wrong with it is one line, never a crash."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fake_runs import make_fake_run
from workbench.errors import InputError
from workbench.runs import RunStore

DEEP = "[" * 200_000
STATUS = {"state": "running", "heartbeat": 1.0, "version": 1}
DAMAGE = {
    "not json": ("config.json", "{'k': 2}", "config.json: not JSON"),
    "deep": ("config.json", DEEP, "config.json: not JSON"),
    "not an object": ("config.json", "[1]", "config.json"),
    "newer config": ("config.json", '{"version": 99}', "version 99 is newer than"),
    "unknown key": ("config.json", '{"version": 1, "colour": 3}', "unknown key 'colour'"),
    "long number": ("config.json", '{"version": ' + "9" * 5000 + "}", "digits"),
    "empty": ("config.json", "", "config.json: not JSON"),
    "newer status": ("status.json", json.dumps(STATUS | {"version": 2}), "version 2 is newer"),
    "unknown state": ("status.json", json.dumps(STATUS | {"state": "fine"}), "state = 'fine'"),
    "status key": ("status.json", json.dumps(STATUS | {"x": 1}), "unknown key 'x'"),
    "nan": ("status.json", '{"state": "running", "heartbeat": NaN}', "NaN is not a JSON number"),
    "huge number": ("status.json", '{"state": "running", "heartbeat": 1e999}', "heartbeat = inf"),
    "negative": ("status.json", json.dumps(STATUS | {"step": -1}), "step = -1"),
    "status list": ("status.json", "[]", "must be a JSON object"),
    "deep status": ("status.json", DEEP, "status.json: not JSON"),
    "summary text": ("summary.json", '{"test_auc": "0.8"}', "test_auc = '0.8': must be a number"),
    "summary bool": ("summary.json", '{"test_auc": true}', "test_auc = True: must be a number"),
}


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "runs")
    make_fake_run(store, variant="base", name="bad")
    make_fake_run(store, variant="base", name="good")
    return store


def assert_only_bad_is_broken(runs: RunStore, reason: str) -> None:
    problems = {run.name: run.problem for run in runs.list()}
    assert problems["good"] is None
    assert problems["bad"] is not None
    assert reason in problems["bad"]
    assert "\n" not in problems["bad"]
    with pytest.raises(InputError, match="run 'bad' is broken: bad/"):
        runs.open("bad")


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_file(runs: RunStore, kind: str) -> None:
    file, text, reason = DAMAGE[kind]
    (runs.root / "bad" / file).write_text(text)
    assert_only_bad_is_broken(runs, reason)


@pytest.mark.parametrize("file", ["config.json", "status.json"])
def test_missing_file(runs: RunStore, file: str) -> None:
    (runs.root / "bad" / file).unlink()
    assert_only_bad_is_broken(runs, f"bad/{file}: no such file")


@pytest.mark.parametrize("file", ["config.json", "status.json", "summary.json"])
def test_huge_file_is_not_read(runs: RunStore, file: str) -> None:
    with (runs.root / "bad" / file).open("wb") as sparse:
        sparse.truncate(1 << 40)
    assert_only_bad_is_broken(runs, f"bad/{file}: larger than the 1048576 bytes")


@pytest.mark.parametrize("file", ["config.json", "status.json", "summary.json"])
def test_link_out_of_the_folder(runs: RunStore, file: str) -> None:
    path = runs.root / "bad" / file
    path.unlink()
    # The target is a perfectly good file: it is the place that is refused.
    path.symlink_to(runs.root / "good" / file)
    assert_only_bad_is_broken(runs, f"bad/{file}: links to a place outside the run folder")


def test_link_loop_pipe_folder_and_bytes(runs: RunStore) -> None:
    path = runs.root / "bad" / "config.json"
    path.unlink()
    path.symlink_to(path)
    assert_only_bad_is_broken(runs, "bad/config.json: cannot be read")
    path.unlink()
    os.mkfifo(path)
    assert_only_bad_is_broken(runs, "bad/config.json: not a regular file")
    path.unlink()
    path.mkdir()
    assert_only_bad_is_broken(runs, "bad/config.json: not a regular file")
    path.rmdir()
    path.write_bytes(b"\xff\xfe{}")
    assert_only_bad_is_broken(runs, "bad/config.json: not UTF-8")


def test_layout_is_checked(runs: RunStore) -> None:
    path = runs.root / "good" / "layout.json"
    run = runs.open("good")
    values = json.loads(path.read_text())
    schema, layout = run.layout()
    assert schema.names == layout.names
    assert layout["user_id"].is_id
    cases = [
        ({"version": 2}, "version 2"),
        ({"schema": values["schema"] | {"user": "nobody"}}, "user: 'nobody'"),
        ({"layout": None}, "layout.json"),
        ({"layout": {"slots": [], "rows": 1}}, "layout.json"),
    ]
    for change, reason in cases:
        path.write_text(json.dumps(values | change))
        with pytest.raises(InputError, match=reason):
            run.layout()
    shuffled = values["schema"] | {"features": values["schema"]["features"][::-1]}
    path.write_text(json.dumps(values | {"schema": shuffled}))
    with pytest.raises(InputError, match="different features"):
        run.layout()


def test_metrics_name_the_damaged_line(runs: RunStore) -> None:
    path = runs.root / "good" / "metrics.jsonl"
    run = runs.open("good")
    lines = path.read_text().splitlines()
    for damage, reason in (
        ("{broken", "metrics.jsonl:3: not JSON"),
        ("[1, 2]", "metrics.jsonl:3: holds a list"),
        ('{"a": 1}, {"b": 2}', "metrics.jsonl:3: not JSON"),
        ('{"epoch": 0, "loss_main": "low"}', "'loss_main' is not a number"),
        ('{"epoch": 0, "loss_main": [1]}', "'loss_main' is not a number"),
    ):
        path.write_text("\n".join([*lines[:2], damage, *lines[3:]]) + "\n")
        with pytest.raises(InputError, match=reason):
            run.metrics()


def test_card_and_weights_are_read_with_the_same_care(runs: RunStore) -> None:
    folder = runs.root / "good"
    run = runs.open("good")
    assert run.card()["name"] == "fake"
    with pytest.raises(InputError, match=r"good/weights\.safetensors: no such file"):
        run.weights()
    (folder / "weights.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(InputError, match=r"weights\.safetensors: damaged or not safetensors"):
        run.weights()
    (folder / "weights.safetensors").unlink()
    (folder / "weights.safetensors").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="outside the run folder"):
        run.weights()
    (folder / "card.json").write_text("7")
    with pytest.raises(InputError, match="must be a JSON object"):
        run.card()
