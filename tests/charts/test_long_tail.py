"""The concentration curve."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import long_tail


@pytest.fixture
def curve() -> pd.DataFrame:
    """5% of the users make 80% of the samples, 5% of the items 30%."""
    return pd.DataFrame(
        {
            "entity": ["user"] * 4 + ["item"] * 4,
            "rank_share": [0.0, 0.05, 0.5, 1.0] * 2,
            "sample_share": [0.0, 0.8, 0.95, 1.0, 0.0, 0.3, 0.7, 1.0],
        }
    )


def test_sentence_follows_the_numbers(curve: pd.DataFrame) -> None:
    assert long_tail.sentence(curve) == (
        "The most active 5% of users make 80% of the samples, the less active half 5%. "
        "The most active 5% of items make 30% of the samples, the less active half 30%."
    )
    text = long_tail.sentence(curve[curve["entity"] == "item"], head=0.5)
    assert text == "The most active 50% of items make 70% of the samples, the less active half 30%."


def test_head_is_read_off_between_points(curve: pd.DataFrame) -> None:
    assert long_tail.share_of_head(curve, "user", 0.025) == pytest.approx(0.4)


def test_chart(curve: pd.DataFrame, svg: Any) -> None:
    chart = long_tail.chart(curve)
    assert chart.to_dict()["description"] == long_tail.sentence(curve)
    drawn = svg(chart)
    assert ">80%</text>" in drawn
    assert ">30%</text>" in drawn
    users_only = long_tail.chart(curve[curve["entity"] == "user"]).to_dict()
    domains = [
        layer["encoding"]["color"]["scale"]["domain"]
        for layer in users_only["layer"]
        if (layer["encoding"].get("color") or {}).get("scale")
    ]
    assert domains[0] == ["user"]
