"""The adapter's mean weight by user activity and item popularity, for one feature.

Frames are those of `workbench.insight.adapter_weights.adapter_heatmap`: user_bucket, user_order,
item_bucket, item_order, weight, rows, users.
"""

from __future__ import annotations

from typing import Literal

import altair as alt
import pandas as pd

from workbench.charts import style, words

NAMES = {"weight": "weight w", "contribution": "contribution w * |v|"}


def chart(
    frame: pd.DataFrame, *, feature: str, start: float | None = None, quantity: str = "weight"
) -> alt.LayerChart:
    """A heat map with the value written into every cell; cells with fewer than 30 users are grey.

    Args:
        frame: see the module.
        feature: for the description.
        start: the weight before training, the middle of the colours; None has one colour grow
            with the value (contributions).
        quantity: "weight" or "contribution".
    """
    data = frame.assign(enough=frame["users"] >= style.ENOUGH_USERS)
    shown = data[data["enough"]] if data["enough"].any() else data
    low, high = float(shown["weight"].min()), float(shown["weight"].max())
    if start is None:
        scale = alt.Scale(scheme="blues", domain=[0, high or 1.0])
    else:
        # Equally far to both sides, so that equal distance from the start has equal strength.
        reach = max(high - start, start - low, 0.02)
        domain = [start - reach, start, start + reach]
        scale = alt.Scale(scheme="blueorange", domain=domain, reverse=True)
    base = alt.Chart(data).encode(
        x=alt.X(
            "item_bucket:O",
            sort=_order(frame, "item"),
            axis=alt.Axis(title="training interactions of the item", labelAngle=0),
        ),
        y=alt.Y(
            "user_bucket:O",
            sort=_order(frame, "user")[::-1],
            axis=alt.Axis(title="training interactions of the user"),
        ),
        tooltip=[
            alt.Tooltip("user_bucket:N", title="user's interactions"),
            alt.Tooltip("item_bucket:N", title="item's interactions"),
            alt.Tooltip("weight:Q", format=".3f", title=f"mean {NAMES[quantity]}"),
            alt.Tooltip("users:Q", format=","),
            alt.Tooltip("rows:Q", format=",", title="test rows"),
        ],
    )
    fill = alt.Color(
        "weight:Q",
        scale=scale,
        legend=alt.Legend(title=f"mean {NAMES[quantity]}", format=".2f", gradientLength=180),
    )
    cells = base.transform_filter("datum.enough").mark_rect().encode(color=fill)
    few = base.transform_filter("!datum.enough").mark_rect(color=style.TOO_FEW, opacity=0.35)
    # Strong cells are dark at both ends of the diverging colours, weak ones light on both themes.
    dark = f"datum.weight > {high * 0.6}" if start is None else "false"
    if start is not None:
        dark = f"abs(datum.weight - {start}) > {0.6 * reach}"
    text = base.mark_text(fontSize=11, aria=False).encode(
        text=alt.Text("weight:Q", format=".2f"),
        color=alt.when(f"datum.enough && {dark}")
        .then(alt.value("#FFFFFF"))
        .when("datum.enough")
        .then(alt.value("#222222"))
        .otherwise(alt.value(style.RULE)),
    )
    return alt.LayerChart(layer=[cells, few, text]).properties(
        width=alt.Step(52),
        height=alt.Step(30),
        description=sentence(frame, feature=feature, quantity=quantity),
    )


def sentence(frame: pd.DataFrame, *, feature: str, quantity: str = "weight") -> str:
    """Where the value is largest and smallest, and how many cells are too thin to be read."""
    title, what = words.feature_title(feature), NAMES[quantity]
    usable = frame[frame["users"] >= style.ENOUGH_USERS]
    few = len(frame) - len(usable)
    tail = ""
    if few:
        verb = "has" if few == 1 else "have"
        tail = f" {words.count(few, 'cell')} {verb} fewer than {style.ENOUGH_USERS} users (grey)."
    if usable.empty:
        return f"{title}: no cell has {style.ENOUGH_USERS} users, so nothing can be said.{tail}"
    ordered = usable.sort_values("weight")
    ends = [ordered.iloc[-1], ordered.iloc[0]]
    places = [
        f"{words.number(cell['weight'])} for users with {cell['user_bucket']} and items with "
        f"{cell['item_bucket']} training interactions ({words.count(int(cell['rows']), 'row')})"
        for cell in ends
    ]
    return (
        f"{title}: the mean {what} is largest, {places[0]}, and smallest, {places[1]}. "
        f"A cell is a mean over samples, without an interval.{tail}"
    )


def _order(frame: pd.DataFrame, side: Literal["user", "item"]) -> list[str]:
    rows = frame[[f"{side}_bucket", f"{side}_order"]].drop_duplicates()
    return [str(name) for name in rows.sort_values(f"{side}_order")[f"{side}_bucket"]]
