"""Thirty defects in three tables: all of them are reported in one go, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.tables.make import schema
from tests.reliability import record
from workbench.cli import main
from workbench.data.store import load_dataset
from workbench.data.tables.prepare import prepare_tables
from workbench.data.tables.problems import TableProblems

SCHEMA = """
version: 1
name: shop
log: {file: log.csv}
users: {file: users.csv, key: user_id}
items: {file: items.csv, key: item_id}
user: user_id
item: item_id
time: {column: when, format: iso}
labels: [{name: click, column: click}, {name: like, column: like}]
split: {by: random}
features:
  - {name: user_id, side: user, id: true, values: whole}
  - {name: age, table: users, side: user, kind: numeric}
  - {name: item_id, side: item, id: true, values: whole}
  - {name: price, table: items, side: item, kind: numeric}
  - {name: colour, table: items, side: item}
  - {name: place}
  - {name: depth, kind: numeric}
  - {name: basket, kind: multi, values: whole, separator: "|", max_length: 3}
"""
HEADER = "user_id,item_id,when,click,like,place,depth,basket,extra"
GOOD = "1,2,2024-01-31,0,1,home,3.5,1|2,x"

# (row in the file, its text, column, reason, value that is shown); the header is row 1.
LOG: list[tuple[int, str, str, str, str]] = [
    (5, "1,2,2024-01-31,2,1,home,3,1,x", "click", "not a label", "'2'"),
    (9, "1,2,2024-01-31,,1,home,3,1,x", "click", "missing label", ""),
    (12, "1,2,2024-01-31,maybe,1,home,3,1,x", "click", "not a number", "'maybe'"),
    (15, "1,2,2024-01-31,1,-1,home,3,1,x", "like", "not a label", "'-1'"),
    (20, "bob,2,2024-01-31,1,1,home,3,1,x", "user_id", "not a whole number", "'bob'"),
    (21, ",2,2024-01-31,1,1,home,3,1,x", "user_id", "missing key", ""),
    (24, "12.5,2,2024-01-31,1,1,home,3,1,x", "user_id", "not a whole number", "'12.5'"),
    (
        26,
        "92233720368547758080,2,2024-01-31,1,1,home,3,1,x",
        "user_id",
        "beyond 64 bits",
        "'92233720368547758080'",
    ),
    (30, "1,NA,2024-01-31,1,1,home,3,1,x", "item_id", "missing key", ""),
    (33, "1,a7,2024-01-31,1,1,home,3,1,x", "item_id", "not a whole number", "'a7'"),
    (35, "1,2,2024-13-01,1,1,home,3,1,x", "when", "not a time", "'2024-13-01'"),
    (36, "1,2,31.01.2024,1,1,home,3,1,x", "when", "not a time", "'31.01.2024'"),
    (38, "1,2,,1,1,home,3,1,x", "when", "missing time", ""),
    (41, "1,2,2024-01-31,1,1,home,deep,1,x", "depth", "not a number", "'deep'"),
    (42, "1,2,2024-01-31,1,1,home,inf,1,x", "depth", "infinite", "'inf'"),
    (45, "1,2,2024-01-31,1,1,home,3", "", "wrong number of fields", "7"),
    (46, "1,2,2024-01-31,1,1,home,3,1,x,y", "", "wrong number of fields", "10"),
    (50, "1,2,2024-01-31,1,1,caf\udce9,3,1,x", "place", "not UTF-8", "b'caf\\xe9'"),
    (52, f"1,2,2024-01-31,1,1,{'z' * 2000},3,1,x", "place", "too long", f"'{'z' * 36}..."),
    (55, "1,2,2024-01-31,1,1,home,3,1|two,x", "basket", "not a whole number (in the list)", ""),
]
USERS = [
    (3, ",30", "user_id", "missing key", ""),
    (5, "2,30", "user_id", "key appears again", "2"),
    (6, "8,young", "age", "not a number", "'young'"),
    (7, "9", "", "wrong number of fields", "1"),
]
ITEMS = [
    (4, "1,5,x", "item_id", "key appears again", "1"),
    (5, "b,5,x", "item_id", "not a whole number", "'b'"),
    (6, "4,-inf,x", "price", "infinite", "'-inf'"),
    (7, '5,"12,5",x', "price", "not a number", "'12,5'"),
]
COLUMNS = [
    ("log.csv", "extra", "column is neither used nor ignored"),
    ("items.csv", "colour", "column is missing"),
]


def _write(folder: Path) -> Path:
    log = [HEADER, *[GOOD.replace(",0,", f",{row % 2},", 1) for row in range(58)]]
    users = ["user_id,age", "1,30", "-,-", "2,40", "-,-", "-,-", "-,-"]
    items = ["item_id,price,size", "1,5,x", "2,6,y", "-,-,-", "-,-,-", "-,-,-", "-,-,-"]
    for lines, planted in ((log, LOG), (users, USERS), (items, ITEMS)):
        for row, text, *_ in planted:
            lines[row - 1] = text
    for name, lines in (("log", log), ("users", users), ("items", items)):
        content = "\n".join(lines).encode("utf-8", "surrogateescape")
        (folder / f"{name}.csv").write_bytes(content + b"\n")
    return schema(folder, SCHEMA + "ignored: {items: {size: not needed}}\n")


def _planted() -> set[tuple[str, str, str, int]]:
    cells = {("log.csv", c, r, row) for row, _, c, r, _ in LOG}
    cells |= {("users.csv", c, r, row) for row, _, c, r, _ in USERS}
    cells |= {("items.csv", c, r, row) for row, _, c, r, _ in ITEMS}
    return cells | {(file, column, reason, 0) for file, column, reason in COLUMNS}


def test_all_thirty_in_one_go(tmp_path: Path) -> None:
    path = _write(tmp_path)
    with pytest.raises(TableProblems) as refusal:
        prepare_tables(path, tmp_path / "out")
    reported = {
        (problem.file, problem.column, problem.reason, row)
        for problem in refusal.value.problems
        for row in problem.rows or [0]
    }
    planted = _planted()
    assert len(planted) == 30
    assert reported == planted
    assert all(problem.allowed for problem in refusal.value.problems)
    values = {
        (problem.column, row): value
        for problem in refusal.value.problems
        if problem.file == "log.csv"
        for row, value in zip(problem.rows, problem.values, strict=True)
    }
    for row, _, column, _, value in LOG:
        if value:
            assert values[column, row] == value
    assert values["basket", 55] == "'1|two'"
    assert not (tmp_path / "out").exists()
    record(defects_planted=len(planted), defects_reported=len(planted & reported))


def test_the_command_prints_a_line_for_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _write(tmp_path)
    assert main(["data", "prepare", str(path), "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    *lines, last = captured.err.splitlines()
    assert captured.out == ""
    assert "problems in log.csv, users.csv, items.csv" in last
    assert (
        "log.csv: user_id: not a whole number in row 20 ('bob'), row 24 ('12.5'); allowed: "
        "a whole number from -9223372036854775808 to 9223372036854775807; or take the column's "
        "values as text"
    ) in lines
    assert "items.csv: colour: column is missing; allowed: one of item_id, price, size" in lines


def test_dropping_counts_every_row(tmp_path: Path) -> None:
    path = _write(tmp_path)
    text = path.read_text().replace("{items: {", "{log: {extra: x}, items: {")
    path.write_text(text.replace("  - {name: colour, table: items, side: item}\n", ""))
    card = prepare_tables(path, tmp_path / "out", drop_bad_rows=True)
    from_log = sum(n for reason, n in card["dropped"].items() if reason.startswith("log.csv"))
    assert from_log == len(LOG)
    assert (card["rows_read"], card["rows"]) == (58, 58 - len(LOG))
    others = sum(card["dropped"].values()) - from_log
    assert others == len(USERS) + len(ITEMS)
    # The first row of a key counts.
    data = load_dataset(tmp_path / "out")
    assert data.vocabularies["price"].values.tolist() == ["6 to 6"]
