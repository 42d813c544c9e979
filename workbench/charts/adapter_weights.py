"""How the adapter weighs one feature as users become active: small panels, one per feature.

Frames are those of `workbench.insight.adapter_weights`, for one run: one row per feature and bin
of user activity, with the columns feature, is_id, bin, order, low, high, activity, median, q25,
q75, ci_low, ci_high, users, rows, enough, start.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from workbench.charts import names, style, words
from workbench.charts.adapter_words import QUANTITIES, sentence, split

__all__ = ["QUANTITIES", "Scales", "chart", "panel", "scales", "sentence", "split"]

STRIP = 0.17
"""Height of the support strip under the zero line, as a share of the y axis."""
HEADROOM = 1.04
"""Room above the highest value, or marks at the top would be cut in half."""
PANEL_HEIGHT = 270
"""Pixels, title and axis included where Streamlit draws it."""


class Scales(NamedTuple):
    """What all panels of a view share.

    Attributes:
        top: upper end of the y axis.
        activity: right end of the x axis.
        users: the largest bin, a full bar of the support strip.
    """

    top: float
    activity: float
    users: int


def scales(frame: pd.DataFrame, quantity: str = "weight") -> Scales:
    """Shared scales of all panels of `frame`: [0, weight_scale] for weights that are bounded."""
    start = float(frame["start"].max())
    if quantity == "weight" and math.isfinite(start):
        # The adapter starts in the middle of its range.
        top = 2 * start
    else:
        shown = frame[frame["enough"]] if frame["enough"].any() else frame
        top = 1.05 * float(shown[["q75", "ci_high"]].max().max())
    highest = float(frame["activity"].max())
    return Scales(top or 1.0, highest * 1.15 + 0.5, int(frame["users"].max()))


def panel(
    frame: pd.DataFrame,
    shared: Scales | None = None,
    *,
    variant: str = "full",
    quantity: str = "weight",
    chosen: tuple[float, float] | None = None,
    brush: bool = False,
) -> alt.LayerChart:
    """One feature against user activity.

    Median over users as a line, middle half of the users as a ribbon, 95% bootstrap interval of
    the median as a bar, the weight at the start as a dashed rule, users per bin as a strip at the
    bottom (log scale). Bins with fewer than 30 users are grey.

    Args:
        frame: rows of one feature.
        shared: from `scales` of the frame with all features; None takes this feature's own.
        variant: decides the colour.
        quantity: "weight" or "contribution".
        chosen: the reader's activity range, drawn as a band.
        brush: let the reader set that range by dragging (needs a server that listens).
    """
    shared = shared or scales(frame, quantity)
    colour = style.COLOURS[names.variant_of(variant)]
    # The data stands once, above the layers that share it.
    rows = alt.Chart()
    enough = rows.transform_filter("datum.enough")
    y_axis = alt.Axis(
        values=style.nice_ticks(shared.top),
        tickCount=10,
        format=".3~f",
        title=QUANTITIES[quantity],
    )
    y_scale = alt.Scale(domain=[-STRIP * shared.top, HEADROOM * shared.top], nice=False)
    x = style.activity_axis("activity", shared.activity, "training interactions of the user")

    def y(field: str) -> alt.Y:
        return alt.Y(field, type="quantitative", scale=y_scale, axis=y_axis)

    layers: list[alt.Chart] = [
        enough.mark_area(color=colour, opacity=0.22, aria=False, clip=True).encode(
            x=x, y=y("q25"), y2="q75"
        ),
        rows.mark_line(color=style.TOO_FEW, strokeWidth=1, aria=False, clip=True).encode(
            x=x, y=y("median")
        ),
        enough.mark_line(color=colour, strokeWidth=2, clip=True).encode(x=x, y=y("median")),
        rows.mark_rule(strokeWidth=1.5, clip=True, aria=False).encode(
            x=x, y=y("ci_low"), y2="ci_high", color=style.grey_if_few(colour)
        ),
        rows.mark_rect(opacity=0.8).encode(
            x=alt.X("left:Q"),
            x2="right",
            y=y("strip"),
            y2="floor",
            color=style.grey_if_few(style.RULE),
            tooltip=_tooltip(),
        ),
        rows.mark_point(size=30, filled=True, opacity=1, clip=True).encode(
            x=x, y=y("median"), color=style.grey_if_few(colour), tooltip=_tooltip()
        ),
    ]
    if brush:
        layers[-1] = layers[-1].add_params(style.slice_brush())
    start = float(frame["start"].iloc[0])
    if quantity == "weight" and math.isfinite(start):
        layers.append(
            style.horizontal_rule(start, f"weight before training: {start:g}").encode(y=y("value"))
        )
    if chosen is not None:
        layers.insert(0, style.slice_band(*_clip(chosen, shared.activity)))
    title = words.feature_title(str(frame["feature"].iloc[0]))
    if bool(frame["is_id"].iloc[0]):
        title = f"{title} (ID feature)" if "ID" not in title.split() else title
    return alt.LayerChart(
        data=_with_strip(frame, shared),
        layer=layers,
        title=alt.TitleParams(title, anchor="start", fontSize=13),
        height=PANEL_HEIGHT,
        description=sentence(frame, quantity=quantity, chosen=chosen),
    )


def chart(
    frame: pd.DataFrame,
    *,
    variant: str = "full",
    quantity: str = "weight",
    chosen: tuple[float, float] | None = None,
    columns: int = 3,
) -> alt.ConcatChart:
    """All features as small panels of fixed size, ID features first; for notebooks and files."""
    shared = scales(frame, quantity)
    panels = [
        panel(rows, shared, variant=variant, quantity=quantity, chosen=chosen).properties(
            width=230, height=170
        )
        for rows in split(frame)
    ]
    return alt.concat(*panels, columns=columns).properties(
        description=sentence(frame, quantity=quantity, chosen=chosen)
    )


def _with_strip(frame: pd.DataFrame, shared: Scales) -> pd.DataFrame:
    """Add the bars of the support strip: between the zero line and the bottom of the panel."""
    rows = frame.sort_values("order").reset_index(drop=True)
    share = np.log1p(rows["users"]) / np.log1p(max(shared.users, 1))
    floor = -STRIP * shared.top
    right = rows["low"].shift(-1).fillna(rows["high"]).clip(upper=shared.activity)
    return rows.assign(
        floor=floor,
        strip=floor * (1 - 0.85 * share),
        left=rows["low"].clip(upper=shared.activity),
        right=right.clip(lower=rows["low"]),
    )


def _clip(chosen: tuple[float, float], highest: float) -> tuple[float, float]:
    return min(chosen[0], highest), min(chosen[1], highest)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("bin:N", title="training interactions"),
        alt.Tooltip("median:Q", format=".3f"),
        alt.Tooltip("ci_low:Q", format=".3f", title="95% interval from"),
        alt.Tooltip("ci_high:Q", format=".3f", title="to"),
        alt.Tooltip("q25:Q", format=".3f", title="middle half from"),
        alt.Tooltip("q75:Q", format=".3f", title="to "),
        alt.Tooltip("users:Q", format=","),
        alt.Tooltip("rows:Q", format=",", title="test rows"),
    ]
