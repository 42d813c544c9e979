"""Calibration: observed rates against predictions, and the calibration error by user activity.

Frames are those of `workbench.insight.calibration`, with a column `label` that people read.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import style, words
from workbench.charts.names import variant_of

MEASURES = {
    "ece": "expected calibration error",
    "log_loss": "log loss",
    "gap": "|mean prediction − share of positives|",
}
FEW_USERS = style.ENOUGH_USERS
HEIGHT = 330


def reliability_panel(
    frame: pd.DataFrame, *, low: float = 0.0, high: float = 1.0
) -> alt.LayerChart:
    """One run: observed share of positives per bin of the prediction; the dashes are perfect.

    Args:
        frame: rows of one run of `reliability`.
        low, high: shared ends of both axes.
    """
    label = str(frame["label"].iloc[0])
    colour = style.COLOURS[variant_of(str(frame["variant"].iloc[0]))]
    scale = alt.Scale(domain=[low, high], nice=False)
    axis = alt.Axis(format=".0%", tickCount=5)
    x = alt.X("predicted:Q", scale=scale, axis=axis, title="mean predicted probability")

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=scale, axis=axis, title="observed share of positives")

    ends = pd.DataFrame({"predicted": [low, high], "observed": [low, high]})
    tooltip = [
        alt.Tooltip("predicted:Q", format=".2%"),
        alt.Tooltip("observed:Q", format=".2%"),
        alt.Tooltip("ci_low:Q", format=".2%"),
        alt.Tooltip("ci_high:Q", format=".2%"),
        alt.Tooltip("rows:Q", format=","),
        alt.Tooltip("users:Q", format=","),
    ]
    rows = alt.Chart(frame)
    layers = [
        alt.Chart(ends)
        .mark_line(color=style.RULE, strokeDash=[4, 3], strokeWidth=1.2, aria=False)
        .encode(x=x, y=y("observed")),
        rows.mark_rule(color=colour, strokeWidth=2, aria=False).encode(
            x=x, y=y("ci_low"), y2="ci_high"
        ),
        rows.mark_line(color=colour, strokeWidth=1.5, opacity=0.6, aria=False).encode(
            x=x, y=y("observed")
        ),
        rows.mark_point(color=colour, filled=True, size=42).encode(
            x=x, y=y("observed"), tooltip=tooltip
        ),
    ]
    title = alt.TitleParams(label, anchor="start", fontSize=13)
    return alt.LayerChart(layer=layers).properties(
        title=title, height=HEIGHT, description=reliability_sentence(frame)
    )


def ends(frame: pd.DataFrame) -> tuple[float, float]:
    """Shared ends of the axes of all runs of `reliability`."""
    values = frame[["predicted", "ci_low", "ci_high"]]
    low, high = float(values.min().min()), float(values.max().max())
    room = 0.05 * (high - low) or 0.05
    return max(0.0, low - room), min(1.0, high + room)


def reliability_sentence(frame: pd.DataFrame) -> str:
    """Where the run of a frame is too sure and where not sure enough."""
    off = frame[(frame["predicted"] < frame["ci_low"]) | (frame["predicted"] > frame["ci_high"])]
    label = frame["label"].iloc[0]
    if off.empty:
        return f"{label}: in all {len(frame)} bins the prediction lies inside the interval."
    worst = off.loc[(off["predicted"] - off["observed"]).abs().sort_values().index[-1]]
    return (
        f"{label}: in {len(off)} of {len(frame)} bins the prediction lies outside the interval; "
        f"farthest where it says {worst['predicted']:.0%} and {worst['observed']:.0%} are positive."
    )


def difference_chart(frame: pd.DataFrame, *, measure: str = "ece") -> alt.LayerChart:
    """Calibration of one run minus the base's, per activity bucket, with 95% intervals.

    Args:
        frame: rows of one run of `calibration_by_activity`, not of the base.
        measure: one of `MEASURES`; smaller is better, so points left of zero are an improvement.
    """
    data = _support(frame.sort_values("order"))
    label = str(frame["label"].iloc[0])
    colour = style.COLOURS[variant_of(str(frame["variant"].iloc[0]))]
    enough = data[data["users"] >= FEW_USERS]
    columns = [f"delta_{measure}", f"delta_{measure}_low", f"delta_{measure}_high"]
    reach = 1.08 * float((enough if len(enough) else data)[columns].abs().max().max()) or 0.001
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    axis = alt.Axis(title=f"difference of {MEASURES[measure]} to the base", tickCount=5)
    y = alt.Y("name:O", sort=list(data["name"]), axis=alt.Axis(title=None, labelLimit=220))

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=scale, axis=axis)

    rows = alt.Chart(data)
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]}))
    tooltip = [
        alt.Tooltip("name:O", title="training interactions"),
        alt.Tooltip(f"{columns[0]}:Q", format="+.4f", title="difference"),
        alt.Tooltip(f"{measure}:Q", format=".4f", title="value"),
        alt.Tooltip("predicted:Q", format=".2%", title="mean prediction"),
        alt.Tooltip("observed:Q", format=".2%", title="positives"),
    ]
    layers = [
        zero.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(x=x("zero")),
        rows.mark_rule(strokeWidth=3, clip=True, aria=False).encode(
            y=y, x=x(columns[1]), x2=columns[2], color=style.grey_if_few(colour)
        ),
        rows.mark_point(filled=True, size=60, clip=True).encode(
            y=y, x=x(columns[0]), color=style.grey_if_few(colour), tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        title=alt.TitleParams(label, anchor="start", fontSize=13),
        height=34 * len(data) + 90,
        description=difference_sentence(frame, measure=measure),
    )


def difference_sentence(frame: pd.DataFrame, *, measure: str = "ece") -> str:
    """Over all users, and in how many buckets the interval leaves zero out."""
    label = frame["label"].iloc[0]
    (overall,) = frame[frame["group"] == "all"].to_dict("records")
    delta = f"delta_{measure}"
    buckets = frame[(frame["group"] != "all") & (frame["users"] >= FEW_USERS)]
    better = buckets[buckets[f"{delta}_high"] < 0]["group"].tolist()
    worse = buckets[buckets[f"{delta}_low"] > 0]["group"].tolist()
    bounds = words.interval(overall[f"{delta}_low"], overall[f"{delta}_high"], 4, sign=True)
    return (
        f"{label}: {MEASURES[measure]} {words.number(overall[measure], 4)}, "
        f"{words.signed(overall[delta])} to the base ({bounds}); smaller for users with "
        f"{words.listing(better)} training interactions, larger for {words.listing(worse)}."
    )


def _support(data: pd.DataFrame) -> pd.DataFrame:
    names = [
        f"{'all' if row['group'] == 'all' else row['group']}: {row['users']:,} users, "
        f"{row['rows']:,} rows"
        for row in data.to_dict("records")
    ]
    return data.assign(name=names, enough=data["users"] >= FEW_USERS)
