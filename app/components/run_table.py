"""The table of runs: what each is, how it did, and how that compares with the baseline."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped
from workbench.charts.names import name_of

ROWS_SHOWN = 30
COST = ("state", "log loss", "best epoch", "seconds", "cost", "samples/s", "parameters", "alpha·k")
ICONS = {"queued": "…", "finished": "✓", "running": "▶", "stopped": "■", "failed": "✗"}


def draw(picked: Picked, more: dict[str, dict[str, Any]] | None = None) -> pd.DataFrame:
    """Draw the table of all runs; returns its frame.

    Args:
        picked: the baseline that RelaImpr is taken against, and the runs.
        more: run key -> further columns.
    """
    more = more or {}
    entries = picked.catalogue.entries
    frame = pd.DataFrame([row(entry, picked) | more.get(entry.key, {}) for entry in entries])
    # What is compared stands together, and what a run cost at the end.
    frame = frame[sorted(frame.columns, key=lambda name: name in COST)]
    number = st.column_config.NumberColumn
    st.dataframe(
        frame,
        hide_index=True,
        height="content" if len(frame) <= ROWS_SHOWN else 36 * ROWS_SHOWN,
        placeholder="",
        column_config={
            "test AUC": number(format="%.4f", help="Chance that a positive ranks above a negative"),
            "UAUC": number(format="%.4f", help="AUC per user, weighted by the user's samples"),
            "log loss": number(format="%.4f", help="Mean over the test samples; lower is better"),
            "RelaImpr": number(
                format="%+.2f%%", help="Test AUC over that of the baseline's run, minus one"
            ),
            "difference": number(
                format="%+.4f", help="Test AUC minus that of the baseline's run of the same seed"
            ),
            "from": number(format="%+.4f", help="95% interval of the difference, over users"),
            "to": number(format="%+.4f", help="95% interval of the difference, over users"),
            "seconds": number(format="%.1f", help="Of training, on the machine that trained it"),
            "cost": number(format="%.2f×", help="Seconds over those of the baseline's run"),
            "samples/s": number(format="%d", help="Training samples per second"),
            "parameters": number(format="%d"),
        },
        alt="Table of all runs with variant, data set, test AUC, UAUC, RelaImpr and state",
    )
    return frame


BRIEF = {
    "run": "",
    "variant": "",
    "model": "",
    "data": "",
    "seed": "d",
    "test AUC": ".4f",
    "UAUC": ".4f",
    "RelaImpr": "+.2f",
    "state": "",
}
"""Columns of `brief`, and how their numbers are written."""


def brief(picked: Picked) -> int:
    """Write the newest runs as plain text; returns how many are left out.

    The sortable table brings a megabyte of script to the browser, which the first page does not
    wait for.
    """
    entries = picked.catalogue.entries
    lines = [_line(list(BRIEF)), _line(["---:" if text else "---" for text in BRIEF.values()])]
    for entry in entries[:ROWS_SHOWN]:
        values = row(entry, picked)
        lines.append(_line([_written(values[name], how) for name, how in BRIEF.items()]))
    with st.container(key="brief-runs"):  # page.css lets it scroll sideways on a narrow screen
        st.markdown("\n".join(lines))
    return max(0, len(entries) - ROWS_SHOWN)


def _written(value: Any, how: str) -> str:
    if value is None:
        return ""
    return f"{value:{how}}{'%' if how == '+.2f' else ''}" if how else escaped(str(value))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def row(entry: Entry, picked: Picked) -> dict[str, Any]:
    """The columns that every table of runs has; None where a run has no such number."""
    run = entry.run
    values: dict[str, Any] = {
        "run": entry.key,
        "variant": None,
        "model": None,
        "data": None,
        "seed": None,
        "test AUC": None,
        "UAUC": None,
        "RelaImpr": None,
        "state": f"{ICONS.get(run.state, '!')} {run.state}",
    }
    if run.problem is not None:
        return values
    values |= {
        "variant": name_of(run.variant),
        "model": run.config.model.name,
        "data": run.config.data.source,
        "seed": run.seed,
    }
    if entry.usable:
        summary = run.summary or {}
        values |= {"test AUC": summary.get("test_auc"), "UAUC": summary.get("test_uauc")}
        values["RelaImpr"] = _rela_impr(entry, picked)
    return values


def base_of(entry: Entry, picked: Picked) -> Entry | None:
    """The baseline's run that a run is compared with: of its seed where there is one.

    None for the baseline itself and for runs on other data.
    """
    if picked.base is None or entry.key not in picked.labels:
        return None
    own_seed = {e.run.seed: e for e in picked.catalogue.seeds_of(picked.base)}
    base = own_seed.get(entry.run.seed, picked.base)
    return None if base.key == entry.key else base


def _rela_impr(entry: Entry, picked: Picked) -> float | None:
    """Percent over the baseline."""
    base = base_of(entry, picked)
    if base is None:
        return None
    mine = (entry.run.summary or {}).get("test_auc")
    its = (base.run.summary or {}).get("test_auc")
    return 100 * float(mine / its - 1) if mine and its else None
