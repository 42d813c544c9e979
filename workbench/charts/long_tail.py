"""The long tail: which share of the samples the most active users and items make.

Frames are those of `workbench.insight.over_reliance.long_tail`: entity ("user" or "item"),
rank_share (most active first) and sample_share, both 0 to 1.
"""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from workbench.charts import style

HEAD = 0.05
ENTITIES = ("user", "item")
COLOURS = {"user": style.COLOURS["full"], "item": style.COLOURS["mask"]}
DASHES = {"user": [1, 0], "item": [6, 3]}


def chart(frame: pd.DataFrame, *, head: float = HEAD) -> alt.LayerChart:
    """Concentration curves; a rule marks the head, the diagonal is "all equally active".

    There is no interval: the curve counts all samples of the data set, it estimates nothing.
    """
    shown = [name for name in ENTITIES if name in set(frame["entity"])]
    x_axis = alt.Axis(title="share of users or items, most active first", format="%")
    y_axis = alt.Axis(title="share of samples", format="%")
    x = alt.X("rank_share:Q", scale=alt.Scale(domain=[0, 1]), axis=x_axis)
    y = alt.Y("sample_share:Q", scale=alt.Scale(domain=[0, 1]), axis=y_axis)
    colour = alt.Color(
        "entity:N",
        scale=alt.Scale(domain=shown, range=[COLOURS[name] for name in shown]),
        legend=alt.Legend(title=None, orient="bottom-right", symbolType="stroke"),
    )
    dash = alt.StrokeDash(
        "entity:N", scale=alt.Scale(domain=shown, range=[DASHES[n] for n in shown]), legend=None
    )
    curves = alt.Chart(frame).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour)
    even = alt.Chart(pd.DataFrame({"rank_share": [0.0, 1.0], "sample_share": [0.0, 1.0]}))
    rule = alt.Chart(pd.DataFrame({"rank_share": [head]}))
    heads = {name: share_of_head(frame, name, head) for name in shown}
    points = pd.DataFrame(
        [{"entity": n, "rank_share": head, "sample_share": share} for n, share in heads.items()]
    )
    labels = alt.Chart(points).encode(x=x, y=y, color=alt.Color("entity:N", legend=None))
    layers = [
        even.mark_line(color=style.FAINT, strokeWidth=1, aria=False).encode(x=x, y=y),
        rule.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(x=x),
        curves.encode(
            strokeDash=dash,
            tooltip=[
                alt.Tooltip("entity:N"),
                alt.Tooltip("rank_share:Q", format=".1%", title="most active"),
                alt.Tooltip("sample_share:Q", format=".1%", title="make of the samples"),
            ],
        ),
        labels.mark_point(filled=True, size=50, opacity=1).encode(color=colour),
        labels.mark_text(align="left", dx=8, dy=4, aria=False).encode(
            text=alt.Text("sample_share:Q", format=".0%"), color=colour
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        width=420, height=300, description=sentence(frame, head=head)
    )


def share_of_head(frame: pd.DataFrame, entity: str, head: float = HEAD) -> float:
    """Share of samples of the most active `head` of the entities, read off the curve."""
    rows = frame[frame["entity"] == entity].sort_values("rank_share")
    return float(np.interp(head, rows["rank_share"], rows["sample_share"]))


def sentence(frame: pd.DataFrame, *, head: float = HEAD) -> str:
    """What the head makes, and what the less active half makes."""
    parts = []
    for name in ENTITIES:
        if name in set(frame["entity"]):
            top = share_of_head(frame, name, head)
            rest = 1 - share_of_head(frame, name, 0.5)
            parts.append(
                f"The most active {head:.0%} of {name}s make {top:.0%} of the samples, the less "
                f"active half {rest:.0%}."
            )
    return " ".join(parts)
