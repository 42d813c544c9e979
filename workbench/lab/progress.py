"""A run's training log as progress: how far, how fast, how long still, at what cost."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.config import ExperimentConfig
from workbench.runs.status import Status

RECENT = 20
"""Readings that the present speed is taken from."""
POINTS = 300
"""Points of a curve at most; more readings are averaged in groups."""


@dataclass(frozen=True)
class Progress:
    """Numbers of a run under way; nan where nothing is known yet.

    Attributes:
        done: share of the steps, if every epoch is used.
        seconds: of training so far; pauses, loading and validation left out.
        samples_per_second: of the last readings.
        seconds_left: at this speed, if every epoch is used; early stopping can only shorten it.
        best_auc: best validation AUC of an epoch, over all validation rows.
        best_epoch: 0 before the first one.
        cost: seconds of a step over those of the unmasked base without adapter, forward and
            backward, measured in the run's own process.
    """

    done: float
    seconds: float
    samples_per_second: float
    seconds_left: float
    best_auc: float
    best_epoch: int
    cost: float


def progress(config: ExperimentConfig, status: Status, log: pd.DataFrame) -> Progress:
    """Read a log (see `workbench.runs.Run.metrics`) and the status that goes with it."""
    training = config.training
    steps = log[log["kind"] == "step"]
    total = status.steps * training.epochs
    place = (steps["epoch"] - 1) * status.steps + steps["step"]
    done = float(place.iloc[-1]) if len(place) else 0.0
    speed = _steps_per_second(place.to_numpy(float), _column(steps, "seconds"))
    epochs = log[log["kind"] == "epoch"]
    aucs = _column(epochs, "valid_auc")
    best = int(np.nanargmax(aucs)) if len(aucs) and not np.isnan(aucs).all() else -1
    cost = log[log["kind"] == "cost"]
    return Progress(
        done=done / total if total else 0.0,
        seconds=_total_seconds(_column(steps, "seconds")),
        samples_per_second=speed * training.batch_size,
        seconds_left=(total - done) / speed if total and speed > 0 else math.nan,
        best_auc=float(aucs[best]) if best >= 0 else math.nan,
        best_epoch=int(epochs["epoch"].iloc[best]) if best >= 0 else 0,
        cost=float(cost["step_seconds"].iloc[-1] / cost["base_step_seconds"].iloc[-1])
        if len(cost)
        else math.nan,
    )


def loss_curves(status: Status, log: pd.DataFrame) -> pd.DataFrame:
    """Losses for `workbench.charts.progress.live_loss_chart`: `epochs`, `loss`, `value`."""
    steps = log[log["kind"] == "step"]
    frame = pd.DataFrame({"epochs": epochs_done(status, steps)})
    for name in ("loss_main", "loss_aux"):
        frame[name] = _column(steps, name)
    if (frame["loss_aux"].fillna(0) == 0).all():
        frame = frame.drop(columns="loss_aux")
    long = _thinned(frame).melt("epochs", var_name="loss").dropna()
    return long.replace({"loss": {"loss_main": "main loss", "loss_aux": "auxiliary loss"}})


def auc_curves(status: Status, log: pd.DataFrame) -> pd.DataFrame:
    """Validation AUC for `workbench.charts.progress.live_auc_chart`: `epochs`, `rows`, `value`."""
    probes, epochs = log[log["kind"] == "probe"], log[log["kind"] == "epoch"]
    sample = pd.DataFrame(
        {"epochs": epochs_done(status, probes), "value": _column(probes, "valid_auc_sample")}
    )
    whole = pd.DataFrame({"epochs": epochs["epoch"], "value": _column(epochs, "valid_auc")})
    frames = [
        _thinned(sample).assign(rows="a sample of the rows"),
        whole.assign(rows="all rows, each epoch"),
    ]
    return pd.concat(frames, ignore_index=True).dropna()


def changes_made(status: Status, log: pd.DataFrame) -> pd.DataFrame:
    """Where settings were moved by hand: `epochs` and `note`."""
    rows = log[log["kind"] == "change"]
    return pd.DataFrame(
        {
            "epochs": epochs_done(status, rows),
            "note": [change_in_words(row) for row in rows.to_dict("records")],
        }
    )


def change_in_words(row: Mapping[Hashable, float]) -> str:
    """``"α = 0.5, learning rate = 0.01"``."""
    parts = [
        f"{title} = {row[key]:g}"
        for key, title in (("alpha", "α"), ("lr", "learning rate"))
        if not math.isnan(row.get(key) or math.nan) or row.get(key) == 0
    ]
    if not math.isnan(row.get("mask_high") or math.nan):
        parts.append(f"mask range = {row['mask_low']:g} to {row['mask_high']:g}")
    return ", ".join(parts)


def epochs_done(status: Status, rows: pd.DataFrame) -> pd.Series[float]:
    """The place of log records on an axis of epochs."""
    return rows["epoch"] - 1 + rows["step"] / max(status.steps, 1)


def _steps_per_second(place: np.ndarray, seconds: np.ndarray) -> float:
    place, seconds = place[-RECENT:], seconds[-RECENT:]
    # A run that goes on counts its seconds anew; only what follows is one stretch of time.
    restarts = np.flatnonzero(np.diff(seconds) < 0)
    start = int(restarts[-1]) + 1 if len(restarts) else 0
    place, seconds = place[start:], seconds[start:]
    if len(place) < 2 or seconds[-1] <= seconds[0]:
        return math.nan
    return float((place[-1] - place[0]) / (seconds[-1] - seconds[0]))


def _total_seconds(seconds: np.ndarray) -> float:
    if not len(seconds):
        return 0.0
    ends = seconds[:-1][np.diff(seconds) < 0]
    return float(ends.sum() + seconds[-1])


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    """At most `POINTS` rows, each the mean of neighbours."""
    if len(frame) <= POINTS:
        return frame
    size = -(-len(frame) // POINTS)
    return frame.groupby(np.arange(len(frame)) // size).mean()


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    return frame[name].to_numpy(float) if name in frame else np.full(len(frame), math.nan)
