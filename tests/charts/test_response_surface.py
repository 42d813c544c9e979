"""The heat map and what it says about its optimum."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import response_surface
from workbench.insight.response_surface import Optimum

OPTIMUM = {"aux_weight": Optimum(0.4, 0.2, 0.4), "mask_mean": Optimum(0.3, 0.3, 0.3)}


@pytest.fixture
def surface() -> pd.DataFrame:
    rows = [(0.2, 0.1, 0.5, -0.0012, 0.4), (0.4, 0.1, 0.5, 0.0021, 0.6)]
    frame = pd.DataFrame(rows, columns=["aux_weight", "mask_low", "mask_high", "delta", "wins"])
    return frame.assign(value=0.7 + frame["delta"], ci_low=-0.003, ci_high=0.004)


def test_sentence_says_how_sure_the_optimum_is(surface: pd.DataFrame) -> None:
    assert response_surface.sentence(surface, OPTIMUM) == (
        "Best on all users: αk = 0.4 with mask range 0.1 to 0.5, +0.0021 AUC to the base. "
        "It cannot be told from others: it is the best in 60% of the draws. "
        "95% of the best settings have αk between 0.2 and 0.4 and mask a feature with a mean "
        "probability between 0.3 and 0.3."
    )
    sure = surface.assign(wins=[0.0, 1.0])
    assert "It is the best in 100% of the draws." in response_surface.sentence(sure, OPTIMUM)


def test_chart(surface: pd.DataFrame, svg: Any) -> None:
    chart = response_surface.chart(surface, OPTIMUM)
    assert chart.to_dict()["description"] == response_surface.sentence(surface, OPTIMUM)
    drawn = svg(chart)
    for text in ("+0.0021", "-0.0012", "best in 60%", "0.1 to 0.5"):
        assert f">{text}</text>" in drawn.replace("−", "-")


def test_colours_are_neutral_at_the_base(surface: pd.DataFrame) -> None:
    drawn = response_surface.chart(surface, OPTIMUM).to_dict()
    scale = drawn["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == [-0.0021, 0, 0.0021]
    assert scale["range"][1] == "#F7F7F7"
