"""How methods hold up as data get worse: difference to the base per level, one panel a method.

Frames are those of `workbench.insight.degradation.against_base`.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import style
from workbench.charts.names import name_of, variant_of
from workbench.charts.words import listing


def chart(
    frame: pd.DataFrame,
    *,
    title: str,
    versus: str = "the base",
    share: bool = False,
    columns: int = 4,
) -> alt.FacetChart:
    """One panel per method, zero is the base; bars are 95% intervals over users.

    The grey band reaches to the smallest effect that a level can show; hovering a point gives the
    users and rows behind it.

    Args:
        frame: see above; the order of its methods is that of the panels.
        title: of the x axis, with its unit.
        versus: what the difference is taken to.
        share: levels are shares from 0 to 1, else counts on an axis that is logarithmic above 1.
        columns: panels side by side.
    """
    methods = list(dict.fromkeys(frame["method"]))
    rows = frame.assign(
        name=frame["method"].map(name_of),
        undetectable_low=-frame["smallest_effect"],
        undetectable_high=frame["smallest_effect"],
    )
    levels = sorted(frame["level"].unique())
    if share:
        x = alt.X("level:Q", title=title, axis=alt.Axis(format="%", tickCount=4))
    else:
        room = alt.Scale(type="symlog", constant=1, domain=[-0.15, 1.1 * levels[-1]], nice=False)
        ticks = alt.Axis(values=levels, tickCount=len(levels), format="d", labelOverlap=False)
        x = alt.X("level:Q", title=title, scale=room, axis=ticks)
    y = alt.Y("delta:Q", title=["AUC, difference to", versus], axis=alt.Axis(format="+.2f"))
    names = [name_of(method) for method in methods]
    colours = [style.COLOURS[variant_of(method)] for method in methods]
    colour = alt.Color("name:N", scale=alt.Scale(domain=names, range=colours), legend=None)
    tooltip = [
        alt.Tooltip("name:N", title="method"),
        alt.Tooltip("level:Q", title=title),
        alt.Tooltip("base:Q", format=".4f", title="AUC of the base"),
        alt.Tooltip("delta:Q", format="+.4f"),
        alt.Tooltip("ci_low:Q", format="+.4f"),
        alt.Tooltip("ci_high:Q", format="+.4f"),
        alt.Tooltip("smallest_effect:Q", format=".4f", title="smallest effect to be seen"),
        alt.Tooltip("users:Q", format=","),
        alt.Tooltip("rows:Q", format=","),
    ]
    # All layers share one data set, which a facet needs.
    drawn = alt.Chart().encode(x=x)
    band = drawn.mark_area(color=style.FAINT, opacity=0.22, aria=False)
    layers = alt.layer(
        band.encode(y=alt.Y("undetectable_low:Q"), y2="undetectable_high:Q"),
        drawn.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(
            x=alt.value(0), x2=alt.value("width"), y=alt.datum(0)
        ),
        drawn.mark_line(strokeWidth=1, opacity=0.6, aria=False).encode(y=y, color=colour),
        drawn.mark_rule(strokeWidth=2).encode(y="ci_low:Q", y2="ci_high:Q", color=colour),
        drawn.mark_point(filled=True, size=45, opacity=1).encode(
            y=y, color=colour, tooltip=tooltip
        ),
        data=rows,
    ).properties(width=140, height=120)
    facets: alt.FacetChart = layers.facet(
        alt.Facet("name:N", sort=names, title=None), columns=columns
    ).properties(description=sentence(frame, versus))
    return facets


def sentence(frame: pd.DataFrame, versus: str = "the base") -> str:
    """Which comparisons have an interval that excludes zero, and how many users stand behind."""
    above, below = frame[frame["ci_low"] > 0], frame[frame["ci_high"] < 0]
    open_ones = len(frame) - len(above) - len(below)
    return (
        f"Better than {versus}: {_levels(above)}. Worse: {_levels(below)}. No difference that can "
        f"be shown: {open_ones} of {len(frame)} comparisons, of {frame['users'].min():,} to "
        f"{frame['users'].max():,} users each."
    )


def _levels(frame: pd.DataFrame) -> str:
    parts = [
        f"{name_of(str(method))} at {listing([f'{level:g}' for level in rows['level']], most=20)}"
        for method, rows in frame.groupby("method", sort=False)
    ]
    return "; ".join(parts) or "none"
