"""The heat map of the adapter's weight."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import adapter_heatmap, style


@pytest.fixture
def cells() -> pd.DataFrame:
    """Four cells; the strongest has too few users."""
    return pd.DataFrame(
        {
            "user_bucket": ["0", "0", "10-29", "10-29"],
            "user_order": [0, 0, 3, 3],
            "item_bucket": ["1-2", "3-9", "1-2", "3-9"],
            "item_order": [1, 2, 1, 2],
            "weight": [0.40, 0.45, 0.60, 0.99],
            "rows": [300, 200, 100, 12],
            "users": [90, 80, 40, 8],
        }
    )


def test_buckets_keep_their_order(cells: pd.DataFrame) -> None:
    spec = adapter_heatmap.chart(cells, feature="user_id", start=0.5).to_dict()
    encoding = spec["layer"][0]["encoding"]
    assert encoding["x"]["sort"] == ["1-2", "3-9"]
    assert encoding["y"]["sort"] == ["10-29", "0"]  # the most active on top
    assert encoding["x"]["axis"]["title"] == "training interactions of the item"
    assert encoding["y"]["axis"]["title"] == "training interactions of the user"


def test_colours_reach_equally_far_from_the_start(cells: pd.DataFrame) -> None:
    spec = adapter_heatmap.chart(cells, feature="user_id", start=0.5).to_dict()
    low, middle, high = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert middle == 0.5
    assert (low, high) == pytest.approx((0.4, 0.6))  # the thin cell with 0.99 does not count


def test_contributions_start_at_zero(cells: pd.DataFrame) -> None:
    spec = adapter_heatmap.chart(cells, feature="user_id", quantity="contribution").to_dict()
    assert spec["layer"][0]["encoding"]["color"]["scale"]["domain"][0] == 0


def test_thin_cells_are_grey(cells: pd.DataFrame, svg: Any) -> None:
    chart = adapter_heatmap.chart(cells, feature="user_id", start=0.5)
    cell, few, _ = chart.to_dict()["layer"]
    assert cell["transform"] == [{"filter": "datum.enough"}]
    assert few["transform"] == [{"filter": "!datum.enough"}]
    assert few["mark"]["color"] == style.TOO_FEW
    drawn = svg(chart)
    assert all(f">{value}</text>" in drawn for value in ("0.40", "0.45", "0.60", "0.99"))


def test_sentence_names_the_ends_with_their_support(cells: pd.DataFrame) -> None:
    text = adapter_heatmap.sentence(cells, feature="user_id")
    assert "largest, 0.600 for users with 10-29 and items with 1-2" in text
    assert "smallest, 0.400 for users with 0 and items with 1-2" in text
    assert "(100 rows)" in text
    assert "1 cell has fewer than 30 users" in text
    swapped = cells.assign(weight=[0.60, 0.45, 0.40, 0.99])
    assert "largest, 0.600 for users with 0" in adapter_heatmap.sentence(swapped, feature="age")


def test_sentence_without_support_says_nothing(cells: pd.DataFrame) -> None:
    text = adapter_heatmap.sentence(cells.assign(users=3), feature="user_id")
    assert "nothing can be said" in text
    assert "4 cells have fewer than 30 users" in text
