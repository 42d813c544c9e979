"""What fuzzing found, one test per traceback that used to reach the user."""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path

import pytest

from tests.fake_runs import make_fake_run
from tests.fuzz.data_targets import MOVIES, RATINGS, USERS
from workbench.cli import main
from workbench.commands.settings import add_options, config_from
from workbench.config import DataConfig, ExperimentConfig
from workbench.data.registry import load
from workbench.data.sources.movielens import read_movielens
from workbench.errors import InputError
from workbench.runs import RunStore, open_run
from workbench.serving.tables import table_parts

LONG = "1" + "0" * 400


@pytest.mark.parametrize(
    "text",
    [
        "training: {epochs: !!bool 7}",
        "training: {epochs: !!int ''}",
        "data: {!!float data: 1}",
        "data: {split: !!timestamp x}",
        "data: {split: 2001-99-99}",
        "a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]",
    ],
)
def test_yaml_that_its_reader_stumbles_over(tmp_path: Path, text: str) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        config_from(parser.parse_args(["--config", str(path)]))
    with pytest.raises(InputError):
        config_from(parser.parse_args(["--set", f"data.split={text.partition(': ')[2]}"]))


def test_half_a_surrogate_pair_in_a_config() -> None:
    text = json.dumps({"data": {"source": "\ud800"}})
    with pytest.raises(InputError, match="config: holds a value that cannot be written as JSON"):
        ExperimentConfig.from_json(text, "config")


def test_half_a_surrogate_pair_in_a_log(tmp_path: Path) -> None:
    run = make_fake_run(RunStore(tmp_path), variant="base", name="run")
    (run.path / "metrics.jsonl").write_text(json.dumps({"kind": "\ud800", "epoch": 1}) + "\n")
    with pytest.raises(InputError, match=r"metrics\.jsonl:1: not JSON .*surrogates"):
        run.metrics()


def test_a_whole_surrogate_pair_is_text(tmp_path: Path) -> None:
    run = make_fake_run(RunStore(tmp_path), variant="base", name="run")
    (run.path / "metrics.jsonl").write_text(json.dumps({"kind": "step", "message": "🎬"}) + "\n")
    assert run.metrics()["message"].tolist() == ["🎬"]


def test_a_damaged_stream_in_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "ml-1m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("ratings", RATINGS), ("users", USERS), ("movies", MOVIES)):
            archive.writestr(f"ml-1m/{name}.dat", content)
    whole = path.read_bytes()
    start = whole.index(b"users.dat") + len(b"users.dat")
    # The first byte of a deflate stream says how it is packed; 7 is no such way.
    path.write_bytes(whole[:start] + b"\x07" + whole[start + 1 :])
    with pytest.raises(InputError, match=r"users\.dat: cannot be read"):
        read_movielens(path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--data", LONG],
        ["train", "--data", "movielens-1m", "--from", LONG],
        ["train", "--data", "kuairand-pure", "--from", LONG],
        ["train", "--data", "movielens-1m", "--from", "~no-such-user-here/x"],
        ["train", "--resume", LONG],
        ["compare", f"a/{LONG}", "b"],
        ["data", "prepare", "planted", "--out", LONG],
    ],
)
def test_names_that_no_file_system_takes(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*arguments, *(["--runs", str(tmp_path)] if arguments[0] != "data" else [])]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "Traceback" not in message


def test_a_long_name_in_a_config() -> None:
    with pytest.raises(InputError, match="must be one of"):
        load(DataConfig(source=LONG))
    with pytest.raises(InputError):
        open_run(f"a/{LONG}", "runs")


def test_column_names_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"user\x8aid,item\n1,2\n")
    with pytest.raises(InputError, match=r"rows\.csv: cannot be read"), table_parts(path, 10):
        pass
