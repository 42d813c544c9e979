"""Parallel coordinates: many runs at once, one line each, from their settings to their results.

Frames are those of `workbench.insight.settings.side_by_side`.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from workbench.charts import style, words
from workbench.charts.names import name_of, variant_of

FIXED = ("run", "variant", "seed")
NAMES = {
    "valid_auc": "validation AUC",
    "test_auc": "test AUC",
    "test_uauc": "test UAUC",
    "test_log_loss": "test log loss",
    "seconds": "seconds",
    "parameters": "parameters",
}
HEIGHT = 300


def axes(frame: pd.DataFrame) -> pd.DataFrame:
    """Each run's place on each axis.

    Args:
        frame: one row per run; the variant is the first axis, every column but `run` and `seed`
            another. A column that is the same everywhere, or unknown, makes no axis.

    Returns:
        run, variant, axis, order, place (0 at the bottom to 1), text (the value for people).
    """
    data = frame.assign(variant=frame["variant"].map(lambda label: name_of(label, short=True)))
    parts: list[pd.DataFrame] = []
    for column in (name for name in data.columns if name not in ("run", "seed")):
        values = data[column]
        if values.nunique(dropna=True) < 2:
            continue
        place, text = _numeric(values) if _is_numeric(values) else _ranked(values)
        parts.append(
            pd.DataFrame(
                {
                    "run": frame["run"],
                    "variant": frame["variant"],
                    "axis": NAMES.get(column, column.rpartition(".")[2].replace("_", " ")),
                    "order": len(parts),
                    "place": place,
                    "text": text,
                }
            )
        )
    if not parts:
        columns = ["run", "variant", "axis", "order", "place", "text"]
        return pd.DataFrame({name: [] for name in columns})
    return pd.concat(parts, ignore_index=True).dropna(subset=["place"])


def chart(frame: pd.DataFrame) -> alt.LayerChart:
    """One line per run across the settings that vary and the results; hover names the value."""
    data = axes(frame)
    names = list(dict.fromkeys(data["axis"]))
    variants = list(dict.fromkeys(data["variant"]))
    x = alt.X(
        "axis:N",
        sort=names,
        axis=alt.Axis(title=None, orient="top", labelAngle=0, labelLimit=130, domain=False),
        scale=alt.Scale(type="point", padding=0.35),
    )
    y = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[-0.06, 1.06]))
    colour = alt.Color(
        "variant:N",
        scale=alt.Scale(
            domain=variants, range=[style.COLOURS[variant_of(label)] for label in variants]
        ),
        legend=alt.Legend(title=None, orient="bottom", labelExpr=_label_names(variants)),
    )
    rows = alt.Chart(data)
    tooltip = [
        alt.Tooltip("run:N"),
        alt.Tooltip("axis:N", title="what"),
        alt.Tooltip("text:N", title="value"),
    ]
    texts = [
        alt.Chart(marks)
        .mark_text(color=style.RULE, fontSize=10, aria=False, **place)
        .encode(x=x, y=y, text="text:N")
        for marks, place in _labelled(data)
    ]
    layers = [
        rows.mark_rule(color=style.FAINT, strokeWidth=1, aria=False).encode(x=x),
        rows.mark_line(strokeWidth=1.6, opacity=0.75).encode(
            x=x, y=y, color=colour, detail="run:N", order="order:O"
        ),
        rows.mark_point(filled=True, size=34).encode(x=x, y=y, color=colour, tooltip=tooltip),
        *texts,
    ]
    return alt.LayerChart(layer=layers).properties(height=HEIGHT, description=sentence(frame))


def sentence(frame: pd.DataFrame) -> str:
    """How many runs, what varies, and which is best on the validation split."""
    varying = [c for c in frame.columns if c not in FIXED and c not in NAMES]
    text = f"{words.count(len(frame), 'run')}"
    if varying:
        text += f" that differ in {words.listing([c.rpartition('.')[2] for c in varying], 5)}"
    known = frame.dropna(subset=["valid_auc"]) if "valid_auc" in frame else frame.iloc[:0]
    if known.empty:
        return f"{text}."
    best = known.sort_values("valid_auc").iloc[-1]
    return (
        f"{text}. The best validation AUC, {words.number(best['valid_auc'], 4)}, has {best['run']}."
    )


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values)


def _numeric(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Linear, or by logarithm where the largest is over twenty times the smallest."""
    numbers = values.astype(float)
    low, high = numbers.min(), numbers.max()
    if low > 0 and high / low > 20:
        scaled = np.log(numbers / low) / np.log(high / low)
    else:
        scaled = (numbers - low) / (high - low)
    return scaled, numbers.map(_text)


def _text(value: float) -> str:
    """Four figures, but every digit before the point: ``0.7364``, ``63,650``."""
    if not np.isfinite(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _ranked(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Words at equal distances, in their order of appearance from the bottom up."""
    texts = values.astype(str)
    order = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return texts.map(order) / (len(order) - 1), texts


def _ends(data: pd.DataFrame) -> pd.DataFrame:
    """Of each axis the marks that carry a text: all of a few values, else the two ends."""
    kept = []
    for _, rows in data.drop_duplicates(["axis", "place"]).groupby("axis", sort=False):
        few = len(rows) <= 5
        kept.append(rows if few else rows[rows["place"].isin([rows["place"].min(), 1.0])])
    return pd.concat(kept) if kept else data


def _labelled(data: pd.DataFrame) -> list[tuple[pd.DataFrame, dict[str, Any]]]:
    """Those marks, and where their text stands: where no line runs, which is left of the first axis
    and beyond the ends of the others.
    """
    marks = _ends(data)
    first, top, bottom = (
        marks[key] == value for key, value in (("order", 0), ("place", 1), ("place", 0))
    )
    parts: list[tuple[Any, dict[str, Any]]] = [
        (first, {"align": "right", "dx": -7}),
        (top & ~first, {"align": "left", "dx": 6, "dy": -9}),
        (bottom & ~first, {"align": "left", "dx": 6, "dy": 10}),
        (~(first | top | bottom), {"align": "left", "dx": 6, "dy": -7}),
    ]
    return [(marks[chosen], place) for chosen, place in parts if chosen.any()]


def _label_names(variants: list[str]) -> str:
    pairs = ", ".join(f"'{label}': '{name_of(label)}'" for label in variants)
    return f"({{{pairs}}})[datum.label]"
