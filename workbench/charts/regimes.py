"""The lift over the base under each regime: a panel per question, data set and model.

Cells are those of `workbench.reproduce.make_regimes.regime_cells`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from workbench.charts import style
from workbench.charts.names import METHODS, name_of
from workbench.charts.paper_tables import MODEL_NAMES
from workbench.charts.words import listing, percent
from workbench.reproduce.regimes import PARTS

LARGE = 0.01
"""RelaImpr from which a lift is called large."""


def frame(cells: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row per point and variant.

    Returns:
        `part`, `place` (model and data), `point`, `order`, `method`, `name`, `lift`, `low`, `high`
        (RelaImpr and its 95% interval over users, fractions), `base`, `value` (AUC), `users`,
        `rows`, `seeds`.
    """
    records = []
    for cell in cells:
        base = cell["base_auc_mean"]
        model = MODEL_NAMES.get(cell["model"], cell["model"])
        records.append(
            {
                "part": cell["part"],
                "place": f"{model}, {cell['data']}, preset {cell['preset']}",
                "point": cell["point"],
                "order": cell["order"],
                "method": cell["variant"],
                "name": name_of(cell["variant"]),
                "lift": cell["rela_impr"],
                "low": float("nan") if cell["ci_low"] is None else cell["ci_low"] / base,
                "high": float("nan") if cell["ci_high"] is None else cell["ci_high"] / base,
                "base": base,
                "value": cell["auc_mean"],
                "users": cell["users"],
                "rows": cell["rows"],
                "seeds": len(cell["seeds"]),
            }
        )
    return pd.DataFrame(records)


def chart(cells: Sequence[dict[str, Any]], *, titled: bool = True) -> alt.VConcatChart:
    """Points with intervals, one panel per question, model and data set, in the parts' order;
    without titles where what is around the chart says the same.
    """
    rows = frame(cells)
    methods = [method for method in METHODS if method in set(rows["method"])]
    panels = [
        _panel(
            own,
            f"({part}) {PARTS[part].title}: {place}" if titled else "",
            PARTS[part].axis,
            methods,
        )
        for part in PARTS
        for place, own in rows[rows["part"] == part].groupby("place", sort=False)
    ]
    shown: alt.VConcatChart = alt.vconcat(*panels).resolve_scale(
        color="shared", xOffset="independent"
    )
    return shown.properties(description=sentence(cells))


def _panel(
    rows: pd.DataFrame, title: str, axis_title: str, methods: Sequence[str]
) -> alt.LayerChart:
    names = [name_of(method) for method in methods]
    colours = alt.Scale(domain=names, range=[style.colour_of(method) for method in methods])
    colour = alt.Color("name:N", scale=colours, title=None, legend=alt.Legend(orient="top"))
    points = list(rows.sort_values("order", kind="stable")["point"].unique())
    # A word a line: "weight decay 1e-05" is wider than its place.
    axis = alt.Axis(title=axis_title, labelAngle=0, labelExpr="split(datum.label, ' ')")
    x = alt.X("point:N", sort=points, axis=axis)
    shown = [name for name in names if name in set(rows["name"])]
    offset = alt.XOffset("name:N", sort=shown, scale=alt.Scale(domain=shown))
    y_axis = alt.Axis(format="+.2~%", tickCount=5, title="RelaImpr of AUC", titlePadding=16)
    tooltip = [
        alt.Tooltip("point:N", title=axis_title),
        alt.Tooltip("name:N", title="variant"),
        alt.Tooltip("lift:Q", format="+.2%", title="RelaImpr"),
        alt.Tooltip("low:Q", format="+.2%", title="95% interval from"),
        alt.Tooltip("high:Q", format="+.2%", title="to"),
        alt.Tooltip("base:Q", format=".4f", title="AUC of the base"),
        alt.Tooltip("value:Q", format=".4f", title="AUC"),
        alt.Tooltip("users:Q", format=","),
        alt.Tooltip("rows:Q", format=",", title="test rows"),
        alt.Tooltip("seeds:Q"),
    ]
    base = alt.Chart(rows).encode(x=x, xOffset=offset)
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]}))
    layers = [
        zero.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(
            y=alt.Y("zero:Q", axis=y_axis)
        ),
        base.mark_rule(strokeWidth=2, aria=False).encode(y="low:Q", y2="high", color=colour),
        base.mark_point(filled=True, size=55, opacity=1).encode(
            y="lift:Q", color=colour, tooltip=tooltip
        ),
    ]
    panel = alt.LayerChart(layer=layers).properties(width=max(280, 62 * len(points)), height=190)
    if not title:
        return panel
    return panel.properties(title=alt.TitleParams(title, anchor="start", fontSize=13))


def sentence(cells: Sequence[dict[str, Any]]) -> str:
    """Per question: the largest lift whose interval is above zero, and the largest loss."""
    rows = frame(cells)
    parts = []
    for part in PARTS:
        own = rows[rows["part"] == part]
        if own.empty:
            continue
        better, worse = own[own["low"] > 0], own[own["high"] < 0]
        words = []
        if len(better):
            words.append(f"best {_told(better.sort_values('lift').iloc[-1])}")
        if len(worse):
            words.append(f"worst {_told(worse.sort_values('lift').iloc[0])}")
        parts.append(f"({part}) {PARTS[part].title}: {listing(words or ['no clear difference'])}.")
    return " ".join(parts)


def _told(row: pd.Series) -> str:
    return f"{percent(float(row['lift']))} at {row['point']} ({row['name']}, {row['place']})"
