"""``kill -9`` at random moments of ``workbench tune``: the study opens and the search goes on."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import yaml

from tests.faults.conftest import Nursery
from tests.reliability import record

KILLS = int(os.environ.get("WORKBENCH_FAULTS", "3"))
TRIALS = 4
SMALL = ["--set", "data.planted.rows=1200", "--model", "fm", "--variant", "full", "--epochs", "2"]
SEARCH = [*SMALL, "--dims", "4", "--trials", str(TRIALS), "--device", "cpu"]


def test_kills_while_tuning(nursery: Nursery, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    whole = nursery.run("tune", *SEARCH, "--out", tmp_path / "whole")
    assert whole["code"] == 0, whole["said"]
    draw = random.Random(0)
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        out = tmp_path / f"cut-{rounds}"
        # A search is cut off up to three times, then left to end.
        for _ in range(min(3, KILLS - kills)):
            after = draw.uniform(0.05, whole["seconds"])
            answer = nursery.run("tune", *SEARCH, "--out", out, kill_after=after)
            kills += answer["killed"]
        ended = nursery.run("tune", *SEARCH, "--out", out)
        assert ended["code"] == 0, ended["said"]
        assert results(out) == results(tmp_path / "whole")
    print(f"{kills} kills in {rounds} searches; each ended with the result of an uncut one")
    if "WORKBENCH_FAULTS" in os.environ:
        record(tune_kills=kills, tune_kills_survived=kills)


def results(folder: Path) -> dict[str, object]:
    """The best settings of every search in a folder, by file name."""
    found = {path.name: yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")}
    assert found
    return found
