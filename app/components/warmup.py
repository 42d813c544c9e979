"""What a server prepares while its first reader looks at the first page."""

from __future__ import annotations

import contextlib
import gc
import importlib
import threading
import time

import streamlit as st

from components import compute, imports, run_table
from components.sidebar import Picked
from workbench.errors import InputError

HEAD_START = 0.3
"""Seconds that the first page gets before anything is prepared."""
PAUSE = 4.0
"""Seconds in which a reader who clicks at once is not slowed down by what is prepared."""
VIEWS = ("adapter_weights", "id_norms", "auc_by_bucket")


@st.cache_resource(show_spinner=False)
def start(_picked: Picked) -> threading.Thread:
    """Prepare the views, once for each server.

    Imports Altair and torch and, a little later, draws users for the intervals of AUC: those take
    seconds. A page that is opened meanwhile waits for the value under way instead of computing it
    again.
    """
    thread = threading.Thread(target=_prepare, args=[_picked], name="warm-up", daemon=True)
    thread.start()
    return thread


def _prepare(picked: Picked) -> None:
    # Python runs one thread at a time: the page that is being sent goes first.
    time.sleep(HEAD_START)
    imports.altair()
    for name in VIEWS:
        importlib.import_module(f"workbench.insight.{name}")
        importlib.import_module(f"workbench.charts.{name}")
    # Streamlit looks for garbage after every run of the script, while no page can be sent. Modules
    # never become any; they are most of what it would look at.
    gc.freeze()
    time.sleep(PAUSE)
    base, candidates, _ = picked.pairs
    if candidates:
        # What is wrong with a run is said on the page that shows it.
        with contextlib.suppress(InputError):
            for entry in picked.candidates:
                own = run_table.base_of(entry, picked)
                if own is not None:
                    compute.compare(own, entry)
            compute.auc_by_bucket(base, candidates, "auc")
