"""The recorded figures of reliability hold what was promised, and none is recorded unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import reliability


def test_what_must_hold_of_the_figures() -> None:
    figures = reliability.read()
    assert figures["kills"] >= 50
    assert figures["kills_survived"] == figures["kills"]
    assert figures["fuzz_inputs"] >= 1_000_000
    assert figures["fuzz_tracebacks"] == 0


def test_nothing_is_recorded_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reliability, "FIGURES", tmp_path / "results" / "reliability.json")
    monkeypatch.delenv("WORKBENCH_RECORD", raising=False)
    reliability.record(kills=1)
    assert not reliability.FIGURES.exists()
    monkeypatch.setenv("WORKBENCH_RECORD", "1")
    reliability.record(kills=50, other=1)
    reliability.record(kills_survived=49, other=2)
    assert json.loads(reliability.FIGURES.read_text()) == {
        "kills": 50,
        "kills_survived": 49,
        "other": 2,
    }
    assert [path.name for path in reliability.FIGURES.parent.iterdir()] == ["reliability.json"]


def test_the_table_has_a_line_per_known_figure() -> None:
    lines = reliability.table({"fuzz_inputs": 1_000_020, "kills": 50, "unknown": 3}).splitlines()
    assert lines[2] == "| `kill -9` at random moments of training | 50 |"
    assert lines[3].endswith("| 1,000,020 |")
    assert len(lines) == 4


def test_the_app_listens_to_this_machine_only(project_root: Path) -> None:
    """Both ways to start it: `make app`, and Streamlit by itself, which reads its config."""
    config = (project_root / "app/.streamlit/config.toml").read_text(encoding="utf-8")
    assert 'address = "localhost"' in config
    makefile = (project_root / "Makefile").read_text(encoding="utf-8")
    assert "--server.address=localhost" in makefile
    assert "--ServerApp.ip=localhost" in makefile
