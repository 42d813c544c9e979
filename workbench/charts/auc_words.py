"""The forest plot of `workbench.charts.auc_by_bucket` in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.charts import names, style, words

METRICS = {
    "auc": "AUC",
    "uauc": "UAUC",
    "uauc_macro": "macro UAUC",
    "log_loss": "log loss (lower is better)",
}


def split(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """One frame per group, in the frame's order."""
    return [rows for _, rows in frame.groupby("group", sort=False, observed=True)]


def verdict(row: pd.Series) -> int:
    """1 where the interval lies above zero, -1 below, 0 where it includes zero or is unknown."""
    if row["ci_low"] > 0:
        return 1
    return -1 if row["ci_high"] < 0 else 0


def sentence(frame: pd.DataFrame, *, metric: str = "auc") -> str:
    """All of `sentences` in one text."""
    return " ".join(sentences(frame, metric=metric))


def sentences(frame: pd.DataFrame, *, metric: str = "auc") -> list[str]:
    """One for each group: the difference over all users, and the buckets where it is told from 0.

    A last one names what holds for all groups: users left out, buckets with too few users.
    """
    if "group" not in frame:
        frame = frame.assign(group="this change")
    parts = [_about_group(rows, metric) for rows in split(frame)]
    notes = _notes(frame, metric)
    return [*parts, " ".join(notes)] if notes else parts


def _notes(frame: pd.DataFrame, metric: str) -> list[str]:
    notes = ["A lower log loss is better."] if metric == "log_loss" else []
    few = frame[(frame["order"] >= 0) & (frame["users"] < style.ENOUGH_USERS)]["bucket"].unique()
    if len(few):
        notes.append(
            f"Nothing is said of {words.listing([str(name) for name in few], 8)} training "
            f"interactions: fewer than {style.ENOUGH_USERS} users (grey)."
        )
    whole = frame[frame["order"] == -1]
    left_out = int(whole["users_left_out"].max()) if len(whole) else 0
    if left_out:
        notes.append(
            f"{left_out:,} of {int(whole['users'].max()):,} users have samples of one class only "
            f"and are left out of {METRICS[metric]}."
        )
    return notes


def _about_group(rows: pd.DataFrame, metric: str) -> str:
    name = METRICS[metric].split(" (")[0]
    label = names.name_of(str(rows["group"].iloc[0]))
    whole, buckets = rows[rows["order"] == -1], rows[rows["order"] >= 0]
    buckets = buckets[buckets["users"] >= style.ENOUGH_USERS]
    text = f"{label}:"
    if len(whole):
        row = whole.iloc[0]
        ends = words.interval(row["ci_low"], row["ci_high"], 4, sign=True)
        text += f" {name} {words.signed(row['delta'])} over all {int(row['users']):,} users ({ends}"
        if np.isfinite(row.get("rela_impr", np.nan)):
            text += f"; RelaImpr {words.percent(row['rela_impr'])}"
        text += ")"
        if verdict(row) == 0:
            text += f", {words.NO_DIFFERENCE}"
        text += "."
    found: dict[int, list[pd.Series]] = {1: [], -1: [], 0: []}
    for _, row in buckets.iterrows():
        found[verdict(row)].append(row)
    said = [
        f"{way} at {words.listing([str(row['bucket']) for row in found[key]], 8)}"
        for key, way in ((1, "higher"), (-1, "lower"))
        if found[key]
    ]
    if said:
        text += f" By training interactions it is {' and '.join(said)}."
    if found[0]:
        effects = [row["smallest_effect"] for row in found[0]]
        known = [effect for effect in effects if np.isfinite(effect)]
        where = "every bucket" if len(found[0]) == len(buckets) else _buckets(len(found[0]))
        text += f" {where[0].upper()}{where[1:]} shows {words.NO_DIFFERENCE}"
        if known:
            text += f" (a difference of {_span(known)} would be found 8 times in 10)"
        text += "."
    return text


def _buckets(number: int) -> str:
    return "one bucket" if number == 1 else f"each of {number} other buckets"


def _span(values: list[float]) -> str:
    low, high = words.number(min(values), 4), words.number(max(values), 4)
    return low if low == high else f"{low} to {high}"
