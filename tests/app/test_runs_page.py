"""The page of all runs: the table, the differences of two runs, deleting and taking back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from workbench.insight.compare import compare
from workbench.runs import RunStore


@pytest.fixture
def own(store: Path, tmp_path: Path) -> Path:
    """Runs that a test may delete."""
    folder = tmp_path / "runs"
    shutil.copytree(store, folder)
    return folder


def test_numbers_are_those_of_compare(store: Path, open_app: Any) -> None:
    runs = RunStore(store)
    table = open_app(store, page="runs", seeds="no").dataframe[0].value.set_index("run")
    (result,) = compare(runs.open("base-s0"), [runs.open("full-s0")])
    row = table.loc["full-s0"]
    assert row["difference"] == result["delta_auc"]
    assert (row["from"], row["to"]) == (result["ci_low"], result["ci_high"])
    assert row["RelaImpr"] == pytest.approx(100 * result["rela_impr"])
    # Not picked, so without an interval; the baseline itself has none either.
    assert table["from"].isna()[["full-s1", "base-s0"]].all()


def test_all_runs_get_an_interval_when_asked(store: Path, open_app: Any) -> None:
    app = open_app(store, page="runs", seeds="no", intervals="yes")
    table = app.dataframe[0].value.set_index("run")
    assert set(table.index[table["from"].isna()]) == {"base-s0", "base-s1"}


def test_difference_of_two_configs(store: Path, open_app: Any) -> None:
    app = open_app(store, page="runs", one="base-s0", other="mask-s1")
    frame = app.dataframe[1].value.set_index("setting")
    assert frame.loc["framework.variant"].tolist() == ["base", "mask"]
    assert frame.loc["training.seed"].tolist() == ["0", "1"]
    assert len(frame) == 2


def test_delete_and_undo(own: Path, open_app: Any, text: Any) -> None:
    app = open_app(own, page="runs", delete="mask-s1")
    button(app, "Delete").click().run()
    assert not (own / "mask-s1").exists()
    assert "Deleted mask-s1" in text(app)
    assert "mask-s1" not in list(app.dataframe[0].value["run"])
    button(app, "Undo").click().run()
    assert (own / "mask-s1" / "config.json").is_file()
    assert "mask-s1 is back" in text(app)
    assert "mask-s1" in list(app.dataframe[0].value["run"])


def test_what_was_deleted_earlier_can_be_taken_back(own: Path, open_app: Any) -> None:
    RunStore(own).delete("full-s0")
    app = open_app(own, page="runs")
    button(app, "Take back").click().run()
    assert (own / "full-s0" / "config.json").is_file()


def test_a_run_that_is_gone_is_one_line(own: Path, open_app: Any, text: Any) -> None:
    app = open_app(own, page="runs", delete="mask-s1")
    shutil.rmtree(own / "mask-s1")
    button(app, "Delete").click().run()
    assert "no run 'mask-s1'" in text(app).replace("\\\\", "")


def button(app: Any, label: str) -> Any:
    return next(found for found in app.button if found.label == label)
