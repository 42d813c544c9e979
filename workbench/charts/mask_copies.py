"""The masked copies of one sample: what is hidden, and what is predicted.

Frames are those of `workbench.insight.mask_copies`.
"""

from __future__ import annotations

from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from workbench.charts import style, words
from workbench.charts.names import variant_of

ROW = 26
FRAME = 130
HIDDEN, SHOWN = "masked", "kept"
BINS = 40


def strip(cells: pd.DataFrame, copies: pd.DataFrame) -> alt.LayerChart:
    """A row per copy, a column per feature: masked in the mask's colour, kept in grey."""
    said = {
        int(row["copy"]): f"{int(row['copy'])}: p = {row['p']:.2f}" for _, row in copies.iterrows()
    }
    data = cells.assign(
        state=np.where(cells["masked"], HIDDEN, SHOWN),
        sign=np.where(cells["masked"], "M", ""),
        title=cells["feature"].map(words.feature_title),
        row=cells["copy"].map(said),
    )
    rows = alt.Chart(data).encode(
        x=alt.X(
            "title:N",
            sort=list(dict.fromkeys(data["title"])),
            axis=alt.Axis(title=None, labelAngle=-40, orient="top", labelLimit=110),
            scale=alt.Scale(paddingInner=0.05),
        ),
        y=alt.Y(
            "row:N",
            sort=list(said.values()),
            axis=alt.Axis(title="copy", ticks=False),
            scale=alt.Scale(paddingInner=0.12),
        ),
    )
    tooltip = [
        alt.Tooltip("row:N", title="copy"),
        alt.Tooltip("title:N", title="feature"),
        alt.Tooltip("state:N"),
    ]
    colour = alt.Color(
        "state:N",
        scale=alt.Scale(domain=[HIDDEN, SHOWN], range=[style.COLOURS["mask"], style.FAINT]),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    opacity = alt.OpacityValue(0.35, condition={"test": "datum.masked", "value": 0.95})
    layers = [
        rows.mark_rect(cornerRadius=2, stroke="transparent", strokeWidth=2).encode(
            color=colour, opacity=opacity, tooltip=tooltip
        ),
        rows.mark_text(color="white", fontSize=10, fontWeight="bold", aria=False).encode(
            text="sign:N"
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=ROW * len(copies) + FRAME, description=strip_sentence(cells, copies)
    )


def predictions(
    copies: pd.DataFrame, base: float, serving: float | None, variant: str
) -> alt.LayerChart:
    """The prediction of each copy, with rules at those of the sample itself.

    Args:
        copies: one row per copy.
        base: prediction of the base model for the unmasked sample.
        serving: prediction with the adapter; None without one.
        variant: decides the colour of `serving`.
    """
    labels = [f"{int(copy)}" for copy in copies["copy"]]
    data = copies.assign(row=labels)
    points = alt.Chart(data).encode(
        y=alt.Y("row:N", sort=labels, axis=alt.Axis(title="copy", ticks=False)),
        x=_x("probability"),
    )
    tooltip = [
        alt.Tooltip("copy:Q"),
        alt.Tooltip("p:Q", format=".3f"),
        alt.Tooltip("masked:Q", title="features masked"),
        alt.Tooltip("probability:Q", format=".4f", title="prediction"),
    ]
    layers = [
        points.mark_point(filled=True, size=70, opacity=1, color=style.COLOURS["mask"]).encode(
            tooltip=tooltip
        ),
        _numbers(points, "left", f"datum.probability >= {base}"),
        _numbers(points, "right", f"datum.probability < {base}"),
        *_rules(base, serving, variant),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=ROW * len(copies) + FRAME,
        description=predictions_sentence(copies, base, serving),
    )


def distribution(
    draws: pd.DataFrame, base: float, serving: float | None, variant: str
) -> alt.LayerChart:
    """Share of many copies by their prediction, with rules at those of the sample itself."""
    counts, edges = np.histogram(draws["probability"], bins=BINS, range=(0.0, 1.0))
    data = pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "copies": counts, "share": counts / len(draws)}
    )
    data = data[data["copies"] > 0].assign(floor=0.0)
    bars = alt.Chart(data).mark_rect(color=style.COLOURS["mask"], opacity=0.75)
    axis = alt.Axis(title="share of the copies", format=".0%", tickCount=4)
    layers = [
        bars.encode(
            x=_x("low"),
            x2="high",
            y=alt.Y("share:Q", axis=axis, scale=alt.Scale(zero=True)),
            y2="floor",
            tooltip=[
                alt.Tooltip("low:Q", format=".3f", title="prediction from"),
                alt.Tooltip("high:Q", format=".3f", title="to"),
                alt.Tooltip("copies:Q"),
            ],
        ),
        *_rules(base, serving, variant),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=280, description=distribution_sentence(draws, base)
    )


def effects(frame: pd.DataFrame) -> alt.LayerChart:
    """By how much the mean logit of the copies moves when a feature is among the masked ones."""
    data = frame.assign(title=frame["feature"].map(words.feature_title))
    data = data.sort_values("delta", key=np.abs, ascending=False, na_position="last")
    rows = alt.Chart(data).encode(
        y=alt.Y("title:N", sort=list(data["title"]), axis=alt.Axis(title=None, ticks=False))
    )
    sign = "datum.value == 0 ? '0' : format(datum.value, '+.2~f')"
    axis = alt.Axis(title="difference of the mean logit", labelExpr=sign, tickCount=5)
    tooltip = [
        alt.Tooltip("title:N", title="feature"),
        alt.Tooltip("delta:Q", format="+.4f"),
        alt.Tooltip("ci_low:Q", format="+.4f"),
        alt.Tooltip("ci_high:Q", format="+.4f"),
        alt.Tooltip("masked_copies:Q", title="copies without it"),
    ]
    colour = style.COLOURS["mask"]
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]}))
    layers = [
        zero.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(x="zero:Q"),
        rows.mark_rule(color=colour, strokeWidth=2).encode(
            x=alt.X("ci_low:Q", axis=axis), x2="ci_high"
        ),
        rows.mark_point(filled=True, size=55, opacity=1, color=colour).encode(
            x="delta:Q", tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=24 * len(data) + 80, description=effects_sentence(frame)
    )


def strip_sentence(cells: pd.DataFrame, copies: pd.DataFrame) -> str:
    """How much each copy hides."""
    said = []
    for copy, rows in list(cells.groupby("copy", sort=False))[:4]:
        hidden = [words.feature_title(name) for name in rows.loc[rows["masked"], "feature"]]
        said.append(f"copy {copy} hides {words.listing(hidden, 6) if hidden else 'nothing'}")
    more = len(copies) - len(said)
    tail = f"; and {more} more" if more > 0 else ""
    mean = float(copies["masked"].mean())
    features = cells["feature"].nunique()
    return (
        f"{words.count(len(copies), 'copy', 'copies')}, {mean:.1f} of {features} features masked "
        f"on average: {'; '.join(said)}{tail}."
    )


def predictions_sentence(copies: pd.DataFrame, base: float, serving: float | None) -> str:
    """The predictions of the copies beside those of the sample."""
    low, high = float(copies["probability"].min()), float(copies["probability"].max())
    span = f"{low:.1%}" if len(copies) == 1 else f"{low:.1%} to {high:.1%}"
    text = f"The copies are predicted at {span}, the sample itself at {base:.1%} by the base model"
    return text + (f" and at {serving:.1%} with the adapter." if serving is not None else ".")


def distribution_sentence(draws: pd.DataFrame, base: float) -> str:
    """Median and middle 90% of the copies' predictions."""
    low, middle, high = np.quantile(draws["probability"], [0.05, 0.5, 0.95])
    above = float((draws["probability"] > base).mean())
    return (
        f"Of {len(draws):,} copies half are predicted above {middle:.1%}, nine in ten from "
        f"{low:.1%} to {high:.1%}; {above:.0%} lie above the unmasked sample ({base:.1%})."
    )


def effects_sentence(frame: pd.DataFrame) -> str:
    """The features whose masking moves the logit most."""
    known = frame.dropna(subset=["ci_low"])
    if known.empty:
        return "Nothing can be said: every copy masks the same features."
    told = known[(known["ci_low"] > 0) | (known["ci_high"] < 0)]
    told = told.sort_values("delta", key=np.abs, ascending=False)
    said = [
        f"{words.feature_title(row['feature'])} {words.signed(row['delta'], 2)} "
        f"({words.interval(row['ci_low'], row['ci_high'], 2, sign=True)})"
        for _, row in told.iterrows()
    ]
    return f"Hiding moves the mean logit for {words.listing(said)}."


def _numbers(points: alt.Chart, align: Literal["left", "right"], test: str) -> alt.Chart:
    """The predictions in figures, on the side of their point where the rules are not."""
    text = points.transform_filter(test).mark_text(
        align=align, dx=8 if align == "left" else -8, fontSize=10, color=style.RULE, aria=False
    )
    numbers: alt.Chart = text.encode(text=alt.Text("probability:Q", format=".1%"))
    return numbers


def _x(field: str) -> alt.X:
    return alt.X(
        field,
        type="quantitative",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(title="predicted probability", format=".0%", tickCount=5),
    )


def _rules(base: float, serving: float | None, variant: str) -> list[alt.Chart]:
    records = [{"value": base, "note": "unmasked: base model", "colour": style.COLOURS["base"]}]
    if serving is not None:
        colour = style.COLOURS[variant_of(variant)]
        records.append({"value": serving, "note": "unmasked: with adapter", "colour": colour})
    names = [str(record["note"]) for record in records]
    scale = alt.Scale(domain=names, range=[str(record["colour"]) for record in records])
    rule: alt.Chart = alt.Chart(pd.DataFrame(records)).mark_rule(strokeWidth=2)
    return [
        rule.encode(
            x="value:Q",
            color=alt.Color(
                "note:N", scale=scale, legend=alt.Legend(title=None, orient="bottom", columns=1)
            ),
            strokeDash=alt.StrokeDash("note:N", scale=alt.Scale(domain=names), legend=None),
            tooltip=[
                alt.Tooltip("note:N", title=" "),
                alt.Tooltip("value:Q", format=".4f", title="prediction"),
            ],
        )
    ]
