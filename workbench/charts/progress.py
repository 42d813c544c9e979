"""How a run's training went: losses by step and validation AUC by epoch.

Frames are those of `workbench.runs.Run.metrics`, with a `run` and a `group` column added.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import style, words

LOSSES = {"loss_main": "main loss", "loss_aux": "auxiliary loss"}


def loss_chart(frame: pd.DataFrame) -> alt.Chart:
    """Main and auxiliary loss of each run, a mean over the steps since the last reading."""
    steps = frame[frame["kind"] == "step"]
    known = [name for name in LOSSES if name in steps and steps[name].notna().any()]
    # A step is counted within its epoch; epochs and their parts make one axis for all runs.
    by_run = steps.groupby("run")
    first, length = by_run["epoch"].transform("min"), by_run["step"].transform("max").clip(lower=1)
    steps = steps.assign(epochs=steps["epoch"] - first + steps["step"] / length)
    long = steps.melt(["run", "group", "epochs"], known, "loss", "value").dropna(subset=["value"])
    long["loss"] = long["loss"].map(LOSSES)
    names = list(LOSSES.values())
    lines: alt.Chart = alt.Chart(long).mark_line(strokeWidth=1.5)
    return lines.encode(
        x=alt.X("epochs:Q", axis=alt.Axis(title="epochs of training", tickMinStep=1)),
        y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="loss")),
        color=_colour(long),
        strokeDash=alt.StrokeDash(
            "loss:N",
            scale=alt.Scale(domain=names, range=[[1, 0], [4, 3]]),
            legend=alt.Legend(title=None, orient="bottom"),
        ),
        detail="run:N",
        tooltip=["run:N", "loss:N", alt.Tooltip("value:Q", format=".4f")],
    ).properties(description=sentence(frame))


def auc_chart(frame: pd.DataFrame) -> alt.Chart:
    """Validation AUC of each run by epoch."""
    epochs = frame[(frame["kind"] == "epoch")].dropna(subset=["valid_auc"])
    lines: alt.Chart = alt.Chart(epochs).mark_line(strokeWidth=1.5, point=True)
    return lines.encode(
        x=alt.X("epoch:Q", axis=alt.Axis(title="epoch", tickMinStep=1, format="d")),
        y=alt.Y("valid_auc:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="validation AUC")),
        color=_colour(epochs),
        detail="run:N",
        tooltip=["run:N", "epoch:Q", alt.Tooltip("valid_auc:Q", format=".4f")],
    ).properties(description=sentence(frame))


def sentence(frame: pd.DataFrame) -> str:
    """The best validation AUC of each run and the epoch it was reached in."""
    if "valid_auc" not in frame:
        return "No epoch has ended yet."
    epochs = frame[frame["kind"] == "epoch"].dropna(subset=["valid_auc"])
    if epochs.empty:
        return "No epoch has ended yet."
    best = epochs.sort_values("valid_auc").groupby("run", sort=False).tail(1)
    parts = [
        f"{row['run']}: {words.number(row['valid_auc'], 4)} in epoch {int(row['epoch'])}"
        for _, row in best.sort_values("valid_auc", ascending=False).iterrows()
    ]
    return f"Best validation AUC: {words.listing(parts, 6)}."


def _colour(frame: pd.DataFrame) -> alt.Color:
    groups = list(dict.fromkeys(frame["group"]))
    return alt.Color(
        "group:N", scale=style.colour_scale(groups), legend=alt.Legend(title=None, orient="bottom")
    )


def live_loss_chart(colour: str) -> alt.LayerChart:
    """Losses of a run under way; the data sets "losses" and "changes" are filled in by the page.

    Without its data the specification never changes, so that a page can add points without
    drawing the chart again. Frames: see `workbench.lab.progress`.
    """
    names = list(LOSSES.values())
    lines = alt.Chart(alt.NamedData("losses")).mark_line(strokeWidth=1.8, color=colour)
    return _live(
        lines.encode(
            x=_epochs_axis(),
            y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="loss")),
            strokeDash=alt.StrokeDash(
                "loss:N",
                scale=alt.Scale(domain=names, range=[[1, 0], [4, 3]]),
                legend=alt.Legend(title=None, orient="bottom"),
            ),
            tooltip=["loss:N", alt.Tooltip("value:Q", format=".4f")],
        ),
        "Main and auxiliary loss while the model trains; the text above says how far it is.",
    )


def live_auc_chart(colour: str) -> alt.LayerChart:
    """Validation AUC of a run under way; data sets "aucs", "changes" and "base" (`value`, `note`).

    The thin line is estimated on a sample of the validation rows, points are over all of them.
    """
    source = alt.NamedData("aucs")
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="validation AUC"))
    tooltip = ["rows:N", alt.Tooltip("value:Q", format=".4f")]
    sample = alt.Chart(source).mark_line(strokeWidth=1, opacity=0.6, color=colour)
    whole = alt.Chart(source).mark_line(strokeWidth=2, color=colour, point={"color": colour})
    base = alt.Chart(alt.NamedData("base")).mark_rule(color=style.COLOURS["base"], strokeWidth=2)
    layers = [
        base.encode(y=alt.Y("value:Q"), tooltip=alt.Tooltip("note:N", title=" ")),
        sample.transform_filter("datum.rows == 'a sample of the rows'").encode(
            x=_epochs_axis(), y=y, tooltip=tooltip
        ),
        whole.transform_filter("datum.rows == 'all rows, each epoch'").encode(
            x=_epochs_axis(), y=y, tooltip=tooltip
        ),
    ]
    return _live(
        alt.LayerChart(layer=layers),
        "Validation AUC while the model trains; grey: the baseline's best.",
    )


def _live(chart: alt.Chart | alt.LayerChart, description: str) -> alt.LayerChart:
    """The chart with a rule wherever a setting was moved by hand."""
    rule = alt.Chart(alt.NamedData("changes")).mark_rule(color=style.SLICE, strokeDash=[4, 3])
    moved = rule.encode(x=_epochs_axis(), tooltip=alt.Tooltip("note:N", title="moved by hand"))
    layers = chart.layer if isinstance(chart, alt.LayerChart) else [chart]
    return alt.LayerChart(layer=[moved, *layers]).properties(description=description, height=280)


def _epochs_axis() -> alt.X:
    return alt.X(
        "epochs:Q",
        scale=alt.Scale(domainMin=0, nice=False),
        axis=alt.Axis(title="epochs of training"),
    )
