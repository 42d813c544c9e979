"""The page of the data card: on a full card, on an older one, on none, and on a hostile one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.data.tables.make import TRIO, schema, trio
from workbench.data.tables.prepare import prepare_tables


@pytest.fixture
def own(store: Path, tmp_path: Path) -> Path:
    """The base run of the store; its card is the test's to write."""
    shutil.copytree(store / "base-s0", tmp_path / "runs" / "base-s0")
    return tmp_path / "runs" / "base-s0"


def _frames(app: Any) -> list[Any]:
    return [table.value for table in app.dataframe]


def test_the_card_of_your_own_table(own: Path, tmp_path: Path, open_app: Any, text: Any) -> None:
    trio(tmp_path)
    card = prepare_tables(schema(tmp_path, TRIO.format(split="time")), tmp_path / "out")
    (own / "card.json").write_text(json.dumps(card))
    app = open_app(own.parent, page="data_card")
    said = text(app)
    assert "trio\\: 3,000 samples" in said
    assert "0 of 3,000 rows that were read are left out" in said
    split, activity, features, guesses = _frames(app)
    assert split["samples"].tolist() == [card["rows_per_split"][s] for s in split["split"]]
    assert activity["users"].sum() == card["users"]
    by_name = features.set_index("feature")
    assert by_name.loc["device", "values"] == 3
    assert by_name.loc["age", "missing"] == 1
    assert by_name.loc["device", "unseen or missing in test"] == 0
    assert guesses["reason"].tolist() == ["the key"]


def test_dropped_rows_and_drawn_samples(own: Path, open_app: Any, text: Any) -> None:
    card = {
        "source": "x",
        "rows": 5,
        "rows_read": 9,
        "dropped": {"log.csv: age: not a number": 4, "log.csv: empty row": 0},
        "negatives": {"per_positive": 4, "by": "uniform", "seed": 1, "rule": "as said"},
        "joins": {"users": {"never in the log": 3}},
    }
    (own / "card.json").write_text(json.dumps(card))
    app = open_app(own.parent, page="data_card")
    assert "4 of 9 rows that were read are left out" in text(app)
    assert "drawn, not seen\\: 4" in text(app).replace("drawn, not seen:", "drawn, not seen\\:")
    assert "never in the log\\: 3" in text(app)
    assert _frames(app)[-1].to_dict("records") == [
        {"reason": "log.csv: age: not a number", "rows": 4}
    ]


def test_a_card_of_a_built_in_source(store: Path, open_app: Any, text: Any) -> None:
    assert "What is in the data?" in text(open_app(store, page="data_card"))


@pytest.mark.parametrize("content", [None, "not json", "[]", "{}", '{"rows": "many"}'])
def test_without_a_card_the_page_says_what_to_do(
    content: str | None, own: Path, open_app: Any, text: Any
) -> None:
    (own / "card.json").unlink(missing_ok=True)
    if content is not None:
        (own / "card.json").write_text(content)
    app = open_app(own.parent, page="data_card")
    assert "workbench data prepare planted" in text(app)
    assert not app.dataframe


def test_nothing_in_a_card_becomes_markup(own: Path, open_app: Any, text: Any) -> None:
    evil = "<img src=x onerror=alert(1)> [a](javascript:b) **b** `c` $d$ :red[e]"
    card: dict[str, Any] = {
        "source": evil,
        "rows": 1,
        "rows_read": 1,
        "label_rates": {evil: 0.5},
        "notes": {evil: evil},
        "negatives": {"rule": evil, "by": evil},
        "split": {"protocol": evil},
        "joins": {evil: {evil: 1}},
        "vocabulary_sizes": {evil: 3},
        "label_rate_by_activity": [
            {"activity": evil, "test_rows": 1, "test_label_rate": 1.0},
            {"activity": "10", "test_rows": 1, "test_label_rate": 1.0},
        ],
        "dropped": {evil: 1},
        "guesses": {evil: evil},
    }
    (own / "card.json").write_text(json.dumps(card))
    app = open_app(own.parent, page="data_card")
    said = text(app)
    for raw in ("<img", "[a](", "**b**", "`c`", "$d$", ":red["):
        assert not re.search(rf"(?<!\\){re.escape(raw)}", said), raw
    assert "\\<img" in said


@pytest.mark.parametrize(
    "damage",
    [
        {"label_rates": 3},
        {"dropped": [1]},
        {"label_rate_by_activity": [1, None]},
        {"label_rate_by_activity": [{"test_label_rate": 0.1}]},
        {"tail": {"a": 1}, "vocabulary_sizes": {"a": "x"}},
        {"top_user_share": "x", "split": 1, "rows_per_split": {"train": "x"}},
        {"guesses": {"a": [1]}, "joins": {"a": 1}},
    ],
)
def test_a_damaged_card_breaks_no_page(
    damage: dict[str, Any], own: Path, open_app: Any, text: Any
) -> None:
    (own / "card.json").write_text(json.dumps({"rows": 1, "rows_read": 1} | damage))
    assert "1 samples" in text(open_app(own.parent, page="data_card"))
