"""Colours, dashes, axes and widths that all charts share.

A colour stands for a training variant everywhere; the dash pattern says the same to readers who
cannot tell the colours apart. All colours keep at least 2.8:1 contrast on white and on the dark
theme's background (a test computes it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd

from workbench.charts.names import SLICE_PARAM, variant_of

COLOURS = {
    "base": "#999999",
    "mask": "#D55E00",
    "adapter": "#CC79A7",
    "full": "#0072B2",
    "dropoutnet": "#009E73",
    "embedding_dropout": "#A6761D",
    "senet": "#7E6BC4",
    "gate": "#8C8C00",
    "ssl": "#2A9DB5",
}
DASHES = {
    "base": [6, 3],
    "mask": [2, 2],
    "adapter": [8, 2, 2, 2],
    "full": [1, 0],
    "dropoutnet": [10, 4],
    "embedding_dropout": [4, 4],
    "senet": [8, 2, 2, 2, 2, 2],
    "gate": [12, 3, 3, 3],
    "ssl": [1, 2],
}

# Neither black nor white: rules and notes must be seen on both themes.
RULE = "#808080"
FAINT = "#A6A6A6"
# Marks of bins with too few users to be read.
TOO_FEW = "#A6A6A6"
SLICE = "#F0A202"

TICKS = (0, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
COUNT_LABEL = "datum.value >= 1000 ? format(datum.value / 1000, ',') + 'k' : datum.label"
ENOUGH_USERS = 30
"""A bin with fewer users is drawn in grey and left out of sentences."""


def colour_of(label: str) -> str:
    """The colour of the variant or rival that a label starts with."""
    return COLOURS[variant_of(label)]


def colour_scale(labels: Sequence[str]) -> alt.Scale:
    """A colour for each label, fixed by its variant: leaving a run out never swaps colours."""
    return alt.Scale(domain=list(labels), range=[colour_of(label) for label in labels])


def run_scale(frame: pd.DataFrame) -> alt.Scale:
    """A colour for each `label` of a frame of runs, by the run's `variant`."""
    runs = frame.drop_duplicates("label")
    colours = [COLOURS[variant_of(str(variant))] for variant in runs["variant"]]
    return alt.Scale(domain=list(runs["label"]), range=colours)


def dash_scale(labels: Sequence[str]) -> alt.Scale:
    """A dash pattern for each label, fixed by its variant."""
    return alt.Scale(domain=list(labels), range=[DASHES[variant_of(label)] for label in labels])


def activity_ticks(highest: float) -> list[int]:
    """The ticks of a log-like axis that ends at `highest`; long axes keep the powers of ten."""
    ticks = [tick for tick in TICKS if tick <= max(highest, 1)]
    return ticks if highest < 3_000 else [tick for tick in ticks if not str(tick).startswith("3")]


def activity_axis(
    field: str, highest: float, title: str, *, grid: bool = True, zero: bool = True
) -> alt.X:
    """An x channel over counts: linear near 0, logarithmic above (symlog), with explicit ticks.

    Args:
        field: the column.
        highest: the right end of the axis.
        title: with its unit.
        grid: draw vertical grid lines.
        zero: False starts a plain log axis at 1, for counts that are never 0.
    """
    ticks = activity_ticks(highest)
    # A little room on the left, or the marks at 0 would be cut in half.
    scale = alt.Scale(type="symlog", constant=1, domain=[-0.2, max(highest, 1)], nice=False)
    if not zero:
        ticks = ticks[1:]
        scale = alt.Scale(type="log", domain=[0.85, max(highest, 2)], nice=False)
    # A tick count as large as the list, or Vega drops every other value on a narrow chart.
    axis = alt.Axis(
        values=ticks,
        tickCount=len(TICKS),
        labelExpr=COUNT_LABEL,
        labelOverlap=False,
        labelFlush=False,
        grid=grid,
        title=title,
    )
    return alt.X(field, type="quantitative", scale=scale, axis=axis)


def grey_if_few(colour: str) -> alt.ColorValue:
    """The colour where ``enough`` holds, grey where a bin has too few users to be read."""
    # Written out: `alt.when` is checked against the whole schema each time, ten times as slow.
    return alt.ColorValue(TOO_FEW, condition={"test": "datum.enough", "value": colour})


def nice_ticks(top: float, steps: int = 4) -> list[float]:
    """Round values from 0 up to at most `top`, about `steps` of them."""
    rough = top / steps
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= 0.999 * rough)
    return [round(step * position, 12) for position in range(int(top / step * 1.001) + 1)]


def slice_band(low: float, high: float) -> alt.Chart:
    """A band behind a chart that marks the activity range which the reader has chosen."""
    frame = pd.DataFrame({"activity": [low], "until": [high]})
    marks: alt.Chart = alt.Chart(frame).mark_rect(color=SLICE, opacity=0.13, aria=False)
    return marks.encode(x=alt.X("activity:Q"), x2="until")


def slice_brush() -> alt.Parameter:
    """The brush over the activity axis that sets the reader's range."""
    return alt.selection_interval(
        name=SLICE_PARAM, encodings=["x"], mark=alt.BrushConfig(fill=SLICE, fillOpacity=0.2)
    )


def horizontal_rule(value: float, note: str, colour: str = RULE) -> alt.Chart:
    """A dashed rule at `value` that shows `note` on hover."""
    frame = pd.DataFrame({"value": [value], "note": [note]})
    rule: alt.Chart = alt.Chart(frame).mark_rule(color=colour, strokeDash=[4, 3], strokeWidth=1.2)
    return rule.encode(y="value:Q", tooltip=alt.Tooltip("note:N", title=" "))
