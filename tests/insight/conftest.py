"""Runs that several insight tests read; none of them writes into these."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fake_runs import make_fake_run
from workbench.runs import Run, RunStore


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Run]:
    store = RunStore(tmp_path_factory.mktemp("runs"))
    return {
        (variant, seed): make_fake_run(store, variant=variant, seed=seed)
        for variant in ("base", "mask", "full")
        for seed in (0, 1)
    }


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)
