"""What a way of training changes per activity bucket, against the unmasked base: a forest plot.

Frames are those of `workbench.insight.auc_by_bucket.auc_by_bucket`: one row per group and bucket
(group, variant, seeds, bucket, order, users, rows, positives, base, value, delta, ci_low, ci_high,
smallest_effect, users_left_out, rela_impr), and the differences of single seeds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import altair as alt
import pandas as pd

from workbench.charts import names, style, words
from workbench.charts.auc_words import METRICS, sentence, sentences, split

__all__ = ["METRICS", "Scales", "chart", "panel", "scales", "sentence", "sentences", "split"]

ROW_HEIGHT = 44
"""Pixels of one bucket: a line of support counts above its marks."""
FRAME_HEIGHT = 150
"""Pixels of titles and axis, which Streamlit counts as part of a chart's height."""
MARKS_BELOW = 9
"""Pixels that the marks lie below the middle of their row."""


class Scales(NamedTuple):
    """Ends of the x axis that all panels of a view share."""

    low: float
    high: float


def scales(frame: pd.DataFrame, mode: str = "delta") -> Scales:
    """Shared x axis: symmetric for differences, just wide enough for absolute values.

    Buckets with fewer than 30 users do not widen it; what does not fit is cut at the edge.
    """
    shown = frame[frame["users"] >= style.ENOUGH_USERS].dropna(subset=["delta"])
    shown = shown if len(shown) else frame.dropna(subset=["delta"])
    if shown.empty:
        return Scales(-1.0, 1.0) if mode == "delta" else Scales(0.0, 1.0)
    if mode == "delta":
        edges = shown[["delta", "ci_low", "ci_high", "smallest_effect"]].abs().max()
        reach = 1.08 * float(edges.max()) or 0.001
        return Scales(-reach, reach)
    values = _absolute(shown)[["base", "value", "value_low", "value_high"]]
    low, high = float(values.min().min()), float(values.max().max())
    room = 0.08 * (high - low) or 0.001
    return Scales(low - room, high + room)


def panel(
    frame: pd.DataFrame,
    seeds: pd.DataFrame | None = None,
    shared: Scales | None = None,
    *,
    metric: str = "auc",
    mode: str = "delta",
    title: str | None = None,
) -> alt.LayerChart:
    """One way of training: a row per activity bucket, labelled with users, rows and positives.

    As a difference: the point is the mean over seeds, the bar its 95% paired bootstrap interval
    over users, thin ticks are single seeds, the shaded band is what a difference must exceed to be
    found with 80% power, the rule is no difference. As absolute values: a hollow grey point for
    the base and a filled one for this way of training, with the interval of the difference.

    Args:
        frame: rows of one group.
        seeds: its differences for single seeds; None draws no ticks.
        shared: from `scales` of the frame with all groups; None takes this group's own.
        metric: see `METRICS`.
        mode: "delta" or "absolute".
        title: default: the group's name.
    """
    shared = shared or scales(frame, mode)
    label = str(frame["group"].iloc[0]) if "group" in frame else ""
    colour = style.COLOURS[names.variant_of(label)]
    data = _labelled(frame, metric)
    what = f"difference of {METRICS[metric]}" if mode == "delta" else METRICS[metric]
    if mode == "delta" and title is None:
        what += " to the base"
    sign = "datum.value == 0 ? '0' : format(datum.value, '+.2~g')"
    x_axis = alt.Axis(title=what, format=".3~f", tickCount=6)
    if mode == "delta":
        x_axis = alt.Axis(title=what, labelExpr=sign, tickCount=6)
    x_scale = alt.Scale(domain=list(shared), nice=False, clamp=False)

    def x(field: str) -> alt.X:
        return alt.X(field, type="quantitative", scale=x_scale, axis=x_axis)

    y_axis = alt.Axis(
        title="training interactions of the user", ticks=False, labelFontSize=12, labelFlush=False
    )
    y = alt.Y(
        "bucket:O", sort=list(data["bucket"]), axis=y_axis, scale=alt.Scale(paddingInner=0.04)
    )
    rows = alt.Chart(data).encode(y=y)
    make = _delta_layers if mode == "delta" else _value_layers
    layers = make(rows, x, colour)
    if mode == "delta" and seeds is not None and len(seeds):
        layers.append(_seed_ticks(seeds, y, x))
    layers += _points(rows, x, colour, metric, mode)
    # The counts stand at the left edge, above the row's marks.
    layers.append(
        rows.mark_text(
            align="left", dx=3, dy=-MARKS_BELOW - 1, fontSize=10, color=style.RULE, aria=False
        ).encode(x=alt.datum(shared.low, type="quantitative", scale=x_scale), text="support:N")
    )
    seeds_text = words.count(int(frame["seeds"].iloc[0]), "seed") if "seeds" in frame else ""
    head = alt.TitleParams(
        title or names.name_of(label),
        subtitle=seeds_text,
        anchor="start",
        fontSize=13,
        subtitleFontSize=11,
        subtitleColor=style.RULE,
    )
    return alt.LayerChart(layer=layers).properties(
        title=head,
        height=ROW_HEIGHT * len(data) + FRAME_HEIGHT,
        description=sentence(frame, metric=metric),
    )


def chart(
    frame: pd.DataFrame,
    seeds: pd.DataFrame | None = None,
    *,
    metric: str = "auc",
    mode: str = "delta",
    columns: int = 3,
) -> alt.ConcatChart:
    """All groups as panels of fixed size, for notebooks and files."""
    shared = scales(frame, mode)
    panels = []
    for rows in split(frame):
        own = seeds[seeds["group"] == rows["group"].iloc[0]] if seeds is not None else None
        one = panel(rows, own, shared, metric=metric, mode=mode)
        panels.append(one.properties(width=280, height=ROW_HEIGHT * len(rows)))
    return alt.concat(*panels, columns=columns).properties(
        description=sentence(frame, metric=metric)
    )


def _labelled(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    data = _absolute(frame.sort_values("order"))
    support = [
        f"{int(u):,} users, {int(r):,} rows, {int(p):,} positive"
        for u, r, p in zip(data["users"], data["rows"], data["positives"], strict=True)
    ]
    return data.assign(
        support=support,
        enough=data["users"] >= style.ENOUGH_USERS,
        effect_low=-data["smallest_effect"],
    )


def _absolute(frame: pd.DataFrame) -> pd.DataFrame:
    """The interval of the difference, moved to the base's value."""
    return frame.assign(
        value_low=frame["base"] + frame["ci_low"], value_high=frame["base"] + frame["ci_high"]
    )


def _delta_layers(rows: alt.Chart, x: Any, colour: str) -> list[alt.Chart]:
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=style.RULE, aria=False)
    return [
        rows.mark_bar(
            color=style.FAINT, opacity=0.3, height=22, yOffset=MARKS_BELOW, clip=True, aria=False
        ).encode(x=x("effect_low"), x2="smallest_effect"),
        zero.encode(x=x("zero")),
        rows.mark_rule(strokeWidth=2.5, yOffset=MARKS_BELOW, clip=True, aria=False).encode(
            x=x("ci_low"), x2="ci_high", color=style.grey_if_few(colour)
        ),
    ]


def _value_layers(rows: alt.Chart, x: Any, colour: str) -> list[alt.Chart]:
    hollow = rows.mark_point(
        size=70, yOffset=MARKS_BELOW, color=style.COLOURS["base"], strokeWidth=2, clip=True
    )
    return [
        rows.mark_rule(strokeWidth=2.5, yOffset=MARKS_BELOW, clip=True, aria=False).encode(
            x=x("value_low"), x2="value_high", color=style.grey_if_few(colour)
        ),
        hollow.encode(x=x("base"), tooltip=alt.Tooltip("base:Q", format=".4f")),
    ]


def _seed_ticks(seeds: pd.DataFrame, y: alt.Y, x: Any) -> alt.Chart:
    ticks: alt.Chart = alt.Chart(seeds).mark_tick(
        color=style.RULE, thickness=1.5, size=13, yOffset=MARKS_BELOW, clip=True
    )
    tooltip = [alt.Tooltip("seed:N"), alt.Tooltip("delta:Q", format="+.4f")]
    return ticks.encode(y=y, x=x("delta"), tooltip=tooltip)


def _points(rows: alt.Chart, x: Any, colour: str, metric: str, mode: str) -> list[alt.Chart]:
    point: alt.Chart = rows.mark_point(
        size=70, filled=True, opacity=1, yOffset=MARKS_BELOW, clip=True
    )
    return [
        point.encode(
            x=x("delta" if mode == "delta" else "value"),
            color=style.grey_if_few(colour),
            tooltip=_tooltip(metric),
        )
    ]


def _tooltip(metric: str) -> list[alt.Tooltip]:
    name = METRICS[metric].split(" (")[0]
    return [
        alt.Tooltip("bucket:N", title="training interactions"),
        alt.Tooltip("delta:Q", format="+.4f", title=f"difference of {name}"),
        alt.Tooltip("ci_low:Q", format="+.4f", title="95% interval from"),
        alt.Tooltip("ci_high:Q", format="+.4f", title="to"),
        alt.Tooltip("smallest_effect:Q", format=".4f", title="smallest effect it can show"),
        alt.Tooltip("base:Q", format=".4f", title=f"{name} of the base"),
        alt.Tooltip("value:Q", format=".4f", title=f"{name} here"),
        alt.Tooltip("users:Q", format=","),
        alt.Tooltip("rows:Q", format=",", title="test rows"),
        alt.Tooltip("positives:Q", format=","),
        alt.Tooltip("users_left_out:Q", format=",", title="users with one class"),
    ]
