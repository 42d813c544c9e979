"""Share of the embedding gradient per feature, over the steps of training.

Frames are those of `workbench.insight.gradient_share.GradientProbe`, with a column `group` that
names the variant.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from workbench.charts import style
from workbench.charts.names import name_of, variant_of
from workbench.charts.words import feature_title, listing

SECOND_DASH = [3, 2]


def chart(frame: pd.DataFrame, *, columns: int = 4) -> alt.FacetChart:
    """One small panel per feature, one line per group; all panels share the axis.

    There is no interval: each point is the exact gradient on one fixed batch.
    """
    groups = list(dict.fromkeys(frame["group"]))
    named = frame.assign(
        title=frame["feature"].map(feature_title), name=frame["group"].map(name_of)
    )
    labels = [name_of(group) for group in groups]
    colours = style.colour_scale(groups).range
    dashes = _dashes(groups)
    scale = alt.Scale(domain=labels, range=colours)
    dash = alt.Scale(domain=labels, range=dashes)
    lines = (
        alt.Chart(named)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("step:Q", title="training step", axis=alt.Axis(tickCount=3)),
            y=alt.Y("share:Q", title="share of gradient", axis=alt.Axis(format="%", tickCount=4)),
            color=alt.Color("name:N", scale=scale, title=None, legend=alt.Legend(orient="top")),
            strokeDash=alt.StrokeDash("name:N", scale=dash, legend=None),
            tooltip=[
                alt.Tooltip("name:N", title="trained as"),
                alt.Tooltip("step:Q"),
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("weight:Q", format=".3f", title="mean weight"),
            ],
        )
        .properties(width=130, height=110)
    )
    order = list(dict.fromkeys(named["title"]))
    facets: alt.FacetChart = lines.facet(
        alt.Facet("title:N", sort=order, title=None), columns=columns
    ).properties(description=sentence(frame))
    return facets


def _dashes(groups: Sequence[str]) -> list[list[int]]:
    """A dash pattern per group; a second group of a variant, in the same colour, gets another."""
    variants = [variant_of(group) for group in groups]
    return [
        SECOND_DASH if variant in variants[:position] else style.DASHES[variant]
        for position, variant in enumerate(variants)
    ]


def share_of(frame: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """The share of some features together, averaged over the readings of training.

    The reading before the first step is left out: no variant has learnt anything there.

    Returns:
        One row per group: `group`, `share`.
    """
    chosen = frame[frame["feature"].isin(features) & (frame["step"] > 0)]
    summed = chosen.groupby(["group", "step"], sort=False)["share"].sum()
    return summed.groupby("group", sort=False).mean().reset_index()


def sentence(frame: pd.DataFrame, features: Sequence[str] | None = None) -> str:
    """What some features get in each group.

    Args:
        features: their names; default: all that are no IDs.
    """
    if features is None:
        features = list(dict.fromkeys(frame.loc[~frame["is_id"], "feature"]))
    if not features:
        return "There is no feature besides IDs."
    shares = share_of(frame, features)
    parts = [f"{row.share:.0%} ({name_of(str(row.group))})" for row in shares.itertuples()]
    names = listing([feature_title(name) for name in features])
    return f"Share of the embedding gradient that goes to {names}: {', '.join(parts)}."
