"""Real runs for the pages that ask a trained model: the demo runs, which are committed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.insight.trained import Trained, open_trained
from workbench.runs import Run

DEMO = Path(__file__).parents[2] / "data" / "demo_runs"
BASE, FULL = "planted-dcn_v2-base-s0", "planted-dcn_v2-full-s0"


@lru_cache(maxsize=4)
def trained(name: str = FULL) -> Trained:
    """A demo run's model and data; nobody changes them."""
    return open_trained(Run.read(DEMO / name))


def rows_of(chart: Any) -> pd.DataFrame:
    """The rows of a chart whose data stands in its specification."""
    import pyarrow as pa

    return pa.ipc.open_stream(chart.proto.data.data).read_pandas()


def url(app: Any) -> dict[str, list[str]]:
    """The parameters as lists, whichever form the harness keeps them in."""
    return {
        name: [value] if isinstance(value, str) else list(value)
        for name, value in app.query_params.items()
    }
