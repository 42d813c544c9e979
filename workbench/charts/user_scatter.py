"""Single users by activity and by the norm of their ID's vector: one point each.

Frames are those of `workbench.insight.user_scatter.user_scatter`.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import style, words
from workbench.charts.names import variant_of

HEIGHT = 320


def chart(
    frame: pd.DataFrame, correlation: pd.Series, *, variant: str = "full", code: int | None = None
) -> alt.LayerChart:
    """A point per user; there is no interval, because a point is one user and no estimate.

    Args:
        frame, correlation: of the insight.
        variant: decides the colour.
        code: the user that the reader looks at, drawn with a ring.
    """
    highest = 1.15 * float(frame["activity"].max())
    x = style.activity_axis(
        "activity", highest, "training interactions of the user (log scale)", zero=False
    )
    top = 1.05 * float(frame["norm"].max()) or 1.0
    y = alt.Y(
        "norm:Q",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(title="norm of the user ID's vector", tickCount=5),
    )
    tooltip = [
        alt.Tooltip("code:Q", title="user"),
        alt.Tooltip("activity:Q", format=",", title="training interactions"),
        alt.Tooltip("norm:Q", format=".3f"),
    ]
    rows = alt.Chart(frame).encode(x=x, y=y)
    points = rows.mark_point(
        filled=True, size=40, opacity=0.55, color=style.COLOURS[variant_of(variant)]
    ).encode(tooltip=tooltip)
    layers: list[alt.Chart] = [points]
    if code is not None:
        own = rows.transform_filter(f"datum.code == {int(code)}")
        layers.append(
            own.mark_point(size=160, color=style.SLICE, strokeWidth=3, aria=False).encode(x=x, y=y)
        )
    return alt.LayerChart(layer=layers).properties(
        height=HEIGHT, description=sentence(frame, correlation)
    )


def sentence(frame: pd.DataFrame, correlation: pd.Series) -> str:
    """How activity and norm go together over all users, and how many are drawn."""
    users = int(correlation["users"])
    value = words.signed(float(correlation["correlation"]), 2)
    ends = words.interval(correlation["ci_low"], correlation["ci_high"], 2, sign=True)
    drawn = "all are" if len(frame) == users else f"{len(frame):,} are"
    return (
        f"Rank correlation of activity and norm over {words.count(users, 'user')}: {value} ({ends})"
        f"; {drawn} drawn."
    )
