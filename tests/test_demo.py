"""The demo runs that ship must be the ones this code makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config import ExperimentConfig
from workbench.demo import DEMO_FOLDER, demo_runs
from workbench.insight.adapter_weights import adapter_weight_slope
from workbench.runs import Run, RunStore

LIMIT = 10_000_000
RUNS = dict(demo_runs())


@pytest.fixture(scope="module")
def shipped(project_root: Path) -> dict[str, Run]:
    return {run.name: run for run in RunStore(project_root / DEMO_FOLDER).list()}


def test_every_demo_run_is_there_and_complete(shipped: dict[str, Run]) -> None:
    assert shipped.keys() == RUNS.keys()
    for run in shipped.values():
        assert run.state == "finished", run.name
        for table in ("predictions", "norms", "importance"):
            assert len(run.table(table)) > 0


@pytest.mark.parametrize("name", RUNS)
def test_a_demo_run_has_the_config_of_the_code(shipped: dict[str, Run], name: str) -> None:
    """A changed default or a changed demo fails here until ``make demo`` was run again."""
    expected: ExperimentConfig = RUNS[name]
    framework = expected.framework.model_copy(
        update={"counts": shipped[name].config.framework.counts}
    )
    expected = expected.model_copy(update={"framework": framework})
    assert shipped[name].config == expected, "the demo runs are out of date: make demo"


def test_the_demo_runs_are_small(project_root: Path) -> None:
    files = [path for path in (project_root / DEMO_FOLDER).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LIMIT


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_shipped_full_runs_show_the_rising_weight(shipped: dict[str, Run], seed: int) -> None:
    assert adapter_weight_slope(shipped[f"planted-dcn_v2-full-s{seed}"], "user_id").low > 0
