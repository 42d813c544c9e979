"""The lifts of a table of the paper: ours with intervals, the paper's own beside them.

Cells are those of `workbench.reproduce.cells.make_cell` with the paper's figures.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from workbench.charts import style
from workbench.charts.names import name_of
from workbench.charts.words import listing, percent

PAPER = "the paper's figure"
LINE = 64
"""Letters of a title's line."""
MODEL_NAMES = {
    "fm": "FM",
    "youtube_dnn": "YouTube DNN",
    "afn": "AFN",
    "dcn_v2": "DCN-V2",
    "euler_net": "EulerNet",
    "two_tower": "Two-tower",
    "multitask": "Multi-task DCN-V2",
    "autoint": "AutoInt",
    "masknet": "MaskNet",
    "gdcn": "GDCN",
}


def frame(cells: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row per cell that has a difference.

    Returns:
        `place` (data and preset), `row` (model), `method`, `name`, `lift`, `low`, `high` (RelaImpr
        and its interval, fractions), `seeds`, `rows`, `paper` (nan where the paper has none).
    """
    records = [
        {
            "place": f"{_data(cell)}, preset {cell['preset']}",
            "row": MODEL_NAMES.get(cell["model"], cell["model"]),
            "method": cell["variant"],
            "name": name_of(cell["variant"]),
            "lift": cell["rela_impr"],
            # The base is taken as fixed: its own spread is a hundredth of the difference's.
            "low": _over(cell["ci_low"], cell["base_auc_mean"]),
            "high": _over(cell["ci_high"], cell["base_auc_mean"]),
            "seeds": len(cell["seeds"]),
            "rows": cell["rows"],
            "paper": _number(cell.get("paper_rela_impr")),
        }
        for cell in cells
        if "delta_auc" in cell
    ]
    return pd.DataFrame(records)


def chart(cells: Sequence[dict[str, Any]], title: str = "") -> alt.VConcatChart:
    """A forest plot for each data set and preset, all on one scale; open diamonds are the paper's
    figures.
    """
    rows = frame(cells)
    methods = list(dict.fromkeys(rows["method"]))
    panels = [
        _panel(rows[rows["place"] == place], str(place), methods)
        for place in dict.fromkeys(rows["place"])
    ]
    shown: alt.VConcatChart = alt.vconcat(*panels).resolve_scale(x="shared", yOffset="independent")
    # A title does not widen its chart: what sticks out is cut off.
    lines = textwrap.wrap(title, LINE)
    return shown.properties(
        title=alt.TitleParams(lines, anchor="start"), description=sentence(cells)
    )


def _panel(rows: pd.DataFrame, title: str, methods: Sequence[str]) -> alt.LayerChart:
    names = [name_of(method) for method in methods]
    colours = alt.Scale(domain=names, range=[style.colour_of(method) for method in methods])
    colour = alt.Color("name:N", scale=colours, title=None, legend=alt.Legend(orient="top"))
    y = alt.Y("row:N", sort=list(dict.fromkeys(rows["row"])), title=None)
    present = [name for name in names if name in set(rows["name"])]
    offset = alt.YOffset("name:N", sort=present, scale=alt.Scale(domain=present))
    axis = alt.Axis(format="+.2%", tickCount=6)
    what = "RelaImpr of test AUC over the base, 95% paired interval over users"
    tooltip = [
        alt.Tooltip("row:N", title="model"),
        alt.Tooltip("name:N", title="variant"),
        alt.Tooltip("lift:Q", format="+.2%", title="RelaImpr"),
        alt.Tooltip("low:Q", format="+.2%", title="from"),
        alt.Tooltip("high:Q", format="+.2%", title="to"),
        alt.Tooltip("paper:Q", format="+.2%", title=PAPER),
        alt.Tooltip("seeds:Q"),
        alt.Tooltip("rows:Q", format=",", title="test rows"),
    ]
    base = alt.Chart(rows).encode(y=y, yOffset=offset)
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]}))
    layers = [
        zero.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(
            x=alt.X("zero:Q", title=what, axis=axis)
        ),
        base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high", color=colour),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x="lift:Q", color=colour, tooltip=tooltip
        ),
        base.transform_filter("isValid(datum.paper)")
        .mark_point(shape="diamond", filled=False, size=70, color=style.RULE, strokeWidth=1.5)
        .encode(x="paper:Q", tooltip=tooltip),
    ]
    height = 26 * max(1, len(rows)) + 14
    return alt.LayerChart(layer=layers).properties(
        width=460, height=height, title=alt.TitleParams(title, anchor="start", fontSize=12)
    )


def sentence(cells: Sequence[dict[str, Any]]) -> str:
    """All that `sentences` says."""
    return " ".join(sentences(cells))


def sentences(cells: Sequence[dict[str, Any]]) -> list[str]:
    """Of each data set and preset, which lifts have an interval above zero, which below, which
    neither; then the range of the paper's.
    """
    rows = frame(cells)
    variants = rows["name"].nunique() > 1
    told = []
    for place, own in rows.groupby("place", sort=False):
        above, below = own["low"] > 0, own["high"] < 0
        kinds = {
            "better than the base": above,
            "worse": below,
            "no difference shows for": ~(above | below),
        }
        found = [
            f"{kind} {_names(own[chosen], variants)}"
            for kind, chosen in kinds.items()
            if chosen.any()
        ]
        told.append(f"{place}: {'; '.join(found)}.")
    paper = rows["paper"].dropna()
    if len(paper):
        low, high = percent(float(paper.min())), percent(float(paper.max()))
        told.append(f"The paper's lifts there are {low} to {high} (diamonds).")
    return told


def _names(rows: pd.DataFrame, variants: bool) -> str:
    words = [
        f"{row['row']}{' with ' + row['name'] if variants else ''} {percent(row['lift'])}"
        for row in rows.to_dict("records")
    ]
    return listing(words, most=20)


def _data(cell: dict[str, Any]) -> str:
    made = cell.get("rows_made")
    return str(cell["data"]) if made is None else f"{cell['data']} ({made:,} rows)"


def _over(value: float | None, base: float) -> float:
    return float("nan") if value is None else value / base


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
