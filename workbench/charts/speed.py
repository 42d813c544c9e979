"""Training speed beside other libraries: how many times as fast, per model and batch size.

Rows are those of ``data/results/speed.json``, which ``tests/benchmarks/merge_speed.py`` writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from workbench.charts import style
from workbench.charts.words import listing
from workbench.errors import InputError

TRAINING = "training speed"
MODEL_NAMES = {"dcn_v2": "DCN-V2", "dnn": "DNN", "fm": "FM"}
"""Of the comparison with other libraries; `dnn` is the network of YouTube DNN."""
PEER_NAMES = {
    "fuxictr": "FuxiCTR",
    "recbole": "RecBole",
    "deepctr-torch": "DeepCTR-Torch",
    "torch-rechub": "torch-rechub",
    "bare loop": "bare loop",
}
COLOURS = {
    "fuxictr": "#0072B2",
    "recbole": "#D55E00",
    "deepctr-torch": "#009E73",
    "torch-rechub": "#CC79A7",
}
SHAPES = {
    "fuxictr": "circle",
    "recbole": "square",
    "deepctr-torch": "triangle-up",
    "torch-rechub": "diamond",
}
"""A library's second channel, for readers who cannot tell the colours apart."""


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of ``speed.json``.

    Raises:
        InputError: no such file, or not one of rows.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a row is not an object")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not a file of speeds ({error}); move it away") from None
    return list(rows)


def frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row per model, batch size, mode and library whose training speed on a processor was
    measured.

    Returns:
        `model`, `batch_size`, `mode`, `processor`, `place` (the three in words), `peer`, `library`,
        `ratio`, `low`, `high` (times as fast, over the rounds), `goal`, `fastest` (of the other
        libraries), `ours`, `theirs` (samples per second), `rounds`.
    """
    records = [
        {
            "model": MODEL_NAMES.get(row["model"], row["model"]),
            "batch_size": row["batch_size"],
            "mode": row["mode"],
            "processor": processor(row),
            "place": _place(row),
            "peer": row["peer"],
            "library": PEER_NAMES.get(row["peer"], row["peer"]),
            "ratio": row["ratio"],
            "low": row["ratio_low"],
            "high": row["ratio_high"],
            "goal": row["goal"],
            "fastest": row["fastest"],
            "ours": row["ours"],
            "theirs": row["theirs"],
            "rounds": row["rounds"],
        }
        for row in rows
        if row["name"] == TRAINING and row["device"] == "cpu"
    ]
    found = pd.DataFrame(records)
    if found.empty:
        return found
    orders = [{name: place for place, name in enumerate(names)} for names in _ORDERS]
    ranks = [found["mode"].map(orders[0]), found["model"].map(orders[1])]
    keys = found.assign(_mode=ranks[0], _model=ranks[1])
    by = ["processor", "_mode", "batch_size", "_model", "ratio"]
    keys = keys.sort_values(by, kind="stable")
    return keys.drop(columns=["_mode", "_model"]).reset_index(drop=True)


_ORDERS = (("float32", "tf32", "bf16", "compile", "bf16+compile"), tuple(MODEL_NAMES.values()))


NOTE = (
    "Taken in turns within one run; processor time, median and range of the ratios. Above 1 is "
    "faster, smaller or better here. One CPU thread unless a device is named; MovieLens-1M, 8 "
    "features, but for rows on streaming (20 features read from disk). AUC is that of equal "
    "settings and ten epochs. Goals: 0.357 is a cost of 2.8 base steps, 0.769 of 1.3; 0.5 is twice "
    "the time of one model. `speed.json` holds all rows, with machine, versions and command."
)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A page with the comparisons that have a goal, in training those with the fastest library, and
    with the trainer's own cost.
    """
    lines = [
        "# Speed",
        "",
        NOTE,
        "",
        "| What | Model | Batch | Mode | Against | Here | There | Times as good (range) | Goal |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    names = MODEL_NAMES | {"youtube_dnn": "YouTube DNN"}
    for row in rows:
        compared = row["goal"] is not None or row["peer"] == "bare loop"
        if not compared or not row.get("fastest", True):
            continue
        model = names.get(row["model"], row["model"] or "")
        peer = PEER_NAMES.get(row["peer"], row["peer"])
        amount = {"samples/s": ",.0f", "seconds": ".3g", "AUC": ".4f", "MiB": ",.0f"}[row["unit"]]
        values = [f"{row[side]:{amount}} {row['unit']}" for side in ("ours", "theirs")]
        times = f"{row['ratio']:.2f}" if row["unit"] != "AUC" else f"{row['ratio']:.4f}"
        if row.get("ratio_low") is not None:
            times += f" ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
        goal = "" if row["goal"] is None else f"{row['goal']:.3g}"
        batch = "" if row["batch_size"] is None else f"{row['batch_size']:,}"
        mode = f"{row['mode']}, {processor(row) if row['device'] == 'cpu' else row['device']}"
        fields = [row["name"], model, batch, mode, peer, *values, times, goal]
        lines.append(f"| {' | '.join(str(field) for field in fields)} |")
    return "\n".join(lines) + "\n"


def chart(rows: Sequence[dict[str, Any]], title: str = "") -> alt.VConcatChart:
    """A row of panels per processor and mode, a panel per batch size; the rule at 1 is the other
    library's own speed.
    """
    data = frame(rows)
    top = 1.1 * float(data["high"].max())
    lines = [
        alt.hconcat(
            *(_panel(own, str(place), top) for place, own in line.groupby("place", sort=False))
        )
        for _, line in data.groupby(["processor", "mode"], sort=False)
    ]
    return alt.vconcat(*lines).properties(
        title=alt.TitleParams(title, anchor="start"), description=sentence(rows)
    )


def _panel(data: pd.DataFrame, title: str, top: float) -> alt.LayerChart:
    peers = [peer for peer in PEER_NAMES if peer in set(data["peer"])]
    names = [PEER_NAMES[peer] for peer in peers]
    scale = alt.Scale(domain=names, range=[COLOURS[peer] for peer in peers])
    shapes = alt.Scale(domain=names, range=[SHAPES[peer] for peer in peers])
    legend = alt.Legend(orient="top", title="times as fast as")
    colour = alt.Color("library:N", scale=scale, legend=legend)
    shape = alt.Shape("library:N", scale=shapes, legend=legend)
    y = alt.Y("model:N", sort=list(dict.fromkeys(data["model"])), title=None)
    offset = alt.YOffset("library:N", sort=names, scale=alt.Scale(domain=names))
    axis = alt.Axis(tickCount=6, title="samples per second, as a multiple; grey: the goal")

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=axis)

    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("library:N"),
        alt.Tooltip("ratio:Q", format=".2f", title="times as fast"),
        alt.Tooltip("ours:Q", format=",.0f", title="samples per second here"),
        alt.Tooltip("theirs:Q", format=",.0f", title="and there"),
        alt.Tooltip("rounds:Q"),
    ]
    base = alt.Chart(data).encode(y=y, yOffset=offset)
    one = alt.Chart(pd.DataFrame({"ratio": [1.0]}))
    goals = alt.Chart(data.drop_duplicates("model")).encode(y=y)
    layers = [
        one.mark_rule(color=style.RULE, strokeDash=[4, 3], aria=False).encode(x=x("ratio")),
        goals.mark_tick(color=style.RULE, thickness=2, size=34).encode(x=x("goal")),
        base.mark_rule(strokeWidth=2).encode(x=x("low"), x2="high", color=colour),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=x("ratio"), color=colour, shape=shape, tooltip=tooltip
        ),
    ]
    height = 46 * data["model"].nunique() + 14
    return alt.LayerChart(layer=layers).properties(
        width=320, height=height, title=alt.TitleParams(title, anchor="start", fontSize=12)
    )


def sentence(rows: Sequence[dict[str, Any]]) -> str:
    """The ratio to the fastest library in every cell, and how many goals are met."""
    data = frame(rows)
    fastest = data[data["fastest"]]
    said = []
    for place, cells in fastest.groupby("place", sort=False):
        parts = [
            f"{row['model']} {row['ratio']:.2f} times as fast as {row['library']}"
            for row in cells.to_dict("records")
        ]
        said.append(f"{place}: {listing(parts, most=10)}.")
    met = int((fastest["ratio"] >= fastest["goal"]).sum())
    return (
        "Training speed against the fastest of the other libraries. "
        f"{' '.join(said)} Goals (grey ticks) met: {met} of {len(fastest)}."
    )


def processor(row: dict[str, Any]) -> str:
    """The processor of a row, as people call it."""
    name = re.sub(r"\(R\)|\(TM\)| Processor\b| CPU\b", "", row["machine"]["cpu"])
    return " ".join(name.split())


def _place(row: dict[str, Any]) -> str:
    text = f"{processor(row)}, batch of {row['batch_size']:,} samples"
    return text if row["mode"] == "float32" else f"{text}, {row['mode']} here"
