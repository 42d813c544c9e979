"""From measured cells to the rows of ``data/results/speed.json``: aggregates only.

A ratio above 1 says that the workbench is better: faster, or of higher AUC. It is the median over
the rounds of a ratio within one round, so that what else the machine does in a round hits both.
Training and evaluation compute on one thread: their figures are processor time, which other
programs disturb least; those of the wall clock stand beside them with ``_wall`` in their names.
Loading reads files and starts processes in some libraries, so there it is the other way round.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Cell = dict[str, Any]
Row = dict[str, Any]

OWN = "workbench"
KEYS = ("name", "peer", "model", "batch_size", "device", "mode")
"""What tells rows of one processor or GPU apart."""

TRAINING = "training speed"
EVALUATION = "evaluation of the test rows"
LOADING = "files to ready tensors"
OVERHEAD = "trainer against the bare loop"
QUALITY = "test AUC, best epoch by validation"

GOALS = {"dcn_v2": 1.5, "dnn": 1.5, "fm": 3.0}
"""Least ratio of training speed to the fastest library."""
BEST_MODE_GOAL = 3.0
"""The same where the workbench uses bfloat16, a compiled step or both."""
GPU_GOALS = {("dcn_v2", 4096): 20.0}
"""The same on a GPU, by model and batch size."""
EVALUATION_GOAL = 2.0
LOADING_SECONDS = 2.0
AUC_TOLERANCE = 0.0005
"""How far below float32 the AUC of another mode may be."""


def key_of(row: Row) -> tuple[str, ...]:
    """What tells a row apart: a newer measurement replaces the one that agrees in all of it."""
    where = row["machine"]["cpu"] if row["device"] == "cpu" else ""
    return (*(str(row[key]) for key in KEYS), where)


def rows_of(cells: Sequence[Cell]) -> list[Row]:
    """All rows that follow from the cells."""
    makers: dict[str, Callable[[Cell], list[Row]]] = {
        "train": training_rows,
        "evaluate": evaluation_rows,
        "load": loading_rows,
        "bare": bare_rows,
    }
    rows = [row for cell in cells if cell["what"] in makers for row in makers[cell["what"]](cell)]
    return rows + auc_rows([cell for cell in cells if cell["what"] == "auc"])


def training_rows(cell: Cell) -> list[Row]:
    """Samples per second; `fastest` marks the quickest of the other libraries by median."""

    def speed(answer: Cell, clock: str) -> float:
        return float(answer["value"] / answer[clock])

    first = _first_clock(cell)
    speeds = {
        name: statistics.median(speed(answer, first) for answer in answers)
        for name, answers in cell["rounds"].items()
        if name != OWN
    }
    goal = _training_goal(cell)
    rows = []
    for peer in speeds:
        row = _row(cell, TRAINING, peer, "samples/s", goal)
        row |= _clocked(cell, peer, speed, "more", first=first)
        rows.append(row | {"fastest": speeds[peer] == max(speeds.values())})
    return rows


def _first_clock(cell: Cell) -> str:
    """The processor's own time; where a GPU does the work, the wall's."""
    return "cpu" if cell.get("device", "cpu") == "cpu" else "wall"


def _training_goal(cell: Cell) -> float | None:
    if cell.get("device", "cpu") != "cpu":
        return GPU_GOALS.get((cell["model"], cell["batch_size"]))
    return GOALS[cell["model"]] if cell["mode"] == "float32" else BEST_MODE_GOAL


def evaluation_rows(cell: Cell) -> list[Row]:
    """Predicting and scoring the test rows."""
    goal = EVALUATION_GOAL if cell.get("device", "cpu") == "cpu" else None
    return seconds_rows(cell, EVALUATION, goal, first=_first_clock(cell))


def seconds_rows(cell: Cell, name: str, goal: float | None, *, first: str) -> list[Row]:
    """Seconds of a piece of work, and the scores that it found where it is an evaluation."""
    rows = []
    for peer in (name for name in cell["rounds"] if name != OWN):
        row = _row(cell, name, peer, "seconds", goal)
        row |= _clocked(cell, peer, lambda answer, clock: float(answer[clock]), "less", first=first)
        scores = {side: cell["rounds"][who][0]["value"] for side, who in _sides(peer)}
        if all(isinstance(value, dict) for value in scores.values()):
            row |= {f"{side}_scores": sorted(value) for side, value in scores.items()}
        rows.append(row)
    return rows


def loading_rows(cell: Cell) -> list[Row]:
    """Seconds from files to tensors; one more row holds ours against the limit in seconds."""
    rows = seconds_rows(cell | {"mode": "float32"}, LOADING, None, first="wall")
    own = [answer["wall"] for answer in cell["rounds"][OWN]]
    limit = _row(cell | {"mode": "float32"}, LOADING, "limit in seconds", "seconds", 1.0)
    ratios = [LOADING_SECONDS / seconds for seconds in own]
    limit |= {"clock": "wall", "ours": statistics.median(own), "theirs": LOADING_SECONDS}
    limit |= _ratio(ratios)
    used = statistics.median(answer["cpu"] for answer in cell["rounds"][OWN])
    return [*rows, limit | {"ours_cpu": used}]


def bare_rows(cell: Cell) -> list[Row]:
    """The trainer against the shortest possible loop over the same network."""
    row = _row(cell | {"mode": "float32"}, OVERHEAD, "bare loop", "samples/s", None)
    measured = ("ours", "theirs", "ratio", "ratio_low", "ratio_high")
    return [row | {"clock": "cpu"} | {key: cell["row"][key] for key in measured}]


def auc_rows(cells: Iterable[Cell]) -> list[Row]:
    """Test AUC at the best epoch by validation, against each library and against float32."""
    found = {(c["library"], c["model"], c["mode"]): c for c in cells if "fit" in c}
    rows = []
    for (library, model, mode), cell in found.items():
        own = found.get((OWN, model, "float32"))
        if own is None or cell is own:
            continue
        if library == OWN:
            row = _row(cell, QUALITY, f"{OWN}, float32", "AUC", None)
            ours, theirs = best_epoch(cell), best_epoch(own)
            row["goal"] = 1 - AUC_TOLERANCE / theirs["auc"]
        else:
            row = _row(cell, QUALITY, library, "AUC", 1.0)
            ours, theirs = best_epoch(own), best_epoch(cell)
        row |= {"mode": mode, "ours": ours["auc"], "theirs": theirs["auc"]}
        row |= {"ratio": ours["auc"] / theirs["auc"], "difference": ours["auc"] - theirs["auc"]}
        row |= {"ours_epoch": ours["epoch"], "theirs_epoch": theirs["epoch"]}
        rows.append(row | {"epochs": cell["epochs"], "weight_decay": cell["weight_decay"]})
    return rows


def best_epoch(cell: Cell) -> dict[str, Any]:
    """Test AUC at the epoch, counted from 1, whose validation AUC is highest."""
    curves = cell["fit"]["value"]
    best = max(range(len(curves["valid"])), key=lambda epoch: curves["valid"][epoch])
    return {"auc": curves["test"][best], "epoch": best + 1}


def _row(cell: Cell, name: str, peer: str, unit: str, goal: float | None) -> Row:
    return {
        "name": name,
        "peer": peer,
        "model": cell.get("model"),
        "batch_size": cell.get("batch_size"),
        "device": cell.get("device", "cpu"),
        "mode": cell["mode"],
        "unit": unit,
        "goal": goal,
        "steps": cell.get("steps"),
        "version": cell.get("version", cell.get("versions", {}).get(peer)),
        "machine": cell["machine"],
        "load": cell["load"],
        "command": cell["command"],
    }


def _sides(peer: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("ours", OWN), ("theirs", peer)


def _clocked(
    cell: Cell, peer: str, figure: Callable[[Cell, str], float], better: str, *, first: str
) -> Row:
    """The figures by the clock `first`, and by the other one with its name added."""
    other = "wall" if first == "cpu" else "cpu"
    beside = _paired(cell, peer, figure, other, better)
    row = {"clock": first} | _paired(cell, peer, figure, first, better)
    return row | {f"{key}_{other}": value for key, value in beside.items() if key != "rounds"}


def _paired(
    cell: Cell, peer: str, figure: Callable[[Cell, str], float], clock: str, better: str
) -> Row:
    """Medians and ranges of both sides, and of their ratio within a round."""
    values = {side: [figure(a, clock) for a in cell["rounds"][who]] for side, who in _sides(peer)}
    pairs = zip(values["ours"], values["theirs"], strict=True)
    ratios = [a / b if better == "more" else b / a for a, b in pairs]
    row: Row = {}
    for side, numbers in values.items():
        row |= {side: statistics.median(numbers)}
        row |= {f"{side}_low": min(numbers), f"{side}_high": max(numbers)}
    return row | _ratio(ratios)


def _ratio(ratios: Sequence[float]) -> Row:
    return {
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "rounds": len(ratios),
    }
