"""One request before and after a change: the adapter's weights, and the logit as a waterfall.

Frames are those of `workbench.insight.what_if.explain`.
"""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd

from workbench.charts import style, words
from workbench.charts.names import variant_of

BEFORE, AFTER = "as it is", "edited"
BASELINE, LOGIT, COUNTS = "nothing known", "logit", "state counts"
ROW = 34
"""Pixels of a feature: one bar before and one after."""
FRAME = 105
"""Pixels of title, legend and axis, which Streamlit counts as part of a chart's height."""
SMALL = 0.0005
"""A weight that changes less is said not to change."""


def weights_chart(
    frame: pd.DataFrame, *, variant: str = "full", title: str = "", top: float | None = None
) -> alt.LayerChart:
    """The weight of every feature, before and after, with a rule at the weight before training.

    Args:
        frame: `weights` of one or two requests.
        variant: decides the colour.
        title: of the panel.
        top: right end of the axis; None: the largest weight.
    """
    end = float(top or frame["weight"].max() * 1.05 or 1.0)
    data = weight_rows(frame)
    rows = alt.Chart().encode(
        y=_rows("title"),
        yOffset=_offset(data),
        x=alt.X(
            "weight:Q",
            scale=alt.Scale(domain=[0, end], nice=False),
            axis=alt.Axis(title="weight w", tickCount=5, format=".2~f"),
        ),
    )
    tooltip = [
        alt.Tooltip("title:N", title="feature"),
        alt.Tooltip("state:N"),
        alt.Tooltip("weight:Q", format=".4f"),
        alt.Tooltip("norm:Q", format=".4f", title="length of the vector |v|"),
        alt.Tooltip("contribution:Q", format=".4f", title="w·|v|"),
    ]
    layers: list[alt.Chart] = [
        rows.mark_bar(cornerRadiusEnd=2).encode(color=_colour(data, variant), tooltip=tooltip),
        rows.mark_text(align="left", dx=3, fontSize=10, color=style.RULE, aria=False).encode(
            text=alt.Text("weight:Q", format=".3f")
        ),
    ]
    if np.isfinite(data["start"]).all():
        note = pd.DataFrame({"start": [float(data["start"].iloc[0])]})
        rule: alt.Chart = alt.Chart(note).mark_rule(
            color=style.RULE, strokeDash=[4, 3], strokeWidth=1.2
        )
        tip = alt.Tooltip("start:Q", title="weight before training")
        layers.append(rule.encode(x="start:Q", tooltip=tip))
    return _panel(data, layers, title, weights_sentence(frame))


def waterfall(
    frame: pd.DataFrame,
    *,
    variant: str = "full",
    title: str = "",
    domain: tuple[float, float] | None = None,
) -> alt.LayerChart:
    """From the logit of nothing known, feature by feature, to the logit.

    Args:
        frame: `parts` of one or two requests.
        variant: decides the colour.
        title: of the panel.
        domain: of the x axis; None: `domain_of` this frame.
    """
    ends = domain or domain_of(frame)
    data = waterfall_rows(frame)
    rows = alt.Chart().encode(y=_rows("title"), yOffset=_offset(data))
    x = alt.X(
        "start:Q",
        scale=alt.Scale(domain=list(ends), nice=False),
        axis=alt.Axis(title="logit (0 is a chance of one half)", tickCount=5),
    )
    tooltip = [
        alt.Tooltip("title:N", title="bar"),
        alt.Tooltip("state:N"),
        alt.Tooltip("value:Q", format="+.4f"),
        alt.Tooltip("standard_error:Q", format=".4f", title="standard error (0: exact)"),
        alt.Tooltip("end:Q", format=".4f", title="logit so far"),
        alt.Tooltip("probability:Q", format=".1%", title="as a probability"),
    ]
    layers: list[alt.Chart] = [
        rows.mark_bar(cornerRadius=1).encode(
            x=x, x2="end", color=_colour(data, variant), tooltip=tooltip
        ),
        rows.mark_text(align="left", dx=4, fontSize=10, color=style.RULE, aria=False).encode(
            x=alt.X("right:Q", scale=alt.Scale(domain=list(ends), nice=False)), text="said:N"
        ),
        alt.Chart(pd.DataFrame({"zero": [0.0]}))
        .mark_rule(color=style.RULE, strokeWidth=1, aria=False)
        .encode(x="zero:Q"),
    ]
    return _panel(data, layers, title, waterfall_sentence(frame))


def weight_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows behind `weights_chart`, with titles and the order of the bars."""
    data = frame.assign(title=frame["feature"].map(words.feature_title))
    data["order"] = data.groupby("state", sort=False).cumcount()
    return data


def waterfall_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows behind `waterfall`, with titles and numbers as they are written."""
    return frame.assign(
        title=frame["part"].map(part_title),
        right=frame[["start", "end"]].max(axis=1),
        said=[
            words.signed(value, 2) if part not in (BASELINE, LOGIT) else words.number(value, 2)
            for part, value in zip(frame["part"], frame["value"], strict=True)
        ],
        probability=1 / (1 + np.exp(-frame["end"])),
    )


def domain_of(frame: pd.DataFrame) -> tuple[float, float]:
    """Ends of a waterfall's x axis in steps of a quarter, with room for the numbers."""
    low = float(frame[["start", "end"]].min().min())
    high = float(frame[["start", "end"]].max().max())
    room = 0.06 * (high - low) + 0.05
    return math.floor(4 * (low - room)) / 4, math.ceil(4 * (high + 3 * room)) / 4


def weights_sentence(frame: pd.DataFrame) -> str:
    """The weights that move, or the largest and the smallest."""
    if not np.isfinite(frame["start"]).all():
        return "This run has no adapter: every weight is 1, and counts change nothing."
    before, after = _by_state(frame, "feature", "weight")
    if not after:
        low, high = min(before, key=before.__getitem__), max(before, key=before.__getitem__)
        return (
            f"The largest weight is that of {words.feature_title(high)} ({before[high]:.3f}), the "
            f"smallest that of {words.feature_title(low)} ({before[low]:.3f}); before training all "
            f"were {float(frame['start'].iloc[0]):g}."
        )
    change = _largest_first({name: after[name] - before[name] for name in before})
    moved = [name for name, value in change.items() if abs(value) >= SMALL]
    if not moved:
        return "No weight changes."
    said = [
        f"{words.feature_title(name)} {before[name]:.3f} to {after[name]:.3f}" for name in moved
    ]
    number = words.count(len(moved), "weight")
    verb = "changes" if len(moved) == 1 else "change"
    return f"{number} of {len(before)} {verb}: {words.listing(said)}."


def waterfall_sentence(frame: pd.DataFrame) -> str:
    """The logit before and after, and the features that make the difference."""
    old, new = _by_state(frame, "part", "value")
    parts = [part for part in old if part not in (BASELINE, LOGIT)]
    before = old[LOGIT]
    if not new:
        largest = _largest_first({part: old[part] for part in parts})
        said = [f"{part_title(part)} {words.signed(value, 2)}" for part, value in largest.items()]
        return (
            f"The logit is {before:.2f}, a probability of {_chance(before)}; with nothing known it "
            f"would be {old[BASELINE]:.2f}. Largest parts: {words.listing(said)}."
        )
    after = new[LOGIT]
    change = _largest_first({part: new[part] - old[part] for part in parts})
    said = [
        f"{part_title(part)} {words.signed(value, 2)}"
        for part, value in change.items()
        if abs(value) >= 0.005
    ]
    if abs(after - before) < SMALL:
        text = f"The logit stays at {before:.2f} ({_chance(before)})."
    else:
        way = "rises" if after > before else "falls"
        text = (
            f"The logit {way} from {before:.2f} ({_chance(before)}) to {after:.2f} "
            f"({_chance(after)})."
        )
    return text + (f" What moves: {words.listing(said)}." if said else "")


def part_title(part: str) -> str:
    """A bar's name for people."""
    names = {BASELINE: "Nothing known", LOGIT: "Logit", COUNTS: "State counts"}
    return names.get(part) or words.feature_title(part)


def _by_state(
    frame: pd.DataFrame, name: str, value: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Name -> value before, and after (empty where nothing is edited)."""
    found = []
    for state in (BEFORE, AFTER):
        rows = frame[frame["state"] == state]
        found.append(dict(zip(rows[name].astype(str), rows[value].astype(float), strict=True)))
    return found[0], found[1]


def _largest_first(values: dict[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: -abs(item[1])))


def _chance(logit: float) -> str:
    return f"{1 / (1 + math.exp(-logit)):.1%}"


def _rows(field: str) -> alt.Y:
    sort = alt.EncodingSortField("order", op="min")
    axis = alt.Axis(title=None, ticks=False, labelLimit=150, domain=False)
    return alt.Y(f"{field}:N", sort=sort, axis=axis, scale=alt.Scale(paddingInner=0.22))


def _offset(data: pd.DataFrame) -> alt.YOffset:
    states = _states(data)
    return alt.YOffset("state:N", sort=states, scale=alt.Scale(domain=states))


def _colour(data: pd.DataFrame, variant: str) -> alt.Color:
    own, states = style.COLOURS[variant_of(variant)], _states(data)
    # Grey is the base variant's own colour: before and after must differ there too.
    before = "#D9B44A" if own == style.COLOURS["base"] else style.FAINT
    colours = [before, own] if len(states) > 1 else [own]
    legend = alt.Legend(title=None, orient="top") if len(states) > 1 else None
    return alt.Color("state:N", scale=alt.Scale(domain=states, range=colours), legend=legend)


def _states(data: pd.DataFrame) -> list[str]:
    present = set(data["state"])
    return [state for state in (BEFORE, AFTER) if state in present]


def _panel(
    data: pd.DataFrame, layers: list[alt.Chart], title: str, description: str
) -> alt.LayerChart:
    rows = int(data["order"].max()) + 1
    return alt.LayerChart(
        data=data,
        layer=layers,
        title=alt.TitleParams(title, anchor="start", fontSize=13),
        height=ROW * rows + FRAME,
        description=description,
    )
