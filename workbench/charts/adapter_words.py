"""The panels of `workbench.charts.adapter_weights` in words."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from workbench.charts import style, words

QUANTITIES = {"weight": "weight w", "contribution": "contribution w * |v|"}
SMALL = 0.01
"""A weight that changes less hardly matters, however sure the change is."""


def split(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """One frame per feature, in the frame's order (ID features first)."""
    return [rows for _, rows in frame.groupby("feature", sort=False, observed=True)]


class Trend(NamedTuple):
    """The least and the most active bin of one feature that hold enough users."""

    feature: str
    first: pd.Series
    last: pd.Series

    @property
    def change(self) -> float:
        """From the least to the most active bin."""
        return float(self.last["median"] - self.first["median"])

    @property
    def direction(self) -> int:
        """1 where the last bin lies above the first with their intervals apart, -1 below, or 0."""
        if self.last["ci_low"] > self.first["ci_high"]:
            return 1
        return -1 if self.last["ci_high"] < self.first["ci_low"] else 0


def trends(frame: pd.DataFrame, chosen: tuple[float, float] | None = None) -> list[Trend]:
    """Each feature's least and most active bin with enough users inside the chosen range."""
    found = []
    for rows in split(_within(frame, chosen)):
        usable = rows[rows["enough"]].sort_values("order")
        if len(usable) > 1:
            found.append(Trend(str(usable["feature"].iloc[0]), usable.iloc[0], usable.iloc[-1]))
    return found


def sentence(
    frame: pd.DataFrame,
    *,
    quantity: str = "weight",
    chosen: tuple[float, float] | None = None,
) -> str:
    """What the numbers say: which features gain with activity, which lose, which show nothing."""
    what = QUANTITIES[quantity]
    found = trends(frame, chosen)
    left_out = _left_out(_within(frame, chosen))
    if not found:
        least = style.ENOUGH_USERS
        return f"Fewer than two bins of activity hold {least} users: nothing can be said.{left_out}"
    first, last = found[0].first, found[0].last
    ends = (
        f"between users with {words.activities(first['low'], first['high'])} training interactions "
        f"and users with {words.activities(last['low'], last['high'])}"
    )
    if len(found) == 1:
        return f"{_change(found[0], what)} {ends}.{left_out}"
    parts = []
    ways = {1: "rises for", -1: "falls for", 0: f"shows {words.NO_DIFFERENCE} for"}
    for direction, verb in ways.items():
        titles = [words.feature_title(t.feature) for t in found if t.direction == direction]
        if titles:
            parts.append(f"{verb} {words.listing(titles)}")
    strongest = max(found, key=lambda trend: abs(trend.change))
    text = f"The median {what} {words.listing(parts)}, {ends}."
    small = sum(trend.direction != 0 and abs(trend.change) < SMALL for trend in found)
    if small and quantity == "weight":
        text += f" {small} of these changes {'is' if small == 1 else 'are'} smaller than {SMALL}."
    if strongest.direction:
        text += f" The largest change: {_change(strongest, what)}."
    return text + left_out


def _change(trend: Trend, what: str) -> str:
    first, last = trend.first, trend.last
    ends = (
        f"{words.number(first['median'])} ({words.interval(first['ci_low'], first['ci_high'])}) "
        f"to {words.number(last['median'])} ({words.interval(last['ci_low'], last['ci_high'])})"
    )
    title = words.feature_title(trend.feature)
    if trend.direction == 0:
        return f"{title}: the median {what} shows {words.NO_DIFFERENCE}, from {ends}"
    verb = "rises" if trend.direction > 0 else "falls"
    return f"{title}: the median {what} {verb} from {ends}"


def _left_out(frame: pd.DataFrame) -> str:
    few = frame.loc[~frame["enough"], "bin"].nunique()
    if not few:
        return ""
    verb = "holds" if few == 1 else "hold"
    return (
        f" {words.count(few, 'bin')} {verb} fewer than {style.ENOUGH_USERS} users, left out here."
    )


def _within(frame: pd.DataFrame, chosen: tuple[float, float] | None) -> pd.DataFrame:
    if chosen is None:
        return frame
    return frame[(frame["activity"] >= chosen[0]) & (frame["activity"] <= chosen[1])]
