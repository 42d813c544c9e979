"""Parallel coordinates, calibration, cost and spectrum: what is drawn, and what is said."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import calibration, cost, parallel, spectrum
from workbench.charts.style import COLOURS


def runs_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": ["a", "b", "c"],
            "variant": ["base", "full", "full"],
            "seed": [0, 0, 1],
            "training.lr": [0.001, 0.01, 0.1],
            "model.name": ["fm", "fm", "afn"],
            "valid_auc": [0.70, 0.72, 0.71],
            "seconds": [5.0, 5.0, 5.0],
        }
    )


def test_axes_place_each_run() -> None:
    data = parallel.axes(runs_frame()).set_index(["axis", "run"])
    # The learning rate spans a factor of 100, so its axis is logarithmic.
    assert data.loc[("lr", "b"), "place"] == pytest.approx(0.5)
    assert data.loc[("validation AUC", "a"), "place"] == 0
    assert data.loc[("validation AUC", "b"), "place"] == 1
    assert data.loc[("validation AUC", "c"), "place"] == pytest.approx(0.5)
    assert data.loc[("name", "c"), "text"] == "afn"
    # Seconds are the same in all runs.
    assert "seconds" not in data.index.get_level_values("axis")


def test_parallel_chart_says_which_is_best() -> None:
    chart = parallel.chart(runs_frame()).to_dict()
    assert chart["description"] == (
        "3 runs that differ in lr and name. The best validation AUC, 0.7200, has b."
    )
    marks = [layer["mark"] for layer in chart["layer"] if layer["mark"]["type"] == "text"]
    # Left of the first axis; above, below and between the ends of the others.
    assert [(mark["align"], mark.get("dy", 0)) for mark in marks] == [
        ("right", 0),
        ("left", -9),
        ("left", 10),
        ("left", -7),
    ]


def test_texts_have_every_digit_before_the_point() -> None:
    frame = runs_frame().assign(parameters=[63_651, 60_441, 1_200_000])
    data = parallel.axes(frame).set_index(["axis", "run"])["text"]
    assert list(data["parameters"]) == ["63,651", "60,441", "1,200,000"]
    assert list(data["lr"]) == ["0.001", "0.01", "0.1"]
    assert list(data["validation AUC"]) == ["0.7", "0.72", "0.71"]


def test_runs_that_are_all_alike_make_no_axis() -> None:
    frame = runs_frame().iloc[:1]
    assert parallel.axes(frame).empty


def reliability_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": "a",
            "label": "Base, seed 0",
            "variant": "base",
            "bin": [0, 1],
            "predicted": [0.2, 0.8],
            "observed": [0.21, 0.7],
            "ci_low": [0.18, 0.66],
            "ci_high": [0.24, 0.74],
            "rows": [50, 50],
            "users": [20, 20],
        }
    )


def test_reliability_names_the_worst_bin() -> None:
    frame = reliability_frame()
    assert calibration.reliability_sentence(frame) == (
        "Base, seed 0: in 1 of 2 bins the prediction lies outside the interval; farthest where it "
        "says 80% and 70% are positive."
    )
    low, high = calibration.ends(frame)
    assert low == pytest.approx(0.18 - 0.05 * 0.62)
    assert high == pytest.approx(0.80 + 0.05 * 0.62)
    assert calibration.reliability_panel(frame, low=low, high=high).to_dict()["description"]
    assert "in all 1 bins" in calibration.reliability_sentence(frame.iloc[:1])


def by_activity() -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for order, (group, users, delta, low, high) in enumerate(
        [
            ("all", 90, -0.01, -0.02, 0.001),
            ("0", 40, -0.03, -0.04, -0.02),
            ("1-2", 5, 0.2, 0.1, 0.3),
        ]
    ):
        values = {"group": group, "order": order - 1, "users": users, "rows": 2 * users}
        values |= {"label": "Mask", "variant": "mask", "model": "m", "ece": 0.05}
        values |= {"delta_ece": delta, "delta_ece_low": low, "delta_ece_high": high}
        rows.append(values | {"predicted": 0.4, "observed": 0.5})
    return pd.DataFrame(rows)


def test_differences_leave_small_buckets_out_of_the_sentence() -> None:
    text = calibration.difference_sentence(by_activity())
    assert text == (
        "Mask: expected calibration error 0.0500, -0.0100 to the base (95% interval -0.0200 to "
        "+0.0010); smaller for users with 0 training interactions, larger for none."
    )
    chart = calibration.difference_chart(by_activity()).to_dict()
    # Buckets of fewer than 30 users do not widen the axis.
    domain = chart["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert domain == pytest.approx([-1.08 * 0.04, 1.08 * 0.04])


def test_cost_is_averaged_over_the_runs_of_a_variant() -> None:
    frame = pd.DataFrame(
        {
            "run": ["a", "b"],
            "label": ["Mask, seed 0", "Mask, seed 1"],
            "variant": ["mask", "mask"],
            "cost": [1.5, 2.5],
            "delta": [0.001, 0.003],
            "ci_low": [-0.001, 0.001],
            "ci_high": [0.003, 0.005],
        }
    )
    assert cost.lift_sentences(frame) == [
        "Mask only: 2.0 times the seconds for +0.0020 AUC (2 runs; the interval leaves zero out "
        "in 1)."
    ]
    scale = cost.lift_chart(frame).to_dict()["layer"][2]["encoding"]["color"]["scale"]
    assert scale["range"] == [COLOURS["mask"]] * 2


def test_latency_is_told_relative_to_the_base() -> None:
    frame = pd.DataFrame(
        {
            "model": ["b", "f"] * 2,
            "label": ["Base", "Full"] * 2,
            "variant": ["base", "full"] * 2,
            "batch_size": [1, 1, 1000, 1000],
            "p50": [1.0, 1.2, 10.0, 11.0],
            "p99": [2.0, 2.4, 20.0, 22.0],
            "ratio": [1.0, 1.2, 1.0, 1.1],
        }
    )
    assert cost.latency_sentences(frame) == [
        "Full: median latency 1.20 times the base's at 1 sample and 1.10 times the base's at 1,000 "
        "samples."
    ]
    assert cost.latency_chart(frame).to_dict()["description"]


def test_spectrum_puts_ids_first_and_tells_ranks() -> None:
    frame = pd.DataFrame(
        {
            "run": "a",
            "label": "Base",
            "variant": "base",
            "feature": ["age", "age", "user_id", "user_id"],
            "is_id": [False, False, True, True],
            "rows": [5, 5, 90, 90],
            "dim": 2,
            "rank": [1, 2, 1, 2],
            "value": [3.0, 1.0, 2.0, 2.0],
            "share": [0.75, 0.25, 0.5, 0.5],
            "effective_rank": [1.75, 1.75, 2.0, 2.0],
        }
    )
    parts = spectrum.split(frame)
    assert [part["feature"].iloc[0] for part in parts] == ["user_id", "age"]
    assert spectrum.sentence(parts[0]) == "User ID: effective rank of 2 dimensions 2.0 (Base)."
    assert spectrum.ranks(frame).set_index("feature")["Base"].to_dict() == {
        "age": 1.75,
        "user_id": 2.0,
    }
    assert spectrum.panel(parts[1], legend=True).to_dict()["title"]["subtitle"] == "5 values"
