"""Norm curves, the head:tail ratio, and what is said about them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import id_norms, style


def ratios(**groups: tuple[float, float, float]) -> pd.DataFrame:
    """One run per group: (ratio, ci_low, ci_high)."""
    return pd.DataFrame(
        [
            {
                "run": f"{group}-s0",
                "group": group,
                "variant": group,
                "seed": 0,
                "feature": "user_id",
                "ratio": ratio,
                "ci_low": low,
                "ci_high": high,
            }
            for group, (ratio, low, high) in groups.items()
        ]
    )


def of_mark(chart: Any, mark: str) -> list[dict[str, Any]]:
    return [layer for layer in chart.to_dict()["layer"] if layer["mark"]["type"] == mark]


def test_panels_share_both_scales(norms: pd.DataFrame) -> None:
    shared = id_norms.scales(norms)
    assert shared.top == pytest.approx(1.05 * 1.3)
    points = [
        of_mark(id_norms.panel(rows, shared), "point")[0]["encoding"]
        for rows in id_norms.split(norms)
    ]
    assert points[0]["x"]["scale"] == points[1]["x"]["scale"]
    assert points[0]["y"]["scale"] == points[1]["y"]["scale"]
    assert points[0]["x"]["scale"]["type"] == "log"


def test_bands_line_and_initial_rule(norms: pd.DataFrame) -> None:
    masked = id_norms.split(norms)[1]
    chart = id_norms.panel(masked)
    bands = [
        (b["encoding"]["y"]["field"], b["encoding"]["y2"]["field"]) for b in of_mark(chart, "area")
    ]
    assert bands == [("p10", "p90"), ("p25", "p75")]
    (line,) = of_mark(chart, "line")
    assert line["mark"]["color"] == style.COLOURS["mask"]
    assert line["mark"]["strokeDash"] == style.DASHES["mask"]
    assert line["encoding"]["detail"]["field"] == "run"  # a line for each seed
    (rule,) = of_mark(chart, "rule")
    spec = chart.to_dict()
    assert spec["datasets"][rule["data"]["name"]][0]["value"] == 0.3


def test_title_says_the_support(norms: pd.DataFrame) -> None:
    title = id_norms.panel(id_norms.split(norms)[1]).to_dict()["title"]
    assert title["text"] == "Mask only"
    assert title["subtitle"] == "90 users, 2 runs"


def test_reference_is_a_grey_line(norms: pd.DataFrame) -> None:
    base, masked = id_norms.split(norms)
    lines = of_mark(id_norms.panel(masked, reference=base), "line")
    assert [line["mark"]["color"] for line in lines] == [
        style.COLOURS["base"],
        style.COLOURS["mask"],
    ]


def test_everything_is_drawn(norms: pd.DataFrame, svg: Any) -> None:
    drawn = svg(id_norms.chart(norms))
    assert drawn.count('aria-roledescription="point"') == len(norms)
    assert "training interactions of the user" in drawn


def test_entity_is_what_the_ids_are() -> None:
    assert id_norms.entity("user_id") == "user"
    assert id_norms.entity("music_author_id") == "music author"


def test_ratio_chart_has_a_row_per_run_and_a_rule_at_one(svg: Any) -> None:
    frame = ratios(base=(2.0, 1.8, 2.2), mask=(1.5, 1.4, 1.6))
    chart = id_norms.ratio_chart(frame)
    same, interval, point = chart.to_dict()["layer"]
    assert chart.to_dict()["datasets"][same["data"]["name"]] == [{"ratio": 1.0}]
    assert (interval["encoding"]["x"]["field"], interval["encoding"]["x2"]["field"]) == (
        "ci_low",
        "ci_high",
    )
    assert point["encoding"]["color"]["scale"] == {
        "domain": ["base", "mask"],
        "range": [style.COLOURS["base"], style.COLOURS["mask"]],
    }
    drawn = svg(chart)
    assert ">Base, seed 0</text>" in drawn
    assert ">Mask, seed 0</text>" in drawn


def test_description_is_the_sentence(norms: pd.DataFrame) -> None:
    rows = id_norms.split(norms)[0]
    assert id_norms.panel(rows).to_dict()["description"] == id_norms.curve_sentence(rows)
    frame = ratios(base=(2.0, 1.8, 2.2))
    assert id_norms.ratio_chart(frame).to_dict()["description"] == id_norms.sentence(frame)


def test_curve_sentence_gives_both_ends(norms: pd.DataFrame) -> None:
    text = id_norms.curve_sentence(id_norms.split(norms)[0])
    assert "from 0.405 for users with about 1 training" in text
    assert "to 1.005 for those with about 200" in text
    assert "before training it was 0.300" in text


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((2.0, 1.8, 2.2), "head embeddings are longer"),
        ((0.6, 0.5, 0.7), "head embeddings are shorter"),
        ((1.1, 0.9, 1.3), "no difference that this many users can show"),
    ],
)
def test_sentence_follows_the_interval(interval: tuple[float, float, float], expected: str) -> None:
    text = id_norms.sentence(ratios(base=interval))
    assert expected in text
    assert f"{interval[0]:.2f} times (95% interval {interval[1]:.2f} to {interval[2]:.2f})" in text


@pytest.mark.parametrize(
    ("masked", "expected"),
    [
        ((1.5, 1.4, 1.6), "a smaller ratio than the base's"),
        ((2.5, 2.4, 2.6), "a larger ratio than the base's"),
        ((2.1, 1.9, 2.3), "the interval overlaps the base's"),
    ],
)
def test_sentence_compares_with_the_base(masked: tuple[float, float, float], expected: str) -> None:
    assert expected in id_norms.sentence(ratios(base=(2.0, 1.8, 2.2), mask=masked))


def test_sentence_speaks_of_the_right_entities() -> None:
    text = id_norms.sentence(ratios(base=(1.1, 0.9, 1.3)), feature="artist_id")
    assert "5% of artists" in text
    assert "this many artists can show" in text


def test_sentence_of_several_seeds_spans_their_intervals() -> None:
    frame = pd.concat([ratios(base=(2.0, 1.8, 2.2)), ratios(base=(2.2, 2.0, 2.4))])
    text = id_norms.sentence(frame)
    assert "2.10 times (the 95% intervals of 2 seeds span 1.80 to 2.40)" in text


def test_sentence_without_a_ratio() -> None:
    nan = float("nan")
    assert "no ratio can be given" in id_norms.sentence(ratios(base=(nan, nan, nan)))
