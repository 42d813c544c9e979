"""Your own tables from file to trained run in three commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.data.tables.make import trio
from workbench.cli import main
from workbench.data.tables.schema_file import read_schema
from workbench.runs import RunStore


def _three_commands(
    tables: list[Path], folder: Path, capsys: pytest.CaptureFixture[str], *model: str
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """init, prepare, train; returns the card, the run's line and the schema's text."""
    assert main(["data", "init", *map(str, tables)]) == 0
    path = capsys.readouterr().out.strip()
    assert main(["data", "prepare", path, "--out", str(folder / "ready"), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    arguments = [
        "--data",
        str(folder / "ready"),
        "--epochs",
        "4",
        "--lr",
        "0.02",
        "--dim",
        "4",
        *model,
    ]
    assert main(["train", *arguments, "--runs", str(folder / "runs"), "--name", "r", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    run = RunStore(folder / "runs").open("r")
    assert run.state == "finished"
    assert run.card()["rows"] == card["rows"]
    return card, line, Path(path).read_text(encoding="utf-8")


@pytest.mark.parametrize("header", [True, False])
def test_a_flat_table_of_40_anonymous_columns(
    header: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An ad-click log: a label, 13 amounts, 26 hashed categories, no user and no item."""
    rng = np.random.default_rng(0)
    rows = 1500
    columns: dict[str, Any] = {"label": np.zeros(rows, int)}
    for place in range(13):
        values = np.floor(rng.lognormal(4, 1.5, rows))
        columns[f"I{place + 1}"] = pd.array(values.astype(int)).astype("Int64")
        columns[f"I{place + 1}"][rng.random(rows) < 0.1] = pd.NA
    for place in range(26):
        codes = rng.zipf(1.2, rows) % (4 + 10 * place)
        columns[f"C{place + 1}"] = [f"{code * 2654435761 % 2**32:08x}" for code in codes]
        if place == 7:
            columns["label"] = (codes + rng.integers(0, 40, rows) < 30).astype(int)
    table = tmp_path / "train.txt"
    pd.DataFrame(columns).to_csv(table, sep="\t", index=False, header=header)
    card, line, text = _three_commands([table], tmp_path, capsys, "--model", "fm")
    assert card["rows"] == rows
    assert len(card["columns"]) == 39
    kinds = [column.get("kind", "single") for column in card["columns"].values()]
    assert (kinds.count("numeric"), kinds.count("single")) == (13, 26)
    assert 0 < line["test_auc"] < 1
    user = "C26" if header else "column_40"
    assert f"Activity is then the number of training samples with the same '{user}'" in text
    assert card["notes"]["activity"] == f"training samples with the same {user}"
    assert len(card["label_rate_by_activity"]) > 1
    assert card["missing"]["I1" if header else "column_2"] > 0


def test_a_log_with_users_and_items(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trio(tmp_path)
    tables = [tmp_path / name for name in ("items.csv", "users.csv", "log.csv")]
    card, line, text = _three_commands(tables, tmp_path, capsys, "--model", "dcn_v2")
    schema = read_schema(tmp_path / "schema.yaml")
    assert schema.log.file == "log.csv"
    assert schema.users is not None
    assert schema.items is not None
    assert (schema.users.key, schema.items.key) == ("user_id", "item_id")
    assert schema.time is not None
    assert schema.time.format == "epoch_s"
    assert [label.name for label in schema.labels] == ["click", "like"]
    tags = schema.feature("tags")
    assert (tags.kind, tags.separator, tags.table, tags.side) == ("multi", "|", "items", "item")
    assert schema.feature("history").shares == "item_id"
    # The label's own counts are there, but the adapter does not see them by default.
    assert "item_id:click" in card["counts"]
    assert card["default_counts"] == [
        "user_id:impression", "user_id:like", "item_id:impression", "item_id:like",
    ]  # fmt: skip
    assert line["test_auc"] > 0.5
    # Every guess has its reason beside it.
    guessed = [row for row in text.splitlines() if row.startswith(("  - {", "user:", "time:"))]
    assert len(guessed) > 10
    assert all("  # " in row for row in guessed)
    assert card["guesses"]["features.tags"].startswith("divided by '|'")


def test_an_implicit_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    rows = 800
    table = tmp_path / "plays.csv"
    pd.DataFrame(
        {
            "userId": rng.zipf(1.3, rows) % 50,
            "songId": rng.zipf(1.3, rows) % 120,
            "playedAt": pd.to_datetime(1_700_000_000 + rng.integers(0, 10**6, rows), unit="s"),
        }
    ).to_csv(table, index=False)
    card, line, text = _three_commands([table], tmp_path, capsys, "--model", "two_tower")
    assert "no column is a label, so every row is an event: a 1" in text
    assert card["negatives"]["per_positive"] == 4
    assert card["negatives"]["positives"] == rows
    assert card["rows"] == 5 * rows - card["negatives"]["not_found"]
    assert "items seen up to and including its part of the split" in card["negatives"]["rule"]
    assert card["split"]["protocol"] == "time"
    assert line["test_auc"] > 0.5


def test_parquet_with_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    rows = 600
    frame = pd.DataFrame(
        {
            "user_id": [f"u{code}" for code in rng.integers(0, 30, rows)],
            "item_id": rng.integers(0, 20, rows),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**5, rows), "s"),
            "rating": rng.integers(1, 6, rows),
            "clicked_before": [list(rng.integers(0, 20, rng.integers(0, 6))) for _ in range(rows)],
            "mobile": rng.random(rows) < 0.5,
        }
    )
    frame.to_parquet(tmp_path / "ratings.parquet")
    card, _, text = _three_commands([tmp_path / "ratings.parquet"], tmp_path, capsys)
    schema = read_schema(tmp_path / "schema.yaml")
    assert schema.log.format == "parquet"
    assert schema.labels[0].at_least == 4
    assert "are at least 4" in text
    before = schema.feature("clicked_before")
    assert (before.kind, before.shares, before.values) == ("sequence", "item_id", "whole")
    assert card["label_rates"]["positive"] == pytest.approx((frame["rating"] >= 4).mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\n", "the file is empty"),
        (b"user_id,item_id,click\n", "no rows below the header"),
        (b"user_id,item_id,user_id\n1,2,3\n", "column 'user_id' appears twice, as columns 1 and 3"),
        ("user_id,item_id\n1,2\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"user_id\n1\n2\n", "one column only"),
        (b"a\0b,c\n1,2\n", "not a text file"),
        (b"PAR1 is not all", "not a readable Parquet file"),
        (b'user_id,item_id\n"1,2\n' + b"x" * (5 << 20), "wrong number of fields"),
    ],
)
def test_what_cannot_be_a_table(
    content: bytes, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    assert main(["data", "init", str(tmp_path / "log.csv")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert expected in error
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_where_the_schema_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    table = tmp_path / "raw" / "log.csv"
    table.write_text("user_id,item_id,click\n" + "1,2,0\n2,1,1\n" * 20)
    assert main(["data", "init", str(table), "--out", str(tmp_path), "--name", "shop"]) == 0
    values = yaml.safe_load((tmp_path / "schema.yaml").read_text())
    assert values["log"]["file"] == "raw/log.csv"
    assert values["name"] == "shop"
    capsys.readouterr()
    for arguments, expected in (
        ([str(table), "--out", str(tmp_path)], "exists; --force replaces it"),
        ([str(table), "--out", str(tmp_path / "other" / "s.yaml")], "must lie in"),
        ([str(table), str(table)], "named twice"),
        ([str(tmp_path / "no.csv")], "there is no such file"),
    ):
        assert main(["data", "init", *arguments]) == 2
        assert expected in capsys.readouterr().err
    assert main(["data", "init", str(table), "--out", str(tmp_path), "--force"]) == 0
    capsys.readouterr()
    for option in (["--split", "time"], ["--split-seed", "1"], ["--from", "x"]):
        out = ["--out", str(tmp_path / "ready")]
        assert main(["data", "prepare", str(tmp_path), *out, *option]) == 2
        assert "cannot be given with a schema" in capsys.readouterr().err
