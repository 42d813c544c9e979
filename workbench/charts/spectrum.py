"""Singular values of embedding tables, one panel per feature and one line per run.

Frames are those of `workbench.insight.spectrum.spectrum`, with a column `label` that people read.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import style, words


def panel(frame: pd.DataFrame, *, legend: bool = False) -> alt.LayerChart:
    """One feature: the share of each singular value in their sum, on a log axis.

    There is no interval: each value is exact for its run; one line per run shows how far seeds
    scatter.

    Args:
        frame: rows of one feature.
        legend: names the runs; one panel of a row is enough.
    """
    data = frame[frame["share"] > 0]
    feature = str(frame["feature"].iloc[0])
    top = int(frame["rank"].max())
    step = max(1, top // 8)
    x = alt.X(
        "rank:Q",
        axis=alt.Axis(title="singular value, by size", values=list(range(1, top + 1, step))),
        scale=alt.Scale(domain=[0.8, top + 0.2], nice=False),
    )
    y = alt.Y(
        "share:Q", scale=alt.Scale(type="log"), axis=alt.Axis(title="share of sum", format=".1~%")
    )
    names = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=160)
    colour = alt.Color("label:N", scale=style.run_scale(frame), legend=names if legend else None)
    tooltip = [
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("rank:Q"),
        alt.Tooltip("share:Q", format=".2%"),
        alt.Tooltip("effective_rank:Q", format=".1f", title="effective rank"),
    ]
    rows = alt.Chart(data).encode(x=x, y=y, color=colour)
    layers = [
        rows.mark_line(strokeWidth=1.6, opacity=0.8).encode(detail="run:N"),
        rows.mark_point(filled=True, size=22).encode(tooltip=tooltip),
    ]
    note = words.count(int(frame["rows"].iloc[0]), "value")
    title = alt.TitleParams(
        words.feature_title(feature),
        subtitle=note,
        anchor="start",
        fontSize=13,
        subtitleFontSize=11,
        subtitleColor=style.RULE,
    )
    return alt.LayerChart(layer=layers).properties(
        title=title, height=220, description=sentence(frame)
    )


def split(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """One frame per feature, IDs first."""
    ordered = frame.sort_values("is_id", ascending=False, kind="stable")
    return [rows for _, rows in ordered.groupby("feature", sort=False)]


def ranks(frame: pd.DataFrame) -> pd.DataFrame:
    """Effective rank: one row per feature, one column per run's label."""
    first = frame[frame["rank"] == 1]
    table = first.pivot_table(
        index=["feature", "rows", "dim"], columns="label", values="effective_rank", sort=False
    )
    return table.reset_index()


def sentence(frame: pd.DataFrame) -> str:
    """Effective rank of one feature in each run."""
    first = frame[frame["rank"] == 1].to_dict("records")
    feature = words.feature_title(str(frame["feature"].iloc[0]))
    parts = [f"{row['effective_rank']:.1f} ({row['label']})" for row in first]
    return f"{feature}: effective rank of {first[0]['dim']} dimensions {words.listing(parts, 12)}."
