"""Pages that ask a trained model something new, on the demo runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import APP

DEMO = APP.parent / "data" / "demo_runs"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base run and one of the full framework, trained."""
    folder = tmp_path_factory.mktemp("pair")
    for variant in ("base", "full"):
        name = f"planted-dcn_v2-{variant}-s0"
        shutil.copytree(DEMO / name, folder / name)
    return folder


def test_gradients_of_each_run(pair: Path, open_app: Any, specs: Any, text: Any) -> None:
    app = open_app(pair, page="gradient_share")
    assert [chart["title"]["text"] for chart in specs(app)] == [
        "Unmasked base, seed 0",
        "AdaF2M2, seed 0",
    ]
    assert "from the auxiliary loss" in text(app)


def test_gradients_over_the_steps_are_measured_when_asked(
    pair: Path, open_app: Any, specs: Any, text: Any
) -> None:
    assert not specs(open_app(pair, page="gradient_share", part="Over the steps"))
    app = open_app(pair, page="gradient_share", part="Over the steps", again="yes")
    (chart,) = specs(app)
    assert "facet" in chart
    assert "Share of the embedding gradient that goes to" in text(app)


def test_spectrum(pair: Path, open_app: Any, specs: Any, text: Any) -> None:
    app = open_app(pair, page="gradient_share", part="Embedding spectrum", feature="user_id")
    (chart,) = specs(app)
    assert chart["title"]["text"] == "User ID"
    assert "effective rank of 8 dimensions" in text(app)


def test_latency_is_measured_when_asked(pair: Path, open_app: Any, specs: Any, text: Any) -> None:
    assert len(specs(open_app(pair, page="calibration", view="Cost"))) == 1
    app = open_app(pair, page="calibration", view="Cost", latency="yes")
    assert len(specs(app)) == 2
    assert "median latency" in text(app)


def test_calibration_by_activity_follows_the_slice(pair: Path, open_app: Any, specs: Any) -> None:
    app = open_app(pair, page="calibration", view="By activity", activity=["0", "10"])
    (chart,) = specs(app)
    assert chart["title"]["text"] == "AdaF2M2, seed 0"


def test_a_model_that_does_not_load_is_one_line(pair: Path, tmp_path: Path, open_app: Any) -> None:
    shutil.copytree(pair, tmp_path, dirs_exist_ok=True)
    (tmp_path / "planted-dcn_v2-full-s0" / "weights.safetensors").write_bytes(b"\xff" * 64)
    (error,) = open_app(tmp_path, page="gradient_share").error
    assert "weights.safetensors" in error.value.replace("\\", "")
    assert "\n" not in error.value


@pytest.mark.parametrize("table", ["table2", "table3", "table4"])
def test_without_results_the_paper_stands_alone(
    table: str, store: Path, tmp_path: Path, open_app: Any, monkeypatch: Any, text: Any
) -> None:
    monkeypatch.setenv("WORKBENCH_RESULTS", str(tmp_path))
    app = open_app(store, page="paper_tables", table=table)
    assert f"workbench reproduce {table}" in text(app) + app.code[0].value
    assert len(app.dataframe) == 1


@pytest.mark.parametrize("table", ["table2", "table4"])
def test_found_figures_come_with_uauc(
    table: str, store: Path, project_root: Path, open_app: Any
) -> None:
    path = project_root / "data" / "results" / f"{table}.json"
    cell = json.loads(path.read_text(encoding="utf-8"))["cells"][-1]
    row = open_app(store, page="paper_tables", table=table).dataframe[0].value.iloc[-1]
    assert row["test UAUC"] == cell["uauc_mean"]
    shown = [row[f"UAUC {what}"] for what in ("from", "difference", "to")]
    assert shown == [cell["uauc_ci_low"], cell["delta_uauc"], cell["uauc_ci_high"]]
    assert row["RelaImpr UAUC"] == pytest.approx(cell["delta_uauc"] / cell["base_uauc_mean"])


def test_damaged_results_are_one_line(
    store: Path, tmp_path: Path, open_app: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("WORKBENCH_RESULTS", str(tmp_path))
    for content in ("{", json.dumps({"cells": [{"model": "fm"}]}), json.dumps({"cells": 3})):
        (tmp_path / "table3.json").write_text(content)
        (error,) = open_app(store, page="paper_tables").error
        assert "table3.json" in error.value.replace("\\", "")
        assert "\n" not in error.value
