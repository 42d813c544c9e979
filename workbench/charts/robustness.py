"""AUC lost without a feature, how unevenly, and AUC where values are missing or labels wrong.

Frames are those of `workbench.insight.reliance` and `workbench.insight.robustness`, with `label`
and `variant` of the run.
"""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from workbench.charts import run_marks, style, words

FRAME = 100
DASHED = [4, 3]
SIGNED = "datum.value == 0 ? '0' : format(datum.value, '+.2~g')"


def reliance_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """AUC lost without each feature, one mark with its 95% interval per run.

    Args:
        frame: `feature`, `lost`, `ci_low`, `ci_high`, `auc_without`, `users`, `rows`, `label`,
            `variant`.
    """
    data = frame.assign(title=frame["feature"].map(words.feature_title))
    order = data.groupby("title")["lost"].max().sort_values(ascending=False)
    runs = len(run_marks.labels(data))
    rows = alt.Chart(data).encode(
        y=alt.Y("title:N", sort=list(order.index), axis=alt.Axis(title=None, ticks=False)),
        yOffset=run_marks.y_offset(data),
        color=run_marks.colour(data),
    )
    axis = alt.Axis(title="AUC lost when the feature is masked", labelExpr=SIGNED, tickCount=6)
    tooltip = [
        alt.Tooltip("title:N", title="feature"),
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("lost:Q", format="+.4f", title="AUC lost"),
        alt.Tooltip("ci_low:Q", format="+.4f"),
        alt.Tooltip("ci_high:Q", format="+.4f"),
        alt.Tooltip("auc_without:Q", format=".4f", title="AUC without it"),
        alt.Tooltip("users:Q", format=","),
        alt.Tooltip("rows:Q", format=","),
    ]
    layers = [
        _zero("x"),
        rows.mark_rule(strokeWidth=2).encode(x=alt.X("ci_low:Q", axis=axis), x2="ci_high"),
        rows.mark_point(filled=True, size=45, opacity=1).encode(
            x="lost:Q", shape=run_marks.shape(data), tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=(11 * runs + 8) * len(order) + FRAME, description=reliance_sentence(frame)
    )


def gini_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """The Gini coefficient of the losses, one row per run.

    Args:
        frame: `gini`, `ci_low`, `ci_high`, `label`, `variant`.
    """
    rows = alt.Chart(frame).encode(
        y=alt.Y(
            "label:N",
            sort=run_marks.labels(frame),
            axis=alt.Axis(title=None, ticks=False, labelLimit=220),
        ),
        color=run_marks.colour(frame, legend=False),
    )
    axis = alt.Axis(title="Gini of the losses: 0 even, 1 all on one feature", tickCount=5)
    tooltip = [
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("gini:Q", format=".3f"),
        alt.Tooltip("ci_low:Q", format=".3f"),
        alt.Tooltip("ci_high:Q", format=".3f"),
    ]
    scale = alt.Scale(domain=[0, 1], nice=False)
    layers = [
        rows.mark_rule(strokeWidth=2).encode(
            x=alt.X("ci_low:Q", axis=axis, scale=scale), x2="ci_high"
        ),
        rows.mark_point(filled=True, size=70, opacity=1).encode(x="gini:Q", tooltip=tooltip),
        rows.mark_text(dy=-10, fontSize=11, color=style.RULE, aria=False).encode(
            x="gini:Q", text=alt.Text("gini:Q", format=".2f")
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=38 * len(frame) + 75, description=gini_sentence(frame)
    )


def bucket_chart(frame: pd.DataFrame, feature: str) -> alt.LayerChart:
    """AUC lost without one feature, by the user's activity.

    Args:
        frame: rows of `workbench.insight.reliance.reliance_by_bucket` without "all".
        feature: which was masked.
    """
    data = frame.assign(enough=frame["users"] >= style.ENOUGH_USERS).sort_values("order")
    buckets = list(dict.fromkeys(data["bucket"]))
    x = alt.X(
        "bucket:O",
        sort=buckets,
        axis=alt.Axis(title="training interactions of the user", labelAngle=0),
    )
    points = alt.Chart(data).encode(
        x=x, xOffset=run_marks.x_offset(data), color=run_marks.colour(data)
    )
    axis = alt.Axis(
        title=f"AUC lost without {words.feature_title(feature)}", labelExpr=SIGNED, tickCount=5
    )
    opacity = alt.OpacityValue(0.25, condition={"test": "datum.enough", "value": 1})
    tooltip = [
        alt.Tooltip("bucket:N", title="training interactions"),
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("delta:Q", format="+.4f", title="AUC lost"),
        alt.Tooltip("ci_low:Q", format="+.4f"),
        alt.Tooltip("ci_high:Q", format="+.4f"),
        alt.Tooltip("users:Q", format=","),
        alt.Tooltip("rows:Q", format=","),
    ]
    support = data.drop_duplicates("bucket")
    support = support.assign(said=[f"{users:,} users" for users in support["users"]])
    shown = data[data["enough"]] if data["enough"].any() else data
    top = float(shown[["ci_high", "delta"]].max().max())
    bottom = min(0.0, float(shown[["ci_low", "delta"]].min().min()))
    room = 0.12 * (top - bottom) or 0.001
    scale = alt.Scale(domain=[bottom - room, top + room], nice=False)
    layers = [
        _zero("y"),
        points.mark_rule(strokeWidth=2, clip=True).encode(
            y=alt.Y("ci_low:Q", axis=axis, scale=scale), y2="ci_high", opacity=opacity
        ),
        points.mark_point(filled=True, size=50, clip=True).encode(
            y="delta:Q", shape=run_marks.shape(data), opacity=opacity, tooltip=tooltip
        ),
        alt.Chart(support)
        .mark_text(fontSize=10, color=style.RULE, baseline="bottom", dy=-2, aria=False)
        .encode(x=x, y=alt.datum(bottom - room, type="quantitative"), text="said:N"),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=360, description=bucket_sentence(frame, feature)
    )


def share_chart(frame: pd.DataFrame, *, mode: str = "absolute", what: str) -> alt.LayerChart:
    """AUC against a share of spoilt data, one line per run with its 95% interval.

    Args:
        frame: `share`, `auc`, `ci_low`, `ci_high`, `delta`, `delta_low`, `delta_high`, `label`,
            `variant`, `users`, `rows`.
        mode: "absolute", or "delta" for the difference to the baseline with its paired interval.
        what: title of the x axis.
    """
    absolute = mode == "absolute"
    value, low, high = (
        ("auc", "ci_low", "ci_high") if absolute else ("delta", "delta_low", "delta_high")
    )
    runs, shares = run_marks.labels(frame), sorted(set(frame["share"]))
    step = min(np.diff(shares), default=0.1)
    # Side by side, or the intervals of the runs would hide one another.
    beside = {name: 0.09 * step * (i - (len(runs) - 1) / 2) for i, name in enumerate(runs)}
    data = frame.assign(place=frame["share"] + frame["label"].map(beside).astype(float))
    x = alt.X(
        "place:Q",
        scale=alt.Scale(domain=[min(shares) - step / 3, max(shares) + step / 3], nice=False),
        axis=alt.Axis(title=what, values=shares, format=".0%"),
    )
    axis = alt.Axis(title="test AUC" if absolute else "AUC minus the baseline's", tickCount=5)
    if not absolute:
        axis.labelExpr = SIGNED
    scale = alt.Scale(zero=False)
    rows = alt.Chart(data).encode(x=x, color=run_marks.colour(data))
    tooltip = [
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("share:Q", format=".0%"),
        alt.Tooltip(f"{value}:Q", format=".4f" if absolute else "+.4f"),
        alt.Tooltip(f"{low}:Q", format=".4f"),
        alt.Tooltip(f"{high}:Q", format=".4f"),
        alt.Tooltip("lost:Q", format=".4f", title="lost since the first share"),
        alt.Tooltip("users:Q", format=","),
        alt.Tooltip("rows:Q", format=","),
    ]
    layers = [] if absolute else [_zero("y")]
    layers += [
        rows.mark_rule(strokeWidth=1.5).encode(
            y=alt.Y(f"{low}:Q", axis=axis, scale=scale), y2=high
        ),
        rows.mark_line(strokeWidth=2).encode(y=f"{value}:Q", strokeDash=run_marks.dash(data)),
        rows.mark_point(filled=True, size=42, opacity=1).encode(
            y=f"{value}:Q", shape=run_marks.shape(data), tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers).properties(height=360, description=share_sentence(frame))


def reliance_sentence(frame: pd.DataFrame) -> str:
    """All of `reliance_sentences` in one text."""
    return " ".join(reliance_sentences(frame))


def reliance_sentences(frame: pd.DataFrame) -> list[str]:
    """What each run would miss most."""
    said = []
    for label, rows in frame.groupby("label", sort=False):
        row = rows.sort_values("lost", ascending=False).iloc[0]
        ends = words.interval(row["ci_low"], row["ci_high"], 4, sign=True)
        said.append(
            f"{label} loses most without {words.feature_title(row['feature'])}: "
            f"{words.signed(row['lost'])} AUC ({ends})."
        )
    return said


def gini_sentence(frame: pd.DataFrame) -> str:
    """The headline number of each run."""
    said = [
        f"{row['label']}: {words.number(row['gini'], 2)} "
        f"({words.interval(row['ci_low'], row['ci_high'], 2)})"
        for _, row in frame.iterrows()
    ]
    return f"Gini of the losses, 0 even and 1 all on one feature. {'; '.join(said)}."


def bucket_sentence(frame: pd.DataFrame, feature: str) -> str:
    """The buckets with enough users in which each run needs the feature."""
    said = []
    for label, rows in frame.groupby("label", sort=False):
        usable = rows[rows["users"] >= style.ENOUGH_USERS].dropna(subset=["delta"])
        if usable.empty:
            said.append(f"{label}: too few users in every bucket")
            continue
        needed = usable[usable["ci_low"] > 0]
        if needed.empty:
            said.append(f"{label} shows {words.NO_DIFFERENCE} in any bucket")
            continue
        row = needed.sort_values("delta", ascending=False).iloc[0]
        ends = words.interval(row["ci_low"], row["ci_high"], 4, sign=True)
        where = words.listing([str(name) for name in needed["bucket"]], 8)
        said.append(
            f"{label} loses at {where} training interactions, most at {row['bucket']}: "
            f"{words.signed(row['delta'])} AUC ({ends})"
        )
    return f"Without {words.feature_title(feature)}. {'; '.join(said)}."


def share_sentence(frame: pd.DataFrame) -> str:
    """What is lost up to the largest share, and who is told from the baseline there."""
    last = frame[frame["share"] == frame["share"].max()]
    said = []
    for _, row in last.iterrows():
        text = f"{row['label']}: {words.number(row['auc'], 4)}, {words.signed(-row['lost'])} since"
        text += f" {words.percent(float(frame['share'].min()), 0).lstrip('+')}"
        if np.isfinite(row["delta_low"]):
            ends = words.interval(row["delta_low"], row["delta_high"], 4, sign=True)
            text += f", {words.signed(row['delta'])} to the baseline ({ends})"
        said.append(text)
    share = words.percent(float(frame["share"].max()), 0).lstrip("+")
    return f"AUC at {share}. {'; '.join(said)}."


def _zero(channel: str) -> alt.Chart:
    rule: alt.Chart = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(
        color=style.RULE, strokeDash=DASHED, aria=False
    )
    return rule.encode(x="zero:Q") if channel == "x" else rule.encode(y="zero:Q")
