"""Planted truth beside the estimate."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.charts.frames import weight_rows
from workbench.charts import planted_importance as charts

FIVE = (0, 1, 3.5, 13, 138.5)


def frame_of(
    planted: dict[str, tuple[float, float]], estimated: dict[str, tuple[float, float]]
) -> pd.DataFrame:
    """Shares from the values at the least and the most active users, linear in between."""
    importance = pd.DataFrame(
        [
            {"feature": name, "activity": activity, "importance": low + (high - low) * place / 4}
            for name, (low, high) in planted.items()
            for place, activity in enumerate(FIVE)
        ]
    )
    rows: list[dict[str, Any]] = []
    for name, (low, high) in estimated.items():
        medians = [low + (high - low) * place / 4 for place in range(5)]
        rows += weight_rows(name, medians, half=0.001)
    return charts.shares(importance, pd.DataFrame(rows))


@pytest.fixture
def frame() -> pd.DataFrame:
    """The user ID rises in both, age falls in the truth only."""
    planted = {"user_id": (0.1, 0.6), "age": (0.5, 0.1), "gender": (0.4, 0.3)}
    return frame_of(planted, {"user_id": (0.1, 0.6), "age": (0.2, 0.2), "gender": (0.3, 0.1)})


def test_shares_sum_to_one_at_every_activity(frame: pd.DataFrame) -> None:
    for kind in (charts.PLANTED, charts.ESTIMATED):
        totals = frame[frame["kind"] == kind].groupby("activity")["share"].sum()
        assert totals.tolist() == pytest.approx([1.0] * 5)


def test_share_of_an_estimate_by_hand(frame: pd.DataFrame) -> None:
    rows = frame[(frame["kind"] == charts.ESTIMATED) & (frame["feature"] == "user_id")]
    first, last = rows.iloc[0], rows.iloc[-1]
    assert first["share"] == pytest.approx(0.1 / 0.6)
    assert last["share"] == pytest.approx(0.6 / 0.9)
    assert first["ci_low"] == pytest.approx(0.099 / 0.6)


def test_only_features_that_both_know() -> None:
    one = frame_of({"user_id": (1, 1), "scene": (1, 1)}, {"user_id": (1, 1), "age": (1, 1)})
    assert set(one["feature"]) == {"user_id"}


def test_no_contribution_at_all_gives_no_share() -> None:
    none = frame_of({"user_id": (1, 1)}, {"user_id": (0, 0)})
    assert set(none["kind"]) == {charts.PLANTED}
    assert "Too few" in charts.sentence(none)


def test_agreement_is_the_rank_correlation(frame: pd.DataFrame) -> None:
    found = charts.agreement(frame)
    assert len(found) == 5
    # Least active: planted age > gender > user, estimated gender > age > user: 0.5.
    assert found[0] == pytest.approx((0, 0.5))
    # Most active: planted user > gender > age, estimated user > age > gender: 0.5.
    assert found[-1] == pytest.approx((138.5, 0.5))


def test_sentence_follows_the_numbers(frame: pd.DataFrame) -> None:
    text = charts.sentence(frame)
    assert "rank correlation +0.50 for users with about 0" in text
    assert "moves the planted way for User ID, Age and Gender and not for none" in text
    against = frame_of(
        {"user_id": (0.1, 0.6), "age": (0.5, 0.1), "gender": (0.4, 0.3)},
        {"user_id": (0.6, 0.1), "age": (0.2, 0.5), "gender": (0.2, 0.4)},
    )
    assert "for none and not for User ID, Age and Gender" in charts.sentence(against)


def test_a_flat_truth_is_not_counted() -> None:
    flat = frame_of(
        {"a_id": (0.2, 0.2), "b": (0.3, 0.3), "c": (0.5, 0.5)},
        {"a_id": (0.1, 0.5), "b": (0.3, 0.3), "c": (0.5, 0.5)},
    )
    assert "With activity the estimate" not in charts.sentence(flat)


def test_panel_shows_both_curves(frame: pd.DataFrame, svg: Any) -> None:
    chart = charts.panel(charts.split(frame)[0], top=charts.scale_top(frame))
    line = next(layer for layer in chart.to_dict()["layer"] if layer["mark"]["type"] == "line")
    assert line["encoding"]["color"]["scale"]["domain"] == [charts.PLANTED, charts.ESTIMATED]
    assert line["encoding"]["strokeDash"]["scale"]["range"][0] != [1, 0]
    assert line["encoding"]["y"]["axis"]["format"] == "%"
    assert "planted from 10% to 60%, estimated" not in chart.description
    assert "planted from 10% to 60% and estimated from 17% to 67%" in chart.description
    drawn = svg(charts.chart(frame))
    assert drawn.count('aria-roledescription="point"') == len(frame)
