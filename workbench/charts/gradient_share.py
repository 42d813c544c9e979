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


def loss_panel(frame: pd.DataFrame, *, longest: float, title: str, variant: str) -> alt.LayerChart:
    """One run: how long the gradient of each loss is that reaches a feature's vectors.

    Solid bars are the main loss, hollow ones alpha times the auxiliary loss; the text is the
    adapter's mean weight. There is no interval: the gradients are exact on one fixed batch.

    Args:
        frame: of `workbench.insight.gradient_share.gradient_share`.
        longest: end of the axis that all runs share.
        title: the run's name.
        variant: decides the colour.
    """
    colour = style.COLOURS[variant_of(variant)]
    names = [feature_title(name) for name in frame["feature"]]
    long = frame.assign(name=names).melt(
        ["name", "share", "weight"], ["main", "auxiliary"], "loss", "length"
    )
    scale = alt.Scale(domain=[0, 1.12 * longest], nice=False)
    x = alt.X("length:Q", scale=scale, axis=alt.Axis(title="mean length of gradient", tickCount=4))
    y = alt.Y("name:N", sort=names, axis=alt.Axis(title=None))
    offset = alt.YOffset("loss:N", sort=["main", "auxiliary"])
    tooltip = [
        alt.Tooltip("name:N", title="feature"),
        alt.Tooltip("loss:N"),
        alt.Tooltip("length:Q", format=".3g"),
        alt.Tooltip("share:Q", format=".1%", title="share of both losses' sum"),
        alt.Tooltip("weight:Q", format=".3f", title="mean weight"),
    ]
    solid = alt.OpacityValue(0.15, condition={"test": "datum.loss == 'main'", "value": 0.9})
    rows = alt.Chart(long)
    bars = rows.mark_bar(color=colour, stroke=colour, strokeWidth=1).encode(
        x=x, y=y, yOffset=offset, fillOpacity=solid, tooltip=tooltip
    )
    weights = (
        alt.Chart(frame.assign(name=names, end=frame[["main", "auxiliary"]].max(axis=1)))
        .mark_text(align="left", dx=4, fontSize=10, color=style.RULE, aria=False)
        .encode(x=alt.X("end:Q", scale=scale), y=y, text=alt.Text("weight:Q", format=".2f"))
    )
    return alt.LayerChart(layer=[bars, weights]).properties(
        title=alt.TitleParams(title, anchor="start", fontSize=13),
        height=30 * len(frame) + 60,
        description=loss_sentence(frame, title),
    )


def loss_sentence(frame: pd.DataFrame, title: str) -> str:
    """Which part of the gradient goes to features that are no IDs, and from which loss."""
    meta = frame[~frame["is_id"]]
    text = f"{title}: {meta['share'].sum():.0%} of the gradient reaches features that are no IDs"
    if frame["auxiliary"].sum() > 0:
        part = meta["auxiliary"].sum() / max(meta[["main", "auxiliary"]].sum().sum(), 1e-30)
        text += f", {part:.0%} of theirs from the auxiliary loss"
    return f"{text}."
