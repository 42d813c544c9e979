"""How charts tell picked runs apart: colour and dash by variant, shape by run.

Frames hold `label` (what people read) and `variant` for every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from workbench.charts import style
from workbench.charts.names import variant_of

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")


def labels(frame: pd.DataFrame) -> list[str]:
    """The runs of a frame, in its order."""
    return list(dict.fromkeys(frame["label"]))


def colour(frame: pd.DataFrame, *, legend: bool = True) -> alt.Color:
    """A colour per run, that of its variant."""
    box = None
    if legend:
        # No outline: the dash pattern of a line would fray the symbols.
        box = alt.Legend(
            title=None,
            orient="top",
            columns=2,
            labelLimit=260,
            symbolStrokeWidth=0,
            symbolOpacity=1,
        )
    return alt.Color("label:N", scale=_scale(frame, style.COLOURS), legend=box)


def dash(frame: pd.DataFrame) -> alt.StrokeDash:
    """A dash pattern per run, that of its variant."""
    return alt.StrokeDash("label:N", scale=_scale(frame, style.DASHES), legend=None)


def shape(frame: pd.DataFrame) -> alt.Shape:
    """A shape per run, which tells two seeds of one variant apart."""
    names = labels(frame)
    shapes = [SHAPES[place % len(SHAPES)] for place in range(len(names))]
    return alt.Shape("label:N", scale=alt.Scale(domain=names, range=shapes), legend=None)


def y_offset(frame: pd.DataFrame) -> alt.YOffset:
    """The runs one below the other within a row."""
    names = labels(frame)
    return alt.YOffset("label:N", sort=names, scale=alt.Scale(domain=names))


def x_offset(frame: pd.DataFrame) -> alt.XOffset:
    """The runs side by side within a column."""
    names = labels(frame)
    return alt.XOffset("label:N", sort=names, scale=alt.Scale(domain=names))


def _scale(frame: pd.DataFrame, looks: Mapping[str, Any]) -> alt.Scale:
    variants = dict(zip(frame["label"], frame["variant"], strict=True))
    shown = [looks[variant_of(str(variants[name]))] for name in labels(frame)]
    return alt.Scale(domain=labels(frame), range=shown)
