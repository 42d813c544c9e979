"""Cost beside lift: what a way of training takes, in training and in serving.

Frames: `lift` has one row per run (run, label, variant, cost = seconds over the base's, delta,
ci_low, ci_high); `latency` is that of `workbench.insight.cost.serving_latency` with `label` and
`variant`.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import style, words
from workbench.charts.names import name_of


def lift_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Difference of test AUC to the base against training seconds as a multiple of the base's."""
    top = max(1.2, 1.1 * float(frame["cost"].max()))
    x = alt.X(
        "cost:Q",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(title="training seconds, as a multiple of the base's", tickCount=6),
    )

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", axis=alt.Axis(title="difference of test AUC to the base"))

    rows = alt.Chart(frame)
    colour = _colour(frame)
    tooltip = [
        alt.Tooltip("run:N"),
        alt.Tooltip("cost:Q", format=".2f", title="times the base's seconds"),
        alt.Tooltip("delta:Q", format="+.4f", title="difference of AUC"),
    ]
    zero = alt.Chart(pd.DataFrame({"delta": [0.0]}))
    layers = [
        zero.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(y=y("delta")),
        rows.mark_rule(strokeWidth=2, opacity=0.7, aria=False).encode(
            x=x, y=y("ci_low"), y2="ci_high", color=colour
        ),
        rows.mark_point(filled=True, size=60).encode(
            x=x, y=y("delta"), color=colour, tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=320, description=" ".join(lift_sentences(frame))
    )


def lift_sentences(frame: pd.DataFrame) -> list[str]:
    """Cost and lift of each way of training, a mean over its runs."""
    said = []
    for variant, rows in frame.groupby("variant", sort=False):
        clear = int(((rows["ci_low"] > 0) | (rows["ci_high"] < 0)).sum())
        said.append(
            f"{name_of(str(variant))}: {rows['cost'].mean():.1f} times the seconds for "
            f"{words.signed(float(rows['delta'].mean()))} AUC ({words.count(len(rows), 'run')}; "
            f"the interval leaves zero out in {clear})."
        )
    return said


def latency_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Median (point) and 99th percentile (end of the bar) of a request, per batch size."""
    data = frame.assign(request=[words.count(int(size), "sample") for size in frame["batch_size"]])
    x_axis = alt.Axis(title="milliseconds per request, one thread", tickCount=6)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", axis=x_axis, scale=alt.Scale(type="log"))

    y = alt.Y("request:N", sort=list(dict.fromkeys(data["request"])), axis=alt.Axis(title=None))
    offset = alt.YOffset("label:N", sort=list(dict.fromkeys(data["label"])))
    rows = alt.Chart(data)
    colour = _colour(data)
    tooltip = [
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("request:N"),
        alt.Tooltip("p50:Q", format=".3f"),
        alt.Tooltip("p99:Q", format=".3f"),
        alt.Tooltip("ratio:Q", format=".2f", title="median over the base's"),
    ]
    layers = [
        rows.mark_rule(strokeWidth=2, opacity=0.6, aria=False).encode(
            y=y, yOffset=offset, x=x("p50"), x2="p99", color=colour
        ),
        rows.mark_point(filled=True, size=60).encode(
            y=y, yOffset=offset, x=x("p50"), color=colour, tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=110 * data["request"].nunique() + 60, description=" ".join(latency_sentences(frame))
    )


def latency_sentences(frame: pd.DataFrame) -> list[str]:
    """Median latency over the base's, for each model."""
    base = frame["model"].iloc[0]
    said = []
    for model, rows in frame.groupby("model", sort=False):
        if model != base:
            parts = [
                f"{row['ratio']:.2f} times the base's at {words.count(row['batch_size'], 'sample')}"
                for row in rows.to_dict("records")
            ]
            said.append(f"{rows['label'].iloc[0]}: median latency {words.listing(parts)}.")
    return said


def _colour(frame: pd.DataFrame) -> alt.Color:
    legend = alt.Legend(title=None, orient="bottom", columns=4, labelLimit=240)
    return alt.Color("label:N", scale=style.run_scale(frame), legend=legend)
