"""One lab run while it trains: state, buttons, curves. Redrawn by itself twice a second."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from components import show, state
from components.catalogue import Entry
from components.text import escaped

from lab import actions
from workbench.charts.names import name_of
from workbench.charts.words import count
from workbench.errors import InputError
from workbench.lab import progress, runner, watch
from workbench.lab.control import Control
from workbench.lab.watch import Watched
from workbench.runs import RunStore

REDRAWN_EVERY = 0.5
"""Seconds."""
CSV = "training_log"
SAID = {
    "queued": "Waits for a place",
    "loading": "Loads the data",
    "training": "Trains",
    "paused": "Paused",
    "scoring": "Scores the test rows",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
}
ICONS = {
    "queued": ":material/hourglass_empty:",
    "loading": ":material/database:",
    "training": ":material/play_arrow:",
    "paused": ":material/pause:",
    "scoring": ":material/query_stats:",
    "finished": ":material/check:",
    "stopped": ":material/stop:",
    "failed": ":material/error:",
}


def draw(root: Path, name: str, base: Entry | None) -> Watched:
    """Draw the board of a run, and keep it up to date while the run moves.

    Raises:
        InputError: no such run, or a broken one.
    """
    watched = watch.look(RunStore(root), name)
    every = REDRAWN_EVERY if watched.moving else None
    st.fragment(_board, run_every=every)(root, name, base, watched.moving)
    return watched


def _board(root: Path, name: str, base: Entry | None, moving: bool) -> None:
    try:
        runner.ensure_runners(root)
        watched = watch.look(RunStore(root), name)
        log = watched.run.metrics()
    except InputError as error:
        st.error(escaped(str(error)), icon=":material/error:")
        return
    if moving and not watched.moving:
        # All pages have a run more; and nothing needs to be redrawn by itself any more.
        state.rerun()
    _buttons(root, watched)
    _state(watched, log)
    _curves(watched, log, base)
    if watched.phase in ("failed", "stopped"):
        _log(watched)
    actions.drawn()


def _buttons(root: Path, watched: Watched) -> None:
    name, phase = watched.run.name, watched.phase
    can_wait = phase in ("training", "paused", "loading")
    paused = phase == "paused"
    pausing = Control.go_on if paused else actions.pause
    with st.container(horizontal=True):
        st.button(
            "Go on" if paused else "Pause",
            key="lab_pause",
            icon=":material/play_arrow:" if paused else ":material/pause:",
            shortcut="Alt+P",
            disabled=not can_wait,
            on_click=actions.once,
            args=("lab_pause", actions.control, root, name, pausing),
        )
        st.button(
            "Step",
            key="lab_step",
            icon=":material/skip_next:",
            shortcut="Alt+N",
            disabled=not can_wait,
            on_click=actions.once,
            args=("lab_step", actions.control, root, name, Control.one_step),
            help=f"Train {watched.run.config.training.log_every} steps, to the next point of the "
            "curve, and pause there.",
        )
        st.button(
            "Stop",
            key="lab_stop",
            icon=":material/stop:",
            shortcut="Esc",
            disabled=not watched.moving,
            on_click=actions.stop,
            args=(root, name),
        )
        if phase in ("stopped", "failed"):
            st.button(
                "Go on from the last epoch",
                key="lab_resume",
                icon=":material/resume:",
                on_click=actions.once,
                args=("lab_resume", actions.go_on, root, name),
            )


def _state(watched: Watched, log: pd.DataFrame) -> None:
    run, phase = watched.run, watched.phase
    training = run.config.training
    now = progress.progress(run.config, run.status, log)
    # The place stays where the bar goes: what follows keeps its own, and is not drawn twice.
    bar = st.container()
    if watched.moving:
        text = f"epoch {run.status.epoch + 1} of at most {training.epochs}"
        bar.progress(min(1.0, now.done), text=f"{ICONS[phase]} **{SAID[phase]}** – {text}")
    words = [f"**{escaped(run.name)}**: {_sentence(watched)}", _numbers(now)]
    if run.config.training.changes:
        words.append(
            f"Settings were moved by hand {count(len(training.changes), 'time')} while it trained; "
            "its config says when, so that it can be repeated."
        )
    text = " ".join(filter(None, words))
    if phase == "failed":
        st.error(text, icon=ICONS[phase])
    elif phase == "finished":
        st.success(text, icon=ICONS[phase])
    else:
        st.info(text, icon=ICONS[phase])


def _sentence(watched: Watched) -> str:
    run, phase = watched.run, watched.phase
    variant = name_of(run.variant)
    what = f"{variant} around {run.config.model.name}, seed {run.seed}."
    if phase == "queued":
        before = f"{count(watched.ahead, 'run')} before it" if watched.ahead else "it is next"
        return f"{what} Waits for a place; {before}. It starts by itself, also with no page open."
    if phase == "failed":
        return f"{what} Failed: {escaped(run.status.message).rstrip('.')}. Its log is below."
    if phase == "finished":
        summary = run.summary or {}
        return (
            f"{what} Finished: test AUC {summary.get('test_auc', math.nan):.4f}. It is in the "
            "sidebar of every page now."
        )
    if phase == "stopped":
        return f"{what} {SAID[phase]}; what it has learned by its last epoch is kept."
    return f"{what} {SAID[phase]}."


def _numbers(now: progress.Progress) -> str:
    """Speed, time left, cost."""
    parts = []
    if now.seconds:
        parts.append(f"{_seconds(now.seconds)} of training so far")
    if math.isfinite(now.samples_per_second):
        parts.append(f"{now.samples_per_second:,.0f} samples/s")
    if math.isfinite(now.seconds_left) and now.seconds_left > 0:
        parts.append(f"at most {_seconds(now.seconds_left)} left")
    if math.isfinite(now.cost):
        parts.append(
            f"a step takes {now.cost:.1f} times as long as one of the unmasked base, measured here"
        )
    if now.best_epoch:
        parts.append(f"best validation AUC {now.best_auc:.4f}, in epoch {now.best_epoch}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _curves(watched: Watched, log: pd.DataFrame, base: Entry | None) -> None:
    status, variant = watched.run.status, watched.run.variant
    # Drawn empty too once it is the run's turn: the browser loads what draws curves meanwhile.
    if log.empty and (not watched.moving or watched.ahead > 0):
        return
    changes = progress.changes_made(status, log)
    summary = (base.run.summary or {}) if base is not None else {}
    best = summary.get("valid_auc")
    rule = [{"value": best, "note": f"best of the unmasked base: {best:.4f}"}] if best else []
    left, right = st.columns(2)
    with left:
        _chart("losses", variant, losses=progress.loss_curves(status, log), changes=changes)
    with right:
        aucs = progress.auc_curves(status, log)
        _chart("aucs", variant, aucs=aucs, changes=changes, base=pd.DataFrame(rule))
    if not watched.moving:
        show.csv(**{CSV: log})


def _chart(kind: str, variant: str, **frames: pd.DataFrame) -> None:
    spec: dict[str, Any] = dict(_spec(kind, variant))
    spec["datasets"] = {name: frame.to_dict("records") for name, frame in frames.items()}
    st.vega_lite_chart(None, spec, key=f"lab_{kind}", width="stretch")


@functools.cache
def _spec(kind: str, variant: str) -> dict[str, Any]:
    from workbench.charts import progress as charts
    from workbench.charts import style

    build = charts.live_loss_chart if kind == "losses" else charts.live_auc_chart
    return build(style.colour_of(variant)).to_dict(validate=False)


def _log(watched: Watched) -> None:
    tail = watch.log_tail(watched.run)
    if tail:
        st.caption("The end of its log:")
        st.code(tail, language=None)


def _seconds(value: float) -> str:
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"
