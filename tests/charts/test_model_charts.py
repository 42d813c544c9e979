"""Charts of what trained models answer: they can be drawn, and their sentences say what is true."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert

from tests.charts import model_frames as frames
from workbench.charts import cold_start, mask_copies, robustness, style, what_if
from workbench.charts.refill import refilled

BEFORE = frames.PARTS["state"] == "as it is"
CHARTS: dict[str, Callable[[], alt.LayerChart]] = {
    "weights": lambda: what_if.weights_chart(frames.WEIGHTS),
    "weights, base": lambda: what_if.weights_chart(
        frames.WEIGHTS.assign(weight=1.0, start=np.nan), variant="base"
    ),
    "waterfall": lambda: what_if.waterfall(frames.PARTS),
    "waterfall, one state": lambda: what_if.waterfall(frames.PARTS[BEFORE], variant="base"),
    "cold weights": lambda: cold_start.weight_panel(frames.COLD_WEIGHTS, 1),
    "overlap": lambda: cold_start.overlap_chart(frames.OVERLAP, 1),
    "reliance": lambda: robustness.reliance_chart(frames.LOSSES),
    "gini": lambda: robustness.gini_chart(frames.GINIS),
    "buckets": lambda: robustness.bucket_chart(frames.BUCKETS, "user_id"),
    "shares": lambda: robustness.share_chart(frames.SHARES, what="share"),
    "share differences": lambda: robustness.share_chart(frames.SHARES, mode="delta", what="share"),
    "strip": lambda: mask_copies.strip(frames.CELLS, frames.COPIES),
    "predictions": lambda: mask_copies.predictions(frames.COPIES, 0.6, 0.7, "full"),
    "predictions, base": lambda: mask_copies.predictions(frames.COPIES, 0.6, None, "base"),
    "distribution": lambda: mask_copies.distribution(frames.DRAWS, 0.5, 0.6, "full"),
    "effects": lambda: mask_copies.effects(frames.EFFECTS),
}


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_can_be_drawn_and_says_what_it_shows(name: str) -> None:
    chart = CHARTS[name]()
    spec = chart.to_dict()
    svg = vl_convert.vegalite_to_svg(json.dumps(spec))
    assert svg.startswith("<svg")
    assert "NaN" not in svg.replace('aria-label="', "")
    assert len(spec["description"]) > 20


def domains(spec: dict[str, Any], channel: str = "color") -> list[tuple[list[str], list[str]]]:
    found = [layer["encoding"].get(channel, {}).get("scale") for layer in spec["layer"]]
    return [(scale["domain"], scale["range"]) for scale in found if scale]


@pytest.mark.parametrize("name", ["reliance", "gini", "buckets", "shares", "overlap"])
def test_a_run_has_the_colour_of_its_variant(name: str) -> None:
    names, colours = domains(CHARTS[name]().to_dict())[0]
    assert names == ["Base, seed 0", "AdaF2M2, seed 0"]
    assert colours == [style.COLOURS["base"], style.COLOURS["full"]]


def test_before_and_after_differ_for_every_variant() -> None:
    for variant in style.COLOURS:
        spec = what_if.waterfall(frames.PARTS, variant=variant).to_dict()
        names, colours = domains(spec)[0]
        assert names == ["as it is", "edited"]
        assert colours[1] == style.COLOURS[variant]
        assert colours[0] != colours[1]


def test_weights_in_words() -> None:
    said = what_if.weights_sentence(frames.WEIGHTS)
    assert said == "1 weight of 2 changes: User ID 0.400 to 0.700."
    before = frames.WEIGHTS[frames.WEIGHTS["state"] == "as it is"]
    assert what_if.weights_sentence(before) == (
        "The largest weight is that of Age (0.600), the smallest that of User ID (0.400); before "
        "training all were 0.5."
    )
    same = pd.concat([before, before.assign(state="edited")])
    assert what_if.weights_sentence(same) == "No weight changes."
    assert "no adapter" in what_if.weights_sentence(before.assign(start=np.nan))


def test_the_waterfall_in_words() -> None:
    # sigmoid(0.75) = 0.679, sigmoid(0) = 0.5.
    assert what_if.waterfall_sentence(frames.PARTS) == (
        "The logit falls from 0.75 (67.9%) to 0.00 (50.0%). What moves: User ID -0.80 and State "
        "counts +0.05."
    )
    alone = what_if.waterfall_sentence(frames.PARTS[BEFORE])
    assert alone == (
        "The logit is 0.75, a probability of 67.9%; with nothing known it would be -0.50. Largest "
        "parts: User ID +1.00 and State counts +0.25."
    )


def test_the_axis_of_a_waterfall_leaves_room() -> None:
    low, high = what_if.domain_of(frames.PARTS)
    assert low <= -0.55
    assert high >= 0.85
    assert (low * 4, high * 4) == (round(low * 4), round(high * 4))


def test_other_rows_in_the_same_chart() -> None:
    spec = what_if.waterfall(frames.PARTS).to_dict()
    rows = what_if.waterfall_rows(frames.PARTS.assign(value=0.125))
    other = refilled(spec, rows, "other")
    assert [row["value"] for row in other["data"]["values"]] == [0.125] * 8
    assert other["description"] == "other"
    assert other["layer"] == spec["layer"]
    assert vl_convert.vegalite_to_svg(json.dumps(other)).startswith("<svg")
    assert "values" not in spec["data"]


def test_cold_start_in_words() -> None:
    assert cold_start.weight_sentence(frames.COLD_WEIGHTS) == (
        "Weight of User ID: Base, seed 0 from 0.300 at 0 to 0.500 at 10 training samples; "
        "AdaF2M2, seed 0 from 0.500 at 0 to 0.700 at 10 training samples."
    )
    assert cold_start.overlap_sentence(frames.OVERLAP) == (
        "Of the list with the whole history are there already: Base, seed 0: 2 of 10 without any "
        "history; AdaF2M2, seed 0: 4 of 10 without any history, all 10 at 10 samples."
    )


def test_reliance_in_words() -> None:
    assert (
        "Base, seed 0 loses most without Genre: +0.0300 AUC (95% interval +0.0200 to +0.0400)"
        in (robustness.reliance_sentence(frames.LOSSES))
    )
    assert "AdaF2M2, seed 0: 0.50 (95% interval 0.30 to 0.60)" in robustness.gini_sentence(
        frames.GINIS
    )


def test_buckets_with_few_users_are_not_spoken_of() -> None:
    said = robustness.bucket_sentence(frames.BUCKETS, "user_id")
    assert "30-99" not in said
    assert "Base, seed 0 loses at 1-2 training interactions, most at 1-2: +0.0200 AUC" in said
    nothing = frames.BUCKETS.assign(ci_low=-0.1)
    assert "no difference that this many users can show in any bucket" in (
        robustness.bucket_sentence(nothing, "user_id")
    )
    assert "too few users" in robustness.bucket_sentence(frames.BUCKETS.assign(users=3), "user_id")


def test_shares_in_words() -> None:
    said = robustness.share_sentence(frames.SHARES)
    assert said.startswith("AUC at 50%. Base, seed 0: 0.7000, -0.0500 since 0%; AdaF2M2")
    assert "+0.0300 to the baseline (95% interval +0.0200 to +0.0400)" in said


def test_the_mask_in_words() -> None:
    assert mask_copies.strip_sentence(frames.CELLS, frames.COPIES) == (
        "2 copies, 0.5 of 2 features masked on average: copy 1 hides User ID; copy 2 hides nothing."
    )
    assert mask_copies.predictions_sentence(frames.COPIES, 0.6, 0.7) == (
        "The copies are predicted at 50.0% to 73.1%, the sample itself at 60.0% by the base model "
        "and at 70.0% with the adapter."
    )
    assert mask_copies.distribution_sentence(frames.DRAWS, 0.5).startswith(
        "Of 4 copies half are predicted above 40.0%"
    )
    assert "25% lie above the unmasked sample (50.0%)" in (
        mask_copies.distribution_sentence(frames.DRAWS, 0.5)
    )
    assert mask_copies.effects_sentence(frames.EFFECTS) == (
        "Hiding moves the mean logit for User ID -0.50 (95% interval -0.60 to -0.40)."
    )
    unknown = frames.EFFECTS.assign(ci_low=np.nan)
    assert "every copy masks the same" in mask_copies.effects_sentence(unknown)
