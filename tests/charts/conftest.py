"""Frames whose message is known, and a way to draw a chart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import vl_convert

from tests.charts.frames import auc_rows, weight_rows


@pytest.fixture
def weights() -> pd.DataFrame:
    """The user ID rises, age falls, gender stays."""
    return pd.DataFrame(
        weight_rows("user_id", (0.40, 0.45, 0.50, 0.60, 0.70))
        + weight_rows("age", (0.60, 0.58, 0.55, 0.52, 0.50))
        + weight_rows("gender", (0.50, 0.50, 0.51, 0.50, 0.505))
    )


@pytest.fixture
def auc() -> pd.DataFrame:
    """Masking helps new users; the full framework shows nothing anywhere."""
    nothing = [(0.001, -0.001, 0.003)] * 4
    return pd.DataFrame(
        auc_rows(
            "mask",
            [(0.004, 0.001, 0.007), (0.02, 0.01, 0.03), (0.0, -0.01, 0.01), (-0.1, -0.2, -0.01)],
        )
        + auc_rows("full", nothing)
    )


@pytest.fixture
def seeds(auc: pd.DataFrame) -> pd.DataFrame:
    """Two seeds per row of `auc`, 0.001 to both sides."""
    frames = [
        auc[["group", "variant", "bucket", "order"]].assign(
            run=f"run-{seed}", seed=seed, delta=auc["delta"] + shift
        )
        for seed, shift in ((0, -0.001), (1, 0.001))
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def norms() -> pd.DataFrame:
    """Base and mask, two seeds each, three deciles; head norms are longer."""
    records = []
    for variant, lift in (("base", 0.0), ("mask", 0.2)):
        for seed in (0, 1):
            for decile, activity, norm in ((1, 1, 0.4), (5, 10, 0.6), (10, 200, 1.0)):
                records.append(
                    {
                        "run": f"{variant}-s{seed}",
                        "variant": variant,
                        "seed": seed,
                        "feature": "user_id",
                        "decile": decile,
                        "activity": activity,
                        "median": norm + lift + 0.01 * seed,
                        "p10": norm + lift - 0.1,
                        "p25": norm + lift - 0.05,
                        "p75": norm + lift + 0.05,
                        "p90": norm + lift + 0.1,
                        "entities": 30,
                        "initial": 0.3,
                        "group": variant,
                    }
                )
    return pd.DataFrame(records)


@pytest.fixture
def svg() -> Callable[[Any], str]:
    """Draw a chart: a specification that Vega-Lite does not understand fails here."""

    def draw(chart: Any) -> str:
        return str(vl_convert.vegalite_to_svg(chart.to_json()))

    return draw
