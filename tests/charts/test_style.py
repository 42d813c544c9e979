"""Colours that are seen on both themes, and axes with the ticks that are asked for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import altair as alt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.charts import names, style
from workbench.presets import METHODS

CONFIG = Path(__file__).parents[2] / "app" / ".streamlit" / "config.toml"


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def theme() -> dict[str, dict[str, str]]:
    return tomllib.loads(CONFIG.read_text())["theme"]


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("colour", [*style.COLOURS.values(), style.RULE])
def test_colours_are_seen_on_both_themes(mode: str, colour: str) -> None:
    assert contrast(colour, theme()[mode]["backgroundColor"]) >= 2.8


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_is_readable_on_both_themes(mode: str) -> None:
    own = theme()[mode]
    for background in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(own["textColor"], own[background]) >= 7


def test_the_theme_has_the_variants_colours() -> None:
    assert set(theme()["chartCategoricalColors"]) == {style.COLOURS[v] for v in names.VARIANTS}


def test_every_variant_has_its_own_colour_and_dash() -> None:
    assert set(style.COLOURS) == set(style.DASHES) == set(names.METHODS)
    assert len(set(style.COLOURS.values())) == len(names.METHODS)
    assert len({tuple(dash) for dash in style.DASHES.values()}) == len(names.METHODS)
    assert set(names.METHODS) == set(METHODS)


def test_leaving_a_variant_out_does_not_swap_colours() -> None:
    all_four = style.colour_scale(["base", "mask", "adapter", "full"]).to_dict()
    two = style.colour_scale(["full", "mask (k = 3)"]).to_dict()
    assert dict(zip(all_four["domain"], all_four["range"], strict=True))["full"] == two["range"][0]
    assert two["range"] == [style.COLOURS["full"], style.COLOURS["mask"]]
    assert style.dash_scale(["mask"]).to_dict()["range"] == [style.DASHES["mask"]]


def test_a_label_is_drawn_as_the_variant_it_starts_with() -> None:
    assert names.variant_of("mask (framework.k = 3)") == "mask"
    assert names.variant_of("something else") == "full"
    assert names.name_of("mask (framework.k = 3)") == "Mask only (framework.k = 3)"
    assert names.name_of("base", short=True) == "Base"
    assert names.name_of("dropoutnet (rival.dropoutnet.share = 0.3)").startswith("DropoutNet (")
    assert style.colour_of("ssl") == style.COLOURS["ssl"] != style.COLOURS["full"]
    assert names.name_of("something else") == "something else"


def test_activity_axis_is_symlog_with_explicit_ticks() -> None:
    axis = style.activity_axis("activity", 250, "training interactions").to_dict()
    assert axis["scale"]["type"] == "symlog"
    assert axis["axis"]["values"] == [0, 1, 3, 10, 30, 100]
    # Vega thins out explicit values where it is told fewer ticks than there are.
    assert axis["axis"]["tickCount"] >= len(axis["axis"]["values"])
    assert axis["axis"]["title"] == "training interactions"


def test_activity_axis_without_zero_is_logarithmic() -> None:
    axis = style.activity_axis("activity", 250, "x", zero=False).to_dict()
    assert axis["scale"]["type"] == "log"
    assert axis["scale"]["domain"][0] > 0
    assert 0 not in axis["axis"]["values"]


def test_long_axes_keep_powers_of_ten_only() -> None:
    assert style.activity_ticks(50_000) == [0, 1, 10, 100, 1_000, 10_000]
    assert style.activity_ticks(0) == [0, 1]


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_nice_ticks_stay_inside_and_are_evenly_spaced(top: float) -> None:
    ticks = style.nice_ticks(top)
    assert ticks[0] == 0
    assert ticks[-1] <= top * 1.001
    assert 2 <= len(ticks) <= 5
    assert ticks[1:] == pytest.approx([ticks[1] * (place + 1) for place in range(len(ticks) - 1)])


def test_nice_ticks_of_a_weight() -> None:
    assert style.nice_ticks(1.0) == [0, 0.25, 0.5, 0.75, 1.0]


def test_labels_of_thousands_are_short(svg) -> None:  # type: ignore[no-untyped-def]
    x = style.activity_axis("activity", 2_000, "x")
    drawn = svg(alt.Chart(pd.DataFrame({"activity": [0, 2_000]})).mark_point().encode(x=x))
    labels = [f">{label}</text>" for label in ("0", "1", "3", "10", "30", "100", "300", "1k")]
    assert all(label in drawn for label in labels)
