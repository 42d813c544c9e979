"""The forest plot and its words."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.charts.frames import auc_rows
from workbench.charts import auc_by_bucket as charts
from workbench.charts import style

NAN = float("nan")


def of_mark(chart: Any, mark: str) -> list[dict[str, Any]]:
    return [layer for layer in chart.to_dict()["layer"] if layer["mark"]["type"] == mark]


def rows_of(chart: Any, layer: dict[str, Any]) -> list[dict[str, Any]]:
    spec = chart.to_dict()
    return list(spec["datasets"][(layer.get("data") or spec["data"])["name"]])


def test_rows_stand_in_order_with_all_first(auc: pd.DataFrame) -> None:
    shuffled = charts.split(auc)[0].iloc[::-1]
    point = of_mark(charts.panel(shuffled), "point")[0]
    assert point["encoding"]["y"]["sort"] == ["all", "0", "1-2", "3-9"]


def test_shared_axis_is_symmetric_and_ignores_thin_buckets(auc: pd.DataFrame) -> None:
    low, high = charts.scales(auc)
    assert low == -high
    # The widest bucket with 30 users reaches 0.03; the one with 20 users would reach 0.2.
    assert high == pytest.approx(1.08 * 0.03)
    assert of_mark(charts.panel(charts.split(auc)[0], shared=charts.Scales(low, high)), "point")[0][
        "encoding"
    ]["x"]["scale"]["domain"] == [low, high]


def test_interval_band_zero_rule_and_colours(auc: pd.DataFrame) -> None:
    chart = charts.panel(charts.split(auc)[0])
    (band,) = of_mark(chart, "bar")
    assert (band["encoding"]["x"]["field"], band["encoding"]["x2"]["field"]) == (
        "effect_low",
        "smallest_effect",
    )
    first = rows_of(chart, band)[0]
    assert first["effect_low"] == -first["smallest_effect"]
    zero, interval = of_mark(chart, "rule")
    assert rows_of(chart, zero) == [{"zero": 0.0}]
    assert (interval["encoding"]["x"]["field"], interval["encoding"]["x2"]["field"]) == (
        "ci_low",
        "ci_high",
    )
    colour = of_mark(chart, "point")[0]["encoding"]["color"]
    assert colour["condition"] == {"test": "datum.enough", "value": style.COLOURS["mask"]}
    assert colour["value"] == style.TOO_FEW


def test_support_is_written_into_every_row(auc: pd.DataFrame, svg: Any) -> None:
    drawn = svg(charts.chart(auc))
    assert drawn.count(">120 users, 480 rows, 240 positive</text>") == 4
    assert drawn.count(">260 users, 1,040 rows, 520 positive</text>") == 2


def test_single_seeds_are_ticks(auc: pd.DataFrame, seeds: pd.DataFrame, svg: Any) -> None:
    rows = charts.split(auc)[0]
    assert not of_mark(charts.panel(rows), "tick")
    chart = charts.panel(rows, seeds[seeds["group"] == "mask"])
    (ticks,) = of_mark(chart, "tick")
    assert len(rows_of(chart, ticks)) == 8
    assert ticks["encoding"]["x"]["field"] == "delta"
    svg(chart)
    assert chart.to_dict()["title"]["subtitle"] == "2 seeds"


def test_absolute_values_show_base_and_interval_of_the_difference(auc: pd.DataFrame) -> None:
    chart = charts.panel(charts.split(auc)[0], mode="absolute")
    base, new = of_mark(chart, "point")
    assert base["encoding"]["x"]["field"] == "base"
    assert base["mark"]["color"] == style.COLOURS["base"]
    assert new["encoding"]["x"]["field"] == "value"
    (interval,) = of_mark(chart, "rule")
    first = rows_of(chart, interval)[0]
    assert (first["value_low"], first["value_high"]) == pytest.approx((0.701, 0.707))
    low, high = charts.scales(auc, "absolute")
    assert low < 0.69
    assert 0.73 < high < 0.74


@pytest.mark.parametrize("metric", charts.METRICS)
def test_axis_names_the_metric(auc: pd.DataFrame, metric: str) -> None:
    title = of_mark(charts.panel(charts.split(auc)[0], metric=metric), "point")[0]["encoding"]["x"][
        "axis"
    ]["title"]
    assert title.startswith(f"difference of {charts.METRICS[metric]}")


def test_a_bucket_of_one_class_draws_no_marks(svg: Any) -> None:
    frame = pd.DataFrame(auc_rows("mask", [(0.004, 0.001, 0.007)] * 3 + [(NAN, NAN, NAN)]))
    drawn = svg(charts.panel(frame))
    assert drawn.count('aria-roledescription="point"') == 3


def test_scales_without_any_value() -> None:
    frame = pd.DataFrame(auc_rows("mask", [(NAN, NAN, NAN)] * 4))
    assert charts.scales(frame) == (-1.0, 1.0)
    assert charts.scales(frame, "absolute") == (0.0, 1.0)


def test_description_is_the_sentence(auc: pd.DataFrame) -> None:
    rows = charts.split(auc)[0]
    assert charts.panel(rows).to_dict()["description"] == charts.sentence(rows)
    assert charts.chart(auc).to_dict()["description"] == charts.sentence(auc)


def test_sentence_says_where_the_difference_is_told_from_zero(auc: pd.DataFrame) -> None:
    masked = charts.sentences(auc)[0]
    assert masked.startswith(
        "Mask only: AUC +0.0040 over all 260 users (95% interval +0.0010 to +0.0070; "
        "RelaImpr +0.57%)."
    )
    assert "it is higher at 0." in masked
    assert "lower" not in masked  # only the bucket with 20 users is, and nothing is said of it
    assert "no difference that this many users can show (a difference of 0.0140" in masked


def test_sentence_claims_nothing_where_all_intervals_hold_zero(auc: pd.DataFrame) -> None:
    full = charts.sentences(auc)[1]
    assert full.startswith("AdaF2M2: AUC +0.0010 over all 260 users")
    assert "RelaImpr +0.14%), no difference that this many users can show." in full
    assert "Every bucket shows no difference" in full
    assert "higher" not in full
    assert "lower" not in full


def test_sentence_follows_the_sign(auc: pd.DataFrame) -> None:
    worse = auc.assign(delta=-auc["delta"], ci_low=-auc["ci_high"], ci_high=-auc["ci_low"])
    assert "it is lower at 0." in charts.sentences(worse)[0]


def test_thin_buckets_are_named_once(auc: pd.DataFrame) -> None:
    text = charts.sentence(auc)
    assert text.count("fewer than 30 users") == 1
    assert "Nothing is said of 3-9 training interactions" in text


def test_users_with_one_class_are_counted(auc: pd.DataFrame) -> None:
    assert "left out of" not in charts.sentence(auc)
    text = charts.sentence(auc.assign(users_left_out=41), metric="uauc")
    assert "41 of 260 users have samples of one class only and are left out of UAUC" in text


def test_log_loss_says_that_lower_is_better(auc: pd.DataFrame) -> None:
    frame = auc.assign(rela_impr=NAN)
    text = charts.sentence(frame, metric="log_loss")
    assert "A lower log loss is better." in text
    assert "RelaImpr" not in text
    assert "A lower log loss is better." not in charts.sentence(auc)


def test_a_frame_without_groups_can_be_drawn(auc: pd.DataFrame, svg: Any) -> None:
    """Such as the AUC lost when a feature is hidden, from `insight.over_reliance`."""
    rows = charts.split(auc)[0].drop(columns=["group", "variant", "runs", "seeds"])
    chart = charts.panel(rows, title="Without user ID")
    assert chart.to_dict()["title"]["text"] == "Without user ID"
    assert "this change: AUC" in charts.sentence(rows)
    svg(chart)
