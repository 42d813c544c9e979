"""One trained run for all tests of serving."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.serving.runs import flat_table, small_config, trained
from workbench.data.sources.planted import read_planted
from workbench.runs import Run


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """FM with the whole framework."""
    return trained(tmp_path_factory.mktemp("served"), "served", small_config())


@pytest.fixture(scope="session")
def test_table(served: Run) -> pd.DataFrame:
    """Its test rows as raw values, and the logit that training wrote down for each."""
    predictions = served.table("predictions")
    raw = read_planted(served.config.data.planted)
    return flat_table(raw, predictions["sample"].to_numpy()).assign(logit=predictions["logit"])
