"""The page on where the gain lives, and the recorded searches beside the paper's tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def cell(part: str, point: str, order: int, lift: float, half: float, **more: Any) -> Any:
    """A point of a curve: base AUC 0.8, its RelaImpr, and half the width of the AUC interval."""
    return {
        "part": part,
        "point": point,
        "order": order,
        "data": "planted",
        "preset": "paper",
        "model": "youtube_dnn",
        "variant": "full",
        "rela_impr": lift,
        "base_auc_mean": 0.8,
        "auc_mean": 0.8 * (1 + lift),
        "ci_low": 0.8 * lift - half,
        "ci_high": 0.8 * lift + half,
        "users": 100,
        "rows": 1000,
        "seeds": [0, 1],
        "command": f"workbench reproduce regimes --only {part}",
        **more,
    }


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of results."""
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setenv("WORKBENCH_RESULTS", str(folder))
    return folder


def write(folder: Path, cells: list[Any], missing: list[Any] | None = None) -> None:
    """Write the file of the regimes."""
    (folder / "regimes.json").write_text(json.dumps({"cells": cells, "missing": missing or []}))


ACTIVITY = [cell("a", "0", 0, 0.02, 0.004), cell("a", "3-9", 2, -0.01, 0.004)]
NOISE = [cell("c", "0%", 0, 0.001, 0.004), cell("c", "10%", 1, 0.03, 0.004)]


def test_without_results_the_page_says_how_to_get_them(
    results: Path, store: Path, open_app: Any, specs: Any
) -> None:
    app = open_app(store, page="regimes", regime="d")
    assert specs(app) == []
    assert app.code[0].value.startswith("workbench reproduce regimes --data movielens-1m")
    assert app.code[0].value.endswith("--only d")


def test_each_question_has_its_chart_sentence_and_numbers(
    results: Path, store: Path, open_app: Any, specs: Any, text: Any
) -> None:
    write(results, [*ACTIVITY, *NOISE])
    app = open_app(store, page="regimes")
    (chart,) = specs(app)
    assert "+2.00% at 0" in chart["description"]
    assert "-1.00% at 3-9" in chart["description"]
    said = text(app)
    # The overview speaks of both questions, the figure of the first one.
    assert said.count("+2.00% at 0") == 2
    assert said.count("+3.00% at 10%") == 1
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["regime a.csv"]
    frame = app.dataframe[0].value
    assert frame["lift"].tolist() == [0.02, -0.01]
    # 0.8 times the lift minus 0.004, over 0.8.
    assert frame["low"].tolist() == pytest.approx([0.015, -0.015])
    app.segmented_control(key="regime").set_value("c").run()
    assert [b.proto.label for b in app.get("download_button")] == ["regime c.csv"]


def test_the_first_question_that_has_an_answer_comes_first(
    results: Path, store: Path, open_app: Any
) -> None:
    write(results, NOISE)
    assert open_app(store, page="regimes").segmented_control(key="regime").value == "c"


def test_two_data_sets_have_a_chart_each(
    results: Path, store: Path, open_app: Any, specs: Any
) -> None:
    write(results, [*ACTIVITY, *(c | {"data": "movielens-1m"} for c in ACTIVITY)])
    assert len(specs(open_app(store, page="regimes"))) == 2


def test_buckets_of_activity_set_the_range(results: Path, store: Path, open_app: Any) -> None:
    write(results, [*ACTIVITY, *NOISE])
    app = open_app(store, page="regimes")
    app.session_state["regime_a_0"] = {"selection": {"slice": {"point": ["3-9"]}}}
    app.run()
    assert list(app.query_params["activity"]) == ["3", "10"]
    # A share of wrong labels is no range of users.
    app.segmented_control(key="regime").set_value("c").run()
    assert app.session_state["_listening"] == {}


def test_missing_cells_are_listed(results: Path, store: Path, open_app: Any) -> None:
    gone = {"part": "a", "point": "0", "variant": "mask", "reason": "diverged"}
    write(results, ACTIVITY, [gone, {**gone, "part": "c"}])
    app = open_app(store, page="regimes")
    assert any(box.label == "Missing: 1 cells" for box in app.expander)


@pytest.mark.parametrize("content", ["{", '{"cells": 3}', '{"cells": [{"part": "a"}]}'])
def test_damaged_results_are_one_line(
    content: str, results: Path, store: Path, open_app: Any
) -> None:
    (results / "regimes.json").write_text(content)
    (error,) = open_app(store, page="regimes").error
    assert "regimes.json" in error.value.replace("\\", "")
    assert "\n" not in error.value


TRIAL = {"trial": 0, "valid_auc": 0.81, "settings": {"lr": 0.001, "dim": 16}}


@pytest.mark.parametrize(
    "content",
    [
        {"cells": [{"model": "fm", "variant": "base", **TRIAL}]},
        {"model": "fm", "variant": "base", "history": [TRIAL]},
        [{"model": "fm", "variant": "base", **TRIAL}],
    ],
)
def test_recorded_searches(content: Any, results: Path, store: Path, open_app: Any) -> None:
    (results / "search-fm.json").write_text(json.dumps(content))
    app = open_app(store, page="paper_tables")
    table = app.dataframe[-1].value
    assert table.iloc[0].to_dict() == {
        "search": "search-fm",
        "model": "fm",
        "variant": "base",
        "trial": 0,
        "valid_auc": 0.81,
        "settings": "lr = 0.001, dim = 16",
    }


def test_a_folder_of_searches_gives_its_name(results: Path, store: Path, open_app: Any) -> None:
    (results / "last").mkdir()
    (results / "last" / "fm-base.json").write_text(json.dumps({"history": [TRIAL]}))
    app = open_app(store, page="paper_tables")
    assert app.dataframe[-1].value.iloc[0]["search"] == "last/fm-base"


def test_without_searches_there_is_no_section(results: Path, store: Path, open_app: Any) -> None:
    app = open_app(store, page="paper_tables")
    assert not any("searches" in head.value for head in app.header)


@pytest.mark.parametrize("content", ["{", "3", '{"cells": 1}', "[1]"])
def test_a_damaged_search_is_one_line(
    content: str, results: Path, store: Path, open_app: Any
) -> None:
    (results / "search-x.json").write_text(content)
    (error,) = open_app(store, page="paper_tables").error
    assert "search-x.json" in error.value.replace("\\", "")
    assert "\n" not in error.value
