"""The 2 x 2 ablation: AUC of mask, adapter and both against the base, for several base models.

Frames hold one row per base model and variant: `model` and `variant`, and from
`workbench.insight.paired.paired_by_bucket` `delta`, `ci_low`, `ci_high` and `smallest_effect`.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.charts import style
from workbench.charts.names import NAMES, VARIANTS
from workbench.charts.words import listing


def chart(frame: pd.DataFrame) -> alt.LayerChart:
    """A forest plot: one block of rows per base model, zero is the base itself.

    The grey bands reach to the smallest effect that each comparison can show.
    """
    rows = frame.assign(
        name=frame["variant"].map(NAMES),
        undetectable_low=-frame["smallest_effect"],
        undetectable_high=frame["smallest_effect"],
    )
    shown = [variant for variant in VARIANTS if variant in set(frame["variant"])]
    names = [NAMES[variant] for variant in shown]
    models = list(dict.fromkeys(frame["model"]))
    y = alt.Y("model:N", sort=models, title=None)
    offset = alt.YOffset("name:N", sort=names, scale=alt.Scale(domain=names))
    title = "difference of test AUC to the base, 95% paired interval over users"
    axis = alt.Axis(format="+.3f", tickCount=5)
    scale = alt.Scale(domain=names, range=[style.COLOURS[variant] for variant in shown])
    colour = alt.Color("name:N", scale=scale, title=None, legend=alt.Legend(orient="top"))
    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("name:N", title="variant"),
        alt.Tooltip("delta:Q", format="+.4f"),
        alt.Tooltip("ci_low:Q", format="+.4f"),
        alt.Tooltip("ci_high:Q", format="+.4f"),
        alt.Tooltip("smallest_effect:Q", format=".4f", title="smallest effect to be seen"),
    ]
    base = alt.Chart(rows).encode(y=y, yOffset=offset)
    band = base.mark_bar(color=style.FAINT, opacity=0.25, aria=False)
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]}))
    layers = [
        band.encode(x=alt.X("undetectable_low:Q", title=title, axis=axis), x2="undetectable_high"),
        zero.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(x="zero:Q"),
        base.mark_rule(strokeWidth=2).encode(x="ci_low:Q", x2="ci_high", color=colour),
        base.mark_point(filled=True, size=55, opacity=1).encode(
            x="delta:Q", color=colour, tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers).properties(
        width=440, height=60 * len(models), description=sentence(frame)
    )


def sentence(frame: pd.DataFrame) -> str:
    """Which comparisons have an interval that excludes zero."""
    above, below = frame[frame["ci_low"] > 0], frame[frame["ci_high"] < 0]
    open_ones = len(frame) - len(above) - len(below)
    return (
        f"Better than its base: {_names(above)}. Worse: {_names(below)}. "
        f"No difference that can be shown: {open_ones} of {len(frame)} comparisons."
    )


def _names(frame: pd.DataFrame) -> str:
    pairs = zip(frame["model"], frame["variant"], strict=True)
    return listing([f"{model} with {NAMES[variant]}" for model, variant in pairs], most=20)
