"""Panels of the adapter's weight, and the sentence about them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from tests.charts.frames import weight_rows
from workbench.charts import adapter_weights as charts
from workbench.charts import names, style


def layers(chart: Any) -> list[dict[str, Any]]:
    return list(chart.to_dict()["layer"])


def of_mark(chart: Any, mark: str) -> list[dict[str, Any]]:
    return [layer for layer in layers(chart) if layer["mark"]["type"] == mark]


def rows_of(chart: Any, layer: dict[str, Any]) -> list[dict[str, Any]]:
    spec = chart.to_dict()
    return list(spec["datasets"][(layer.get("data") or spec["data"])["name"]])


def test_features_keep_the_frames_order(weights: pd.DataFrame) -> None:
    names = [rows["feature"].iloc[0] for rows in charts.split(weights)]
    assert names == ["user_id", "age", "gender"]


def test_panels_share_both_scales(weights: pd.DataFrame) -> None:
    shared = charts.scales(weights)
    assert shared.top == 1.0  # twice the start
    domains = set()
    for rows in charts.split(weights):
        point = of_mark(charts.panel(rows, shared), "point")[0]["encoding"]
        domains.add((*point["x"]["scale"]["domain"], *point["y"]["scale"]["domain"]))
        assert point["x"]["scale"]["type"] == "symlog"
        assert point["y"]["axis"]["values"] == [0, 0.25, 0.5, 0.75, 1.0]
    assert len(domains) == 1
    low, high = next(iter(domains))[2:]
    assert low < 0 < 1.0 < high  # room for the support strip and for marks at the top


def test_the_weight_scale_widens_the_axis() -> None:
    frame = pd.DataFrame(weight_rows("user_id", (1, 1, 1, 1, 1), start=1.0))
    assert charts.scales(frame).top == 2.0


def test_weights_without_a_start_have_no_rule_and_an_axis_of_their_own(
    weights: pd.DataFrame,
) -> None:
    frame = weights.assign(start=float("nan"))
    panel = charts.panel(charts.split(frame)[0]).to_dict()
    assert "weight before training" not in json.dumps(panel)
    highest = frame.loc[frame["enough"], ["q75", "ci_high"]].max().max()
    assert charts.scales(frame).top == pytest.approx(1.05 * highest)


def test_contributions_have_an_axis_of_their_own(weights: pd.DataFrame) -> None:
    frame = weights.assign(start=float("nan"))
    shared = charts.scales(frame, "contribution")
    assert shared.top == pytest.approx(1.05 * 0.75)
    chart = charts.panel(charts.split(frame)[0], shared, quantity="contribution")
    assert "|v|" in of_mark(chart, "point")[0]["encoding"]["y"]["axis"]["title"]
    # The rule at the start belongs to the weight alone; the others are the intervals.
    assert len(of_mark(chart, "rule")) == 1


def test_median_ribbon_interval_and_start(weights: pd.DataFrame) -> None:
    chart = charts.panel(charts.split(weights)[0], variant="mask")
    area = of_mark(chart, "area")[0]
    assert (area["encoding"]["y"]["field"], area["encoding"]["y2"]["field"]) == ("q25", "q75")
    assert area["mark"]["color"] == style.COLOURS["mask"]
    interval, start = of_mark(chart, "rule")
    assert interval["encoding"]["y"]["field"] == "ci_low"
    assert interval["encoding"]["y2"]["field"] == "ci_high"
    assert rows_of(chart, start)[0]["value"] == 0.5
    assert start["mark"]["strokeDash"]


def test_support_strip_lies_under_zero_and_grows_with_users(weights: pd.DataFrame) -> None:
    chart = charts.panel(charts.split(weights)[0])
    bars = rows_of(chart, of_mark(chart, "rect")[0])
    heights = [bar["strip"] - bar["floor"] for bar in bars]
    assert all(bar["floor"] < bar["strip"] <= 0 for bar in bars)
    assert heights == sorted(heights, reverse=True)  # users fall from bin to bin
    assert [bar["left"] for bar in bars] == [0, 1, 3, 10, 100]
    assert all(bar["left"] <= bar["right"] for bar in bars)


def test_bins_with_few_users_are_grey() -> None:
    rows = weight_rows("user_id", (0.4, 0.5, 0.6, 0.7, 0.8), users=(50, 50, 50, 30, 29))
    chart = charts.panel(pd.DataFrame(rows), variant="full")
    colour = of_mark(chart, "point")[0]["encoding"]["color"]
    assert colour["condition"] == {"test": "datum.enough", "value": style.COLOURS["full"]}
    assert colour["value"] == style.TOO_FEW
    assert [row["enough"] for row in rows_of(chart, of_mark(chart, "point")[0])] == [
        True,
        True,
        True,
        True,
        False,
    ]
    # The coloured line and the ribbon stop before them.
    assert of_mark(chart, "area")[0]["transform"] == [{"filter": "datum.enough"}]


def test_chosen_range_is_a_band_within_the_axis(weights: pd.DataFrame) -> None:
    chart = charts.panel(charts.split(weights)[0], chosen=(3, 10_000))
    band = layers(chart)[0]
    assert band["mark"]["color"] == style.SLICE
    (row,) = rows_of(chart, band)
    assert row["activity"] == 3
    assert row["until"] == of_mark(chart, "point")[0]["encoding"]["x"]["scale"]["domain"][1]


def test_brush_is_named_and_only_there_when_asked_for(weights: pd.DataFrame) -> None:
    rows = charts.split(weights)[0]
    assert "params" not in charts.panel(rows).to_dict()
    (brush,) = charts.panel(rows, brush=True).to_dict()["params"]
    assert brush["name"] == names.SLICE_PARAM
    assert brush["select"]["encodings"] == ["x"]


def test_description_is_the_sentence(weights: pd.DataFrame) -> None:
    rows = charts.split(weights)[0]
    assert charts.panel(rows).to_dict()["description"] == charts.sentence(rows)
    assert charts.chart(weights).to_dict()["description"] == charts.sentence(weights)


def test_every_panel_is_drawn(weights: pd.DataFrame, svg: Any) -> None:
    drawn = svg(charts.chart(weights, chosen=(1, 9)))
    for title in ("User ID", "Age", "Gender"):
        assert f">{title}</text>" in drawn
    # Five bins in three panels, each a point with its numbers for screen readers.
    assert drawn.count('aria-roledescription="point"') == 15


def test_a_panel_is_standard_json(weights: pd.DataFrame) -> None:
    text = charts.panel(charts.split(weights)[0].assign(ci_low=float("nan"))).to_json()
    assert "NaN" not in json.dumps(json.loads(text), allow_nan=False)


def test_sentence_names_what_rises_falls_and_stays(weights: pd.DataFrame) -> None:
    text = charts.sentence(weights)
    assert "rises for User ID, falls for Age and shows no difference" in text
    assert "can show for Gender, between users with 0 training interactions" in text
    assert "from 0.400 (95% interval 0.390 to 0.410) to 0.700" in text
    assert "between users with 0 training interactions and users with 100 to 177" in text


def test_sentence_follows_the_numbers(weights: pd.DataFrame) -> None:
    flipped = weights.copy()
    user = flipped["feature"] == "user_id"
    columns = ["median", "ci_low", "ci_high"]
    flipped.loc[user, columns] = flipped.loc[user, columns].to_numpy()[::-1]
    assert "falls for User ID and Age" in charts.sentence(flipped)


def test_sentence_claims_nothing_where_intervals_overlap() -> None:
    frame = pd.DataFrame(weight_rows("user_id", (0.4, 0.4, 0.5, 0.5, 0.6), half=0.11))
    text = charts.sentence(frame)
    assert "no difference that this many users can show" in text
    assert "rises" not in text
    assert "falls" not in text


def test_sentence_leaves_thin_bins_out() -> None:
    frame = pd.DataFrame(
        weight_rows("user_id", (0.4, 0.4, 0.4, 0.4, 0.9), users=(90, 90, 90, 90, 5))
    )
    text = charts.sentence(frame)
    assert "no difference" in text
    assert "1 bin holds fewer than 30 users" in text


def test_sentence_of_thin_data_says_nothing() -> None:
    frame = pd.DataFrame(weight_rows("user_id", (0.4, 0.5, 0.6, 0.7, 0.8), users=(5,) * 5))
    assert "nothing can be said" in charts.sentence(frame)


def test_sentence_keeps_to_the_chosen_range(weights: pd.DataFrame) -> None:
    text = charts.sentence(weights, chosen=(1, 9))
    assert "users with 1 training interactions and users with 3 to 4" in text
    assert "100 to 177" not in text


def test_sentence_says_when_sure_changes_are_tiny() -> None:
    frame = pd.DataFrame(
        weight_rows("user_id", (0.5, 0.5, 0.5, 0.5, 0.505), half=0.001)
        + weight_rows("age", (0.5, 0.5, 0.5, 0.5, 0.6), half=0.001)
    )
    assert "1 of these changes is smaller than 0.01" in charts.sentence(frame)
