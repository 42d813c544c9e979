"""The page of the response surface: what is there, what is missing, and the way to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import make_fake_run
from workbench.lab import queue
from workbench.runs import RunStore


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are queued; nobody takes them."""
    monkeypatch.setenv("WORKBENCH_LAB_SLOTS", "1")
    monkeypatch.setattr("workbench.lab.runner.ensure_runners", lambda root: 1)


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """A base run and two cells."""
    store = RunStore(tmp_path / "runs")
    make_fake_run(store, variant="base", name="base-s0")
    for alpha in (0.2, 0.4):
        overrides = {"framework": {"variant": "full", "alpha": alpha}}
        make_fake_run(store, variant="full", name=f"full-{alpha}", overrides=overrides)
    return store


def test_the_surface_says_what_validation_chose(
    runs: RunStore, open_app: Any, specs: Any, text: Any
) -> None:
    app = open_app(runs.root, page="response_surface")
    said = text(app)
    assert "Chosen on validation\\: αk = " in said
    assert "Best on all users\\: αk = " in said
    assert "2 of 2 cells have one seed only" in said
    (chart,) = specs(app)
    assert chart["params"][0]["name"] == "cell"
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["response surface.csv"]


def test_validation_has_no_interval(runs: RunStore, open_app: Any, specs: Any) -> None:
    app = open_app(runs.root, page="response_surface", measure="valid")
    assert len(specs(app)) == 1
    assert not app.exception


def test_what_is_missing_is_queued_in_the_lab(runs: RunStore, open_app: Any, text: Any) -> None:
    app = open_app(
        runs.root,
        page="response_surface",
        surface_alpha=["0.2", "0.8"],
        surface_mask=["0.1 to 0.5", "0.3 to 0.7"],
        surface_seeds=["0"],
    )
    assert "Missing\\: 3 runs in 3 cells" in text(app)
    # Each fake run took 12 s.
    assert "About 1 min of training, 1 at a time" in text(app)
    (button,) = [b for b in app.button if b.label == "Queue these 3 runs"]
    button.click().run()
    waiting = queue.waiting(runs.root)
    assert len(waiting) == 3
    cells = {
        (run.config.framework.alpha, run.config.framework.mask_range)
        for run in map(runs.open, waiting)
    }
    assert cells == {(0.8, (0.1, 0.5)), (0.2, (0.3, 0.7)), (0.8, (0.3, 0.7))}
    assert "3 of these runs are in line" in text(app)
    assert "Every cell of this grid has its runs" in text(app)


def test_without_a_run_of_the_variant(runs: RunStore, open_app: Any, specs: Any, text: Any) -> None:
    app = open_app(runs.root, page="response_surface", surface="mask")
    assert "No finished run of Mask only" in text(app)
    assert specs(app) == []
    assert any(button.label.startswith("Queue these") for button in app.button)


def test_a_baseline_that_is_none(runs: RunStore, open_app: Any, text: Any) -> None:
    # The unmasked base of the same model stands in.
    app = open_app(runs.root, page="response_surface", base="full-0.2")
    assert "Chosen on validation" in text(app)


def test_without_runs(tmp_path: Path, open_app: Any, text: Any) -> None:
    assert "make demo" in text(open_app(tmp_path / "nothing", page="response_surface"))
