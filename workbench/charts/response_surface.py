"""The response surface: what the weight of the copies and the mask range do to AUC.

Frames and optima are those of `workbench.insight.response_surface.response_surface`.
"""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from workbench.charts import style
from workbench.charts.words import signed
from workbench.insight.response_surface import Optimum

# Readable on both ends of the colour scale and in between, on either theme.
DARK = 0.6
"""Share of the colours' reach from which a text is white to be read."""
SURE = 0.95
"""Share of the draws that a setting has to win to be called the best."""


CELL_PARAM = "cell"
"""Name of the selection; what it returns is ``{"cell": [{"aux_weight": ..., ...}]}``."""


def chart(
    frame: pd.DataFrame, optimum: Mapping[str, Optimum], *, clickable: bool = False
) -> alt.LayerChart:
    """A heat map of the difference to the base; numbers say it, and how often a cell wins.

    The colour scale is symmetric around zero: neutral means "as the base".

    Args:
        frame, optimum: of the insight. A column `note` replaces what stands below the numbers.
        clickable: let the reader choose a cell, see `CELL_PARAM`.
    """
    rows = frame.assign(
        mask_range=[f"{low:g} to {high:g}" for low, high in _bounds(frame)],
        text=[f"{signed(row)}" for row in frame["delta"]],
        wins_text=frame["note"]
        if "note" in frame
        else [f"best in {share:.0%}" for share in frame["wins"]],
    )
    ranges = [f"{low:g} to {high:g}" for low, high in sorted(set(_bounds(frame)))]
    reach = max(float(frame["delta"].abs().max()), 1e-6)
    x = alt.X("aux_weight:O", title="weight of the copies, αk", axis=alt.Axis(labelAngle=0))
    y = alt.Y("mask_range:N", sort=ranges[::-1], title="mask range")
    ends = [style.COLOURS["mask"], "#F7F7F7", style.COLOURS["full"]]
    scale = alt.Scale(domain=[-reach, 0, reach], range=ends)
    colour = alt.Color("delta:Q", scale=scale, title="AUC to base")
    tooltip = [
        alt.Tooltip("aux_weight:O", title="αk"),
        alt.Tooltip("mask_range:N", title="mask range"),
        alt.Tooltip("value:Q", format=".4f", title="AUC"),
        alt.Tooltip("delta:Q", format="+.4f", title="to base"),
        alt.Tooltip("ci_low:Q", format="+.4f", title="interval from"),
        alt.Tooltip("ci_high:Q", format="+.4f", title="to"),
        alt.Tooltip("wins:Q", format=".0%", title="best in"),
    ]
    base = alt.Chart(rows).encode(x=x, y=y)
    dark = alt.expr.abs(alt.datum.delta) > DARK * reach
    ink = alt.condition(dark, alt.value("white"), alt.value("black"))
    best = base.transform_filter(f"datum.delta == {float(frame['delta'].max())!r}")
    cells = base.mark_rect().encode(color=colour, tooltip=tooltip)
    if clickable:
        fields = ["aux_weight", "mask_low", "mask_high"]
        cells = cells.add_params(alt.selection_point(name=CELL_PARAM, fields=fields, toggle=False))
    layers = [
        cells,
        best.mark_rect(filled=False, stroke=style.SLICE, strokeWidth=3, aria=False),
        base.mark_text(dy=-6, fontSize=11).encode(text="text:N", color=ink),
        base.mark_text(dy=8, fontSize=9, aria=False).encode(text="wins_text:N", color=ink),
    ]
    width = 90 * frame["aux_weight"].nunique()
    return alt.LayerChart(layer=layers).properties(
        width=width, height=48 * len(ranges), description=sentence(frame, optimum)
    )


def sentence(frame: pd.DataFrame, optimum: Mapping[str, Optimum]) -> str:
    """The best setting, how sure that is, and the interval of each axis."""
    top = frame.iloc[int(frame["delta"].argmax())]
    weight, mean = optimum["aux_weight"], optimum["mask_mean"]
    verdict = "It is" if top["wins"] >= SURE else "It cannot be told from others: it is"
    return (
        f"Best on all users: αk = {top['aux_weight']:g} with mask range {top['mask_low']:g} to "
        f"{top['mask_high']:g}, {signed(top['delta'])} AUC to the base. {verdict} the best in "
        f"{top['wins']:.0%} of the draws. 95% of the best settings have αk between "
        f"{weight.low:g} and {weight.high:g} and mask a feature with a mean probability between "
        f"{mean.low:g} and {mean.high:g}."
    )


def chosen_sentence(frame: pd.DataFrame) -> str:
    """The setting that validation picks, and what it then does on the test rows.

    Args:
        frame: of `workbench.insight.surface_runs.surface_of_runs`.
    """
    known = frame.dropna(subset=["valid_delta"])
    if known.empty:
        return "No run says its validation AUC."
    top = known.iloc[int(known["valid_delta"].argmax())]
    verdict = (
        "more than the base"
        if top["ci_low"] > 0
        else "less than the base"
        if top["ci_high"] < 0
        else "no difference that this many users can show"
    )
    return (
        f"Chosen on validation: αk = {top['aux_weight']:g} with mask range {top['mask_low']:g} to "
        f"{top['mask_high']:g} ({signed(top['valid_delta'])} validation AUC to the base). On the "
        f"test rows it has {signed(top['delta'])} AUC to the base (95% interval "
        f"{signed(top['ci_low'])} to {signed(top['ci_high'])}): {verdict}."
    )


def _bounds(frame: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(frame["mask_low"], frame["mask_high"], strict=True))
