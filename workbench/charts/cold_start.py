"""One user at growing histories: the adapter's weights, and how much of the final list is there.

Frames are those of `workbench.insight.cold_start.simulate` for several runs, with `label` and
`variant` of the run.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import run_marks, style, words

PANEL_HEIGHT = 250


def split(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """One frame per feature, in the frame's order (ID features first)."""
    return [rows for _, rows in frame.groupby("feature", sort=False, observed=True)]


def weight_panel(frame: pd.DataFrame, length: int, *, legend: bool = False) -> alt.LayerChart:
    """One feature's weight against the length of the history, a line per run.

    Args:
        frame: rows of one feature.
        length: the history that the reader looks at, drawn as a rule.
        legend: whether this panel names the runs.
    """
    highest = float(frame["length"].max())
    top = 2 * float(frame["start"].max())
    y = alt.Y(
        "weight:Q",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(values=style.nice_ticks(top), title="weight w", format=".2~f"),
    )
    rows = alt.Chart().encode(x=_x(highest), y=y, color=run_marks.colour(frame, legend=legend))
    tooltip = [
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("length:Q", title="training samples kept"),
        alt.Tooltip("weight:Q", format=".4f"),
    ]
    layers = [
        _here(length).encode(x="length:Q"),
        style.horizontal_rule(float(frame["start"].iloc[0]), "weight before training").encode(
            y=alt.Y("value:Q")
        ),
        rows.mark_line(strokeWidth=2).encode(strokeDash=run_marks.dash(frame)),
        rows.mark_point(filled=True, size=38, opacity=1).encode(
            shape=run_marks.shape(frame), tooltip=tooltip
        ),
    ]
    name = words.feature_title(str(frame["feature"].iloc[0]))
    return alt.LayerChart(
        data=frame,
        layer=layers,
        title=alt.TitleParams(name, anchor="start", fontSize=13),
        height=PANEL_HEIGHT,
        description=weight_sentence(frame),
    )


def overlap_chart(frame: pd.DataFrame, length: int, *, size: int = 10) -> alt.LayerChart:
    """How many items of the list of the whole history are there already, a line per run."""
    highest = float(frame["length"].max())
    y = alt.Y(
        "overlap:Q",
        scale=alt.Scale(domain=[-0.3, size + 0.3], nice=False),
        axis=alt.Axis(
            title=f"items of the final top {size}", tickMinStep=1, tickCount=6, format="d"
        ),
    )
    rows = alt.Chart().encode(x=_x(highest), y=y, color=run_marks.colour(frame))
    tooltip = [
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("length:Q", title="training samples kept"),
        alt.Tooltip("overlap:Q", title="items shared with the final list"),
    ]
    layers = [
        _here(length).encode(x="length:Q"),
        rows.mark_line(strokeWidth=2).encode(strokeDash=run_marks.dash(frame)),
        rows.mark_point(filled=True, size=42, opacity=1).encode(
            shape=run_marks.shape(frame), tooltip=tooltip
        ),
    ]
    return alt.LayerChart(
        data=frame,
        layer=layers,
        height=300,
        description=overlap_sentence(frame, size=size),
    )


def weight_sentence(frame: pd.DataFrame) -> str:
    """Where each run's weight of one feature starts and ends."""
    name = words.feature_title(str(frame["feature"].iloc[0]))
    said = []
    for label, rows in frame.groupby("label", sort=False):
        ordered = rows.sort_values("length")
        first, last = ordered.iloc[0], ordered.iloc[-1]
        said.append(
            f"{label} from {first['weight']:.3f} at {first['length']:,} to {last['weight']:.3f} at "
            f"{words.count(int(last['length']), 'training sample')}"
        )
    return f"Weight of {name}: {'; '.join(said)}."


def overlap_sentence(frame: pd.DataFrame, *, size: int = 10) -> str:
    """How much of the final list each run shows to a new user, and when it is first complete."""
    said = []
    for label, rows in frame.groupby("label", sort=False):
        ordered = rows.sort_values("length")
        new = int(ordered["overlap"].iloc[0])
        text = f"{label}: {new} of {size} without any history"
        whole = ordered[ordered["overlap"] >= size]
        if new < size and len(whole):
            text += f", all {size} at {words.count(int(whole['length'].iloc[0]), 'sample')}"
        said.append(text)
    return f"Of the list with the whole history are there already: {'; '.join(said)}."


def _x(highest: float) -> alt.X:
    return style.activity_axis("length", highest * 1.1 + 0.3, "training samples that are kept")


def _here(length: int) -> alt.Chart:
    frame = pd.DataFrame({"length": [length]})
    rule: alt.Chart = alt.Chart(frame).mark_rule(
        color=style.SLICE, strokeWidth=6, opacity=0.45, aria=False
    )
    return rule
