"""The forest plot of the 2 x 2 ablation."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import ablation


@pytest.fixture
def table() -> pd.DataFrame:
    """FM gains from everything but the mask; AFN loses from the mask."""
    rows = [
        ("fm", "mask", 0.001, -0.001, 0.003),
        ("fm", "adapter", 0.003, 0.001, 0.005),
        ("fm", "full", 0.004, 0.002, 0.006),
        ("afn", "mask", -0.004, -0.006, -0.002),
        ("afn", "adapter", 0.0, -0.002, 0.002),
        ("afn", "full", 0.001, 0.0, 0.002),
    ]
    frame = pd.DataFrame(rows, columns=["model", "variant", "delta", "ci_low", "ci_high"])
    return frame.assign(smallest_effect=0.003)


def test_sentence_names_what_excludes_zero(table: pd.DataFrame) -> None:
    assert ablation.sentence(table) == (
        "Better than its base: fm with Adapter only and fm with AdaF2M2. "
        "Worse: afn with Mask only. "
        "No difference that can be shown: 3 of 6 comparisons."
    )
    nothing = ablation.sentence(table.iloc[[0]])
    assert nothing.startswith("Better than its base: none. Worse: none.")


def test_chart(table: pd.DataFrame, svg: Any) -> None:
    chart = ablation.chart(table)
    assert chart.to_dict()["description"] == ablation.sentence(table)
    drawn = svg(chart)
    for text in ("fm", "afn", "Mask only", "Adapter only", "AdaF2M2"):
        assert f">{text}</text>" in drawn


def test_colours_do_not_move_when_a_variant_is_left_out(table: pd.DataFrame) -> None:
    drawn = ablation.chart(table[table["variant"] != "mask"]).to_dict()
    scale = drawn["layer"][2]["encoding"]["color"]["scale"]
    assert scale == {"domain": ["Adapter only", "AdaF2M2"], "range": ["#CC79A7", "#0072B2"]}
