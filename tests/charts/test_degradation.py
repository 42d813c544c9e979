"""Differences to the base over levels of trouble."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import degradation


@pytest.fixture
def curves() -> pd.DataFrame:
    """DropoutNet helps users without rows; the adapter loses where there are many."""
    rows = [
        ("adapter", 0.0, 0.001, -0.001, 0.003, 300),
        ("adapter", 50.0, -0.004, -0.006, -0.002, 120),
        ("dropoutnet", 0.0, 0.010, 0.006, 0.014, 300),
        ("dropoutnet", 50.0, 0.0, -0.002, 0.002, 120),
    ]
    frame = pd.DataFrame(rows, columns=["method", "level", "delta", "ci_low", "ci_high", "users"])
    return frame.assign(base=0.7, value=frame["delta"] + 0.7, rows=1000, smallest_effect=0.003)


def test_sentence_names_methods_levels_and_users(curves: pd.DataFrame) -> None:
    assert degradation.sentence(curves) == (
        "Better than the base: DropoutNet at 0. Worse: Adapter only at 50. "
        "No difference that can be shown: 2 of 4 comparisons, of 120 to 300 users each."
    )
    nothing = degradation.sentence(curves.iloc[[0]], "shown as new")
    assert nothing.startswith("Better than shown as new: none. Worse: none.")


def test_counts_have_ticks_at_their_levels(curves: pd.DataFrame, svg: Any) -> None:
    chart = degradation.chart(curves, title="rows kept")
    assert chart.to_dict()["description"] == degradation.sentence(curves)
    drawn = svg(chart)
    for text in ("DropoutNet", "Adapter only", "rows kept", "50"):
        assert f">{text}</text>" in drawn
    x = chart.to_dict()["spec"]["layer"][0]["encoding"]["x"]
    assert x["axis"]["values"] == [0.0, 50.0]
    assert x["scale"]["type"] == "symlog"


def test_shares_are_percentages(curves: pd.DataFrame, svg: Any) -> None:
    drawn = svg(
        degradation.chart(curves.assign(level=curves["level"] / 100), title="q", share=True)
    )
    assert ">50%</text>" in drawn


def test_every_mark_is_drawn(curves: pd.DataFrame, svg: Any) -> None:
    drawn = svg(degradation.chart(curves, title="rows kept"))
    # Points are read by their label: difference and interval of every method and level.
    assert drawn.count('aria-roledescription="point"') == 4
    assert drawn.count('aria-roledescription="rule mark"') >= 4


def test_a_method_has_its_colour_whatever_is_beside_it(curves: pd.DataFrame) -> None:
    alone = curves[curves["method"] == "dropoutnet"]
    for frame in (curves, alone):
        layers = degradation.chart(frame, title="rows").to_dict()["spec"]["layer"]
        scale = next(
            layer["encoding"]["color"]["scale"] for layer in layers if "color" in layer["encoding"]
        )
        assert scale["range"][scale["domain"].index("DropoutNet")] == "#009E73"
