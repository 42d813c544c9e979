"""Norms of ID embeddings by activity, head against tail: one panel per way of training.

Frames are those of `workbench.insight.id_norms.id_norms` (run, variant, seed, feature, decile,
activity, median, p10, p25, p75, p90, entities, initial), with a `group` column where runs of one
variant differ by more than their seed. Ratios have one row per run: run, group, variant, seed,
ratio, ci_low, ci_high.
"""

from __future__ import annotations

from typing import NamedTuple

import altair as alt
import pandas as pd

from workbench.charts import names, style, words


class Scales(NamedTuple):
    """Upper ends of the axes that all panels of a view share."""

    top: float
    activity: float


def scales(frame: pd.DataFrame) -> Scales:
    """Shared scales of all panels of `frame`."""
    top = 1.05 * float(frame[["p90", "initial"]].max().max())
    return Scales(top or 1.0, 1.15 * float(frame["activity"].max()))


def entity(feature: str) -> str:
    """What the values of an ID feature are: "user_id" has users."""
    return feature.removesuffix("_id").replace("_", " ")


def panel(
    frame: pd.DataFrame,
    shared: Scales | None = None,
    *,
    reference: pd.DataFrame | None = None,
    chosen: tuple[float, float] | None = None,
    brush: bool = False,
) -> alt.LayerChart:
    """Norm against activity for the runs of one group.

    One line per run (seed) through the medians of the activity deciles, bands for the middle 50%
    and 80% of the values, a dashed rule at the median norm before training.

    Args:
        frame: rows of one group and one feature.
        shared: from `scales` of the frame with all groups; None takes this group's own.
        reference: rows of the base runs, drawn as thin grey lines.
        chosen: the reader's activity range, drawn as a band (user IDs only).
        brush: let the reader set that range by dragging.
    """
    shared = shared or scales(frame)
    label = group_of(frame)
    colour = style.COLOURS[names.variant_of(label)]
    feature = str(frame["feature"].iloc[0])
    one = entity(feature)
    runs = int(frame["run"].nunique())
    x = style.activity_axis(
        "activity", shared.activity, f"training interactions of the {one}", zero=False
    )

    def y(field: str) -> alt.Y:
        scale = alt.Scale(domain=[0, shared.top], nice=False)
        axis = alt.Axis(title="norm of the embedding", tickCount=5)
        return alt.Y(field, type="quantitative", scale=scale, axis=axis)

    rows = alt.Chart(frame)
    tooltip = _tooltip(one)
    # Bands of several seeds lie on each other: each is fainter, so that their sum stays the same.
    layers: list[alt.Chart] = [
        rows.mark_area(color=colour, opacity=0.14 / runs, aria=False).encode(
            x=x, y=y("p10"), y2="p90", detail="run:N"
        ),
        rows.mark_area(color=colour, opacity=0.24 / runs, aria=False).encode(
            x=x, y=y("p25"), y2="p75", detail="run:N"
        ),
        rows.mark_line(
            color=colour, strokeWidth=2, strokeDash=style.DASHES[names.variant_of(label)]
        ).encode(x=x, y=y("median"), detail="run:N"),
        rows.mark_point(color=colour, size=26, filled=True, opacity=1).encode(
            x=x, y=y("median"), tooltip=tooltip
        ),
    ]
    if brush:
        layers[-1] = layers[-1].add_params(style.slice_brush())
    if reference is not None and len(reference):
        line = alt.Chart(reference).mark_line(
            color=style.COLOURS["base"], strokeWidth=1.2, strokeDash=style.DASHES["base"]
        )
        layers.insert(2, line.encode(x=x, y=y("median"), detail="run:N", tooltip=tooltip))
    initial = float(frame["initial"].median())
    note = f"median norm before training: {initial:.3f}"
    layers.append(style.horizontal_rule(initial, note).encode(y=y("value")))
    if chosen is not None:
        low = max(chosen[0], 0.85)
        layers.insert(0, style.slice_band(low, max(min(chosen[1], shared.activity), low)))
    entities = int(frame.groupby("run")["entities"].sum().max())
    support = f"{words.count(entities, one)}, {words.count(runs, 'run')}"
    title = alt.TitleParams(
        names.name_of(label),
        subtitle=support,
        anchor="start",
        fontSize=13,
        subtitleFontSize=11,
        subtitleColor=style.RULE,
    )
    return alt.LayerChart(layer=layers).properties(title=title, description=curve_sentence(frame))


def chart(frame: pd.DataFrame, *, columns: int = 2) -> alt.ConcatChart:
    """All groups as panels of fixed size, the base first; for notebooks and files."""
    shared = scales(frame)
    base = frame[frame["variant"] == "base"]
    panels = [
        panel(
            rows, shared, reference=None if group_of(rows).startswith("base") else base
        ).properties(width=300, height=200)
        for rows in split(frame)
    ]
    return alt.concat(*panels, columns=columns).properties(
        description=" ".join(curve_sentence(rows) for rows in split(frame))
    )


def split(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """One frame per group, in the frame's order."""
    column = "group" if "group" in frame else "variant"
    return [rows for _, rows in frame.groupby(column, sort=False, observed=True)]


def group_of(frame: pd.DataFrame) -> str:
    """The label of the one group that `frame` holds."""
    return str(frame["group" if "group" in frame else "variant"].iloc[0])


def ratio_chart(ratios: pd.DataFrame) -> alt.LayerChart:
    """Head:tail ratio of each run with its interval; a rule at 1, where both are alike."""
    shown = [names.name_of(group, short=True) for group in ratios["group"]]
    seeds = ratios["seed"].astype(str)
    rows = ratios.assign(label=[f"{n}, seed {s}" for n, s in zip(shown, seeds, strict=True)])
    x_scale = alt.Scale(zero=False, nice=True, padding=12)
    x_axis = alt.Axis(title="norm of head / norm of tail", tickCount=5)
    y = alt.Y(
        "label:N",
        sort=list(rows["label"]),
        axis=alt.Axis(title=None, labelLimit=220, labelFlush=False),
    )
    groups = list(dict.fromkeys(ratios["group"]))
    colour = alt.Color("group:N", scale=style.colour_scale(groups), legend=None)
    tooltip = [
        alt.Tooltip("run:N"),
        alt.Tooltip("ratio:Q", format=".3f"),
        alt.Tooltip("ci_low:Q", format=".3f", title="95% interval from"),
        alt.Tooltip("ci_high:Q", format=".3f", title="to"),
    ]
    base = alt.Chart(rows).encode(y=y, color=colour, tooltip=tooltip)
    interval = base.mark_rule(strokeWidth=2, aria=False).encode(
        x=alt.X("ci_low:Q", scale=x_scale, axis=x_axis), x2="ci_high"
    )
    point = base.mark_point(size=55, filled=True, opacity=1).encode(
        x=alt.X("ratio:Q", scale=x_scale, axis=x_axis)
    )
    same = alt.Chart(pd.DataFrame({"ratio": [1.0]})).mark_rule(
        color=style.RULE, strokeDash=[4, 3], aria=False
    )
    layers = [same.encode(x=alt.X("ratio:Q", scale=x_scale, axis=x_axis)), interval, point]
    return alt.LayerChart(layer=layers).properties(description=sentence(ratios))


def curve_sentence(frame: pd.DataFrame) -> str:
    """Median norm of the least and the most active decile, over the seeds of one group."""
    one = entity(str(frame["feature"].iloc[0]))
    least = frame[frame["decile"] == frame["decile"].min()]
    most = frame[frame["decile"] == frame["decile"].max()]
    seeds = words.count(int(frame["run"].nunique()), "run")
    return (
        f"{names.name_of(group_of(frame))} ({seeds}): the median norm goes from "
        f"{words.number(least['median'].mean())} for {one}s with about "
        f"{least['activity'].mean():,.0f} training interactions to "
        f"{words.number(most['median'].mean())} for those with about "
        f"{most['activity'].mean():,.0f}; before training it was "
        f"{words.number(frame['initial'].median())}."
    )


def sentence(ratios: pd.DataFrame, *, feature: str = "user_id", head_share: float = 0.05) -> str:
    """All of `sentences` in one text."""
    return " ".join(sentences(ratios, feature=feature, head_share=head_share))


def sentences(
    ratios: pd.DataFrame, *, feature: str = "user_id", head_share: float = 0.05
) -> list[str]:
    """Whether head embeddings are longer than tail ones, and whether groups differ in that.

    The first says what is compared; then one for each group.
    """
    one = entity(feature)
    known = ratios.dropna(subset=["ratio", "ci_low", "ci_high"])
    if known.empty:
        return [
            f"Too many {one}s have the same activity to tell head from tail: no ratio can be given."
        ]
    base = known[known["variant"] == "base"]
    parts = [
        f"Median norm of the most active {head_share:.0%} of {one}s over that of the less active "
        "half:"
    ]
    for group, rows in known.groupby("group", sort=False, observed=True):
        low, high = float(rows["ci_low"].min()), float(rows["ci_high"].max())
        text = f"{names.name_of(str(group))}: {words.number(rows['ratio'].mean(), 2)} times"
        span = f"the 95% intervals of {len(rows)} seeds span {low:.2f} to {high:.2f}"
        text += f" ({words.interval(low, high, 2) if len(rows) == 1 else span})"
        if low <= 1 <= high:
            text += f", {words.NO_DIFFERENCE.replace('users', one + 's')}"
        else:
            text += f", head embeddings are {'longer' if low > 1 else 'shorter'}"
        if len(base) and rows["variant"].iloc[0] != "base":
            text += f"; {_against(rows, base)}"
        parts.append(text + ".")
    return parts


def _against(rows: pd.DataFrame, base: pd.DataFrame) -> str:
    if rows["ci_low"].min() > base["ci_high"].max():
        return "a larger ratio than the base's, the intervals are apart"
    if rows["ci_high"].max() < base["ci_low"].min():
        return "a smaller ratio than the base's, the intervals are apart"
    return "the interval overlaps the base's"


def _tooltip(one: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("run:N"),
        alt.Tooltip("activity:Q", format=",.0f", title="training interactions (median)"),
        alt.Tooltip("median:Q", format=".3f", title="median norm"),
        alt.Tooltip("p25:Q", format=".3f", title="middle half from"),
        alt.Tooltip("p75:Q", format=".3f", title="to"),
        alt.Tooltip("p10:Q", format=".3f", title="middle 80% from"),
        alt.Tooltip("p90:Q", format=".3f", title="to "),
        alt.Tooltip("entities:Q", format=",", title=f"{one}s"),
    ]
