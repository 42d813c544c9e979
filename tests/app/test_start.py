"""The first page: what runs there are, and what to do about those that are not finished."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import make_fake_run
from workbench.runs import RunStore


def table_of(app: Any) -> dict[str, dict[str, str]]:
    """The written table of runs: run -> column -> text."""
    (text,) = [block.value for block in app.markdown if block.value.startswith("| run |")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    head, _, *body = rows
    return {row[0]: dict(zip(head, row, strict=True)) for row in body}


def test_start_lists_the_runs_with_their_numbers(store: Path, open_app: Any) -> None:
    table = table_of(open_app(store))
    assert set(table) == {path.name for path in store.iterdir()}
    summary = json.loads((store / "full-s1" / "summary.json").read_text())
    base = json.loads((store / "base-s1" / "summary.json").read_text())
    row = table["full-s1"]
    assert row["test AUC"] == f"{summary['test_auc']:.4f}"
    assert row["UAUC"] == f"{summary['test_uauc']:.4f}"
    assert row["variant"] == "AdaF2M2"
    # Against the baseline of its own seed, though the one of seed 0 is picked.
    assert row["RelaImpr"] == f"{100 * (summary['test_auc'] / base['test_auc'] - 1):+.2f}%"
    assert table["base-s0"]["RelaImpr"] == ""
    assert all(row["state"].endswith("finished") for row in table.values())


def test_the_table_is_short_and_says_so(
    store: Path, open_app: Any, text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.run_table.ROWS_SHOWN", 3)
    app = open_app(store)
    assert len(table_of(app)) == 3
    assert "5 older runs are on the page *All runs*" in text(app)


def test_start_links_to_every_page(store: Path, open_app: Any) -> None:
    from components.pages import PAGES

    links = [link.proto.page for link in open_app(store).get("page_link")]
    assert set(links) == {page.path for page in PAGES if page.path}
    # The tour at the foot of the page starts with the first of them.
    assert links[-1] == next(page.path for page in PAGES if page.path)


def test_start_says_what_to_do_about_unfinished_runs(
    tmp_path: Path, open_app: Any, text: Any
) -> None:
    runs = RunStore(tmp_path)
    for state in ("running", "failed", "stopped"):
        make_fake_run(runs, variant="base", name=f"{state}-run", state=state)
    make_fake_run(runs, variant="base", name="silent-run", state="running")
    status = json.loads((tmp_path / "silent-run" / "status.json").read_text())
    (tmp_path / "silent-run" / "status.json").write_text(json.dumps({**status, "heartbeat": 1.0}))
    (tmp_path / "broken-run").mkdir()
    (tmp_path / "broken-run" / "config.json").write_text("{")
    app = open_app(tmp_path)
    states = {name: row["state"].split(" ")[1] for name, row in table_of(app).items()}
    assert states == {
        "running-run": "running",
        "failed-run": "failed",
        "stopped-run": "stopped",
        "silent-run": "interrupted",
        "broken-run": "broken",
    }
    said = {
        name: next(line for line in text(app).split("\n") if line.startswith(f"**{name}**"))
        for name in states
    }
    assert "step 20 of 100" in said["running-run"]
    assert "loss is not finite at step 120" in said["failed-run"]
    for name in ("stopped-run", "silent-run", "failed-run"):
        assert f"workbench train --resume {name} --runs {tmp_path}" in said[name]
    assert "not JSON" in said["broken-run"]


def test_what_a_run_says_is_not_read_as_markdown(tmp_path: Path, open_app: Any, text: Any) -> None:
    make_fake_run(RunStore(tmp_path), variant="base", name="sly_run_", state="failed")
    path = tmp_path / "sly_run_" / "status.json"
    status = json.loads(path.read_text())
    path.write_text(json.dumps({**status, "message": "![x](https://example.org/x.png) $a$"}))
    said = text(open_app(tmp_path))
    assert "**sly\\_run\\_**" in said
    assert "!\\[x\\](https\\://example.org/x.png) \\$a\\$" in said


def test_training_curves_open_on_demand(store: Path, open_app: Any, specs: Any) -> None:
    app = open_app(store)
    assert not specs(app)
    app.session_state["curves"] = True
    app.run()
    assert not app.exception
    assert len(specs(app)) == 2


def test_the_first_page_needs_no_torch(store: Path) -> None:
    """Importing torch takes longer than all the rest of the first page together."""
    app = Path(__file__).parents[2] / "app" / "main.py"
    script = (
        "import sys\n"
        "sys.modules['torch'] = None  # every import of it fails\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(app)!r}, default_timeout=120).run()\n"
        "assert not app.exception, app.exception\n"
        "(table,) = [m.value for m in app.markdown if m.value.startswith('| run |')]\n"
        "print(len(table.splitlines()) - 2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "WORKBENCH_RUNS": str(store), "PYTHONPATH": str(app.parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "8"
