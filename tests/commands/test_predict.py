"""``workbench predict`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from workbench.cli import main
from workbench.demo import DEMO_FOLDER

ROWS = pd.DataFrame(
    {
        "user_id": [1, 2, 10**9],
        "gender": ["male", None, "female"],
        "age": ["18-24", "25-34", "18-24"],
        "item_id": [1, 2, 3],
        "artist_id": [1, 1, 2],
        "genre": ["pop", "rock", "jazz"],
        "mood": ["sad|dark", "sad", None],
        "duration": [200.0, None, 170.0],
        "scene": ["commute", "home", "party"],
    }
)


@pytest.fixture
def command(tmp_path: Path, project_root: Path) -> list[str]:
    """A demo run, which was made before runs carried vocabularies, and three rows."""
    table = tmp_path / "rows.csv"
    ROWS.to_csv(table, index=False)
    run = project_root / DEMO_FOLDER / "planted-dcn_v2-full-s0"
    return ["predict", str(run), str(table), "--out", str(tmp_path / "out.csv")]


def test_predict_writes_a_file_and_says_what_was_unseen(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert printed["rows"] == 3
    assert printed["unseen"]["user_id"] >= 1
    assert (printed["unseen"]["gender"], printed["unseen"]["duration"]) == (1, 1)
    assert captured.err.startswith(f"{tmp_path / 'out.csv'}: 3 rows in")
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["user_id"].tolist() == [1, 2, 10**9]
    assert found["probability"].between(0.01, 0.99).all()
    assert main(command) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out.csv'}\n"


def test_a_changed_table_is_refused_in_one_line(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = ROWS.drop(columns="genre").assign(item_id=["a", "b", "c"])
    changed.to_csv(tmp_path / "rows.csv", index=False)
    assert main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "column 'genre' is missing" in captured.err
    changed.assign(genre="pop").to_csv(tmp_path / "rows.csv", index=False)
    assert main(command) == 2
    expected = "column 'item_id', data row 1: 'a'; the run has whole numbers"
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
