"""What the lab's buttons do. Each is a callback; what goes wrong is kept for the page to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from lab.data import RUN
from lab.settings import ALPHA, MASK, RATE
from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.lab import queue, runner, watch
from workbench.lab.control import Control, read_control, write_control
from workbench.runs import RunStore

STEER = "lab_steer"
PROBLEM = "_lab_problem"
CLICK = "_lab_click"
SAME_CLICK = 0.2
"""Seconds after what a click started is drawn, within which that button's next one is the same.

Streamlit's page sends a click on a timer of its own. Where a fragment that redraws itself is due in
between, the click goes out twice: with the redraw, and by itself (seen with Streamlit 1.67)."""
Action = Callable[..., None]


class Click(NamedTuple):
    """The last click that was obeyed.

    Attributes:
        button: its key.
        at: when what it started was drawn, or before that when it came; monotonic seconds.
        drawn: whether that has been drawn.
    """

    button: str
    at: float
    drawn: bool = False


def once(button: str, action: Action, *values: Any) -> None:
    """What a button does, also where the page sends a click twice."""
    session = st.session_state
    last: Click | None = session.get(CLICK)
    if last is not None and last.button == button and time.monotonic() - last.at < SAME_CLICK:
        return
    action(*values)
    session[CLICK] = Click(button, time.monotonic())


def drawn() -> None:
    """The page or the board has been drawn; call it at the end."""
    last: Click | None = st.session_state.get(CLICK)
    if last is not None and not last.drawn:
        st.session_state[CLICK] = Click(last.button, time.monotonic(), drawn=True)


def said(action: Action) -> Action:
    """Keep an action's `InputError` for the page."""

    @wraps(action)
    def guarded(*values: Any) -> None:
        try:
            action(*values)
        except InputError as error:
            st.session_state[PROBLEM] = str(error)

    return guarded


@said
def start(root: Path, *configs: ExperimentConfig) -> None:
    """Put experiments in line; the first one is watched."""
    names = [queue.submit(RunStore(root), config) for config in configs]
    runner.ensure_runners(root)
    if names:
        st.session_state[RUN] = names[0]


@said
def go_on(root: Path, name: str) -> None:
    """Put a run that was stopped or failed in line again."""
    queue.resubmit(RunStore(root), name)
    runner.ensure_runners(root)


@said
def stop(root: Path, name: str) -> None:
    """End a run, or take it out of the line."""
    watch.stop(RunStore(root), name)


@said
def control(root: Path, name: str, change: Callable[[Control], Control]) -> None:
    """Pause, go on, or take one step."""
    folder = RunStore(root).open(name).path
    write_control(folder, change(read_control(folder)))


def pause(wanted: Control) -> Control:
    """Wait at the next reading."""
    return wanted.model_copy(update={"paused": True})


@said
def moved(root: Path) -> None:
    """A setting was moved: where the reader steers, the watched run gets it."""
    session = st.session_state
    name = session.get(RUN)
    if not name or not session.get(STEER) or not watch.look(RunStore(root), name).moving:
        return
    run = RunStore(root).open(name)
    update: dict[str, Any] = {"lr": float(session[RATE])}
    if run.config.framework.variant.has_mask:
        low, high = session[MASK]
        update |= {"alpha": session[ALPHA], "mask_range": (low, high)}
    write_control(run.path, read_control(run.path).model_copy(update=update))


def look_at(name: str) -> None:
    """Watch another run."""
    st.session_state[RUN] = name


def problem() -> str | None:
    """What the last action could not do; said once."""
    found: str | None = st.session_state.pop(PROBLEM, None)
    return found
