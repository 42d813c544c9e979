"""The planted world's truth beside the estimate: importance of a feature against user activity.

The planted importance is the share of the usable evidence that a feature holds for a user with so
many training interactions (run table ``importance``: feature, activity, importance). The estimate
is the share of a feature's contribution w * |v| in the sum over features, from the frame of
`workbench.insight.adapter_weights` with quantity "contribution". The two are not the same quantity:
what can be compared is the order of the features and which way a feature moves.
"""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from workbench.charts import names, style, words

PLANTED = "planted"
ESTIMATED = "estimated"
MOVES = 0.01
PANEL_HEIGHT = 250
SHAPES = {PLANTED: "square", ESTIMATED: "circle"}


def shares(importance: pd.DataFrame, contributions: pd.DataFrame) -> pd.DataFrame:
    """Both curves in one frame, for the features that both know.

    Args:
        importance: feature, activity, importance (at least 0).
        contributions: see the module.

    Returns:
        feature, kind ("planted" or "estimated"), activity, share, ci_low, ci_high (of this
        feature's median, over the sum of the medians; nan for the planted truth), users, enough.
    """
    known = [f for f in contributions["feature"].unique() if f in set(importance["feature"])]
    truth = importance[importance["feature"].isin(known)]
    total = truth.groupby("activity")["importance"].transform("sum")
    planted = pd.DataFrame(
        {
            "feature": truth["feature"].astype(str),
            "kind": PLANTED,
            "activity": truth["activity"].astype(float),
            "share": truth["importance"] / total.where(total > 0),
            "ci_low": np.nan,
            "ci_high": np.nan,
            "users": 0,
            "enough": True,
        }
    )
    rows = contributions[contributions["feature"].isin(known)]
    total = rows.groupby("bin")["median"].transform("sum")
    total = total.where(total > 0)
    estimated = pd.DataFrame(
        {
            "feature": rows["feature"].astype(str),
            "kind": ESTIMATED,
            "activity": rows["activity"],
            "share": rows["median"] / total,
            "ci_low": rows["ci_low"] / total,
            "ci_high": rows["ci_high"] / total,
            "users": rows["users"],
            "enough": rows["enough"],
        }
    )
    both = pd.concat([planted, estimated], ignore_index=True).dropna(subset=["share"])
    both["place"] = both["feature"].map({name: place for place, name in enumerate(known)})
    both = both.sort_values(["place", "kind", "activity"], kind="stable")
    return both.drop(columns="place").reset_index(drop=True)


def panel(
    frame: pd.DataFrame,
    *,
    top: float | None = None,
    activity: float | None = None,
    variant: str = "full",
) -> alt.LayerChart:
    """One feature: planted share (dashed, squares) and estimated share (solid, points).

    Args:
        frame: rows of one feature of `shares`.
        top, activity: shared ends of the axes; None takes this feature's own.
        variant: decides the colour of the estimate.
    """
    top = top or scale_top(frame)
    activity = activity or float(frame["activity"].max())
    x = style.activity_axis("activity", activity, "training interactions of the user")
    y_axis = alt.Axis(title="share of all features", format="%", tickCount=5)

    def y(field: str) -> alt.Y:
        scale = alt.Scale(domain=[0, top], nice=False)
        return alt.Y(field, type="quantitative", scale=scale, axis=y_axis)

    domain = [PLANTED, ESTIMATED]
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(
            domain=domain, range=[style.RULE, style.COLOURS[names.variant_of(variant)]]
        ),
        legend=None,
    )
    dash = alt.StrokeDash(
        "kind:N", scale=alt.Scale(domain=domain, range=[[4, 3], [1, 0]]), legend=None
    )
    shape = alt.Shape(
        "kind:N", scale=alt.Scale(domain=domain, range=[SHAPES[k] for k in domain]), legend=None
    )
    rows = alt.Chart(frame).encode(x=x, color=colour)
    faint = alt.OpacityValue(0.35, condition={"test": "datum.enough", "value": 1.0})
    tooltip = [
        alt.Tooltip("kind:N"),
        alt.Tooltip("activity:Q", format=",.0f", title="training interactions"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("users:Q", format=","),
    ]
    layers = [
        rows.mark_rule(strokeWidth=1.5, aria=False, clip=True).encode(
            y=y("ci_low"), y2="ci_high", opacity=faint
        ),
        rows.mark_line(strokeWidth=2, clip=True).encode(y=y("share"), strokeDash=dash),
        rows.mark_point(filled=True, size=32, clip=True).encode(
            y=y("share"), shape=shape, opacity=faint, tooltip=tooltip
        ),
    ]
    title = words.feature_title(str(frame["feature"].iloc[0]))
    return alt.LayerChart(layer=layers).properties(
        title=alt.TitleParams(title, anchor="start", fontSize=13),
        height=PANEL_HEIGHT,
        description=f"{title}, planted and estimated share. {_moves(frame)}",
    )


def scale_top(frame: pd.DataFrame) -> float:
    """Upper end of the y axis for all features of `frame`."""
    return 1.08 * float(frame[["share", "ci_high"]].max().max()) or 1.0


def chart(frame: pd.DataFrame, *, variant: str = "full", columns: int = 3) -> alt.ConcatChart:
    """All features as panels of fixed size, for notebooks and files."""
    top, activity = scale_top(frame), float(frame["activity"].max())
    panels = [
        panel(rows, top=top, activity=activity, variant=variant).properties(width=230, height=150)
        for rows in split(frame)
    ]
    return alt.concat(*panels, columns=columns).properties(description=sentence(frame))


def split(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """One frame per feature, in the frame's order."""
    return [rows for _, rows in frame.groupby("feature", sort=False, observed=True)]


def agreement(frame: pd.DataFrame) -> list[tuple[float, float]]:
    """For each bin with enough users: its activity and the rank correlation over features."""
    estimated = frame[(frame["kind"] == ESTIMATED) & frame["enough"]]
    found = []
    for activity in sorted(estimated["activity"].unique()):
        rows = order_at(frame, float(activity))
        ranks = np.corrcoef(rows["planted"].rank(), rows["estimated"].rank())
        if len(rows) > 2 and np.isfinite(ranks[0, 1]):
            found.append((float(activity), float(ranks[0, 1])))
    return found


def order_at(frame: pd.DataFrame, activity: float) -> pd.DataFrame:
    """The features of one bin by their planted share.

    Args:
        frame: of `shares`.
        activity: of a bin of the estimate. The planted share is read off there, linearly in
            log(1 + activity).

    Returns:
        feature, planted, estimated (shares), the largest planted share first.
    """
    rows = frame[(frame["kind"] == ESTIMATED) & (frame["activity"] == activity)]
    planted = {
        name: curve.sort_values("activity")
        for name, curve in frame[frame["kind"] == PLANTED].groupby("feature")
    }
    truth = [
        np.interp(np.log1p(activity), np.log1p(planted[name]["activity"]), planted[name]["share"])
        for name in rows["feature"]
    ]
    table = pd.DataFrame({"feature": rows["feature"], "planted": truth, "estimated": rows["share"]})
    return table.sort_values("planted", ascending=False, ignore_index=True)


def sentence(frame: pd.DataFrame) -> str:
    """How well the order of features agrees, and which features move the planted way."""
    found = agreement(frame)
    if not found:
        return "Too few users or features to compare the estimate with the planted truth."
    (least, first), (most, last) = found[0], found[-1]
    same: list[str] = []
    other: list[str] = []
    for rows in split(frame):
        ways = [_way(rows[rows["kind"] == kind]) for kind in (PLANTED, ESTIMATED)]
        if ways[0]:
            title = words.feature_title(str(rows["feature"].iloc[0]))
            (same if ways[0] == ways[1] else other).append(title)
    text = (
        f"Order of the features, planted against estimated: rank correlation {first:+.2f} for "
        f"users with about {least:,.0f} training interactions and {last:+.2f} for those with "
        f"about {most:,.0f}."
    )
    if same or other:
        text += (
            f" With activity the estimate moves the planted way for {words.listing(same)}"
            f" and not for {words.listing(other)}."
        )
    return text


def _way(rows: pd.DataFrame) -> int:
    """1 where the share rises from the least to the most active users, -1 where it falls.

    The truth moves where it changes by more than `MOVES`, an estimate where the intervals of its
    two ends are apart.
    """
    usable = rows[rows["enough"]].sort_values("activity")
    if len(usable) < 2:
        return 0
    first, last = usable.iloc[0], usable.iloc[-1]
    if first["kind"] == PLANTED:
        change = last["share"] - first["share"]
        return int(change > MOVES) - int(change < -MOVES)
    return int(last["ci_low"] > first["ci_high"]) - int(last["ci_high"] < first["ci_low"])


def _moves(frame: pd.DataFrame) -> str:
    parts = []
    for kind in (PLANTED, ESTIMATED):
        rows = frame[(frame["kind"] == kind) & frame["enough"]].sort_values("activity")
        if len(rows):
            ends = rows.iloc[[0, -1]]["share"]
            parts.append(f"{kind} from {ends.iloc[0]:.0%} to {ends.iloc[1]:.0%}")
    return f"With activity: {words.listing(parts)}."
