"""What this is, the three questions, and the runs that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from components import compute, notes, pages, show, sidebar
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped

from workbench.charts.names import name_of

APP = Path(__file__).parents[1]
ROWS_SHOWN = 30
ICONS = {"finished": "✓", "running": "▶", "stopped": "■", "failed": "✗"}


def main() -> None:
    """Draw the page."""
    picked = sidebar.picked()
    st.title("AdaF2M2 workbench")
    st.markdown(
        """
Recommendation models lean on ID embeddings, which only active users and popular items train well.
**AdaF2M2** is a frame around any such model that trains every feature for itself and weighs it by
what is known of the user. The *feature mask* trains on copies of a sample in which features are
hidden at random; the *state-aware adapter* gives each feature a weight from IDs, norms and counts.
Here you see what each of the two does, for which users, and how sure that is.
"""
    )
    _questions()
    st.header("Runs")
    if not picked.catalogue.entries:
        notes.no_runs(picked)
        return
    _table(picked)
    _attention(picked)
    _curves(picked)


def _questions() -> None:
    """Links to all pages, by group."""
    stops = [page for page in pages.PAGES if page.group and (APP / page.file).exists()]
    groups = list(dict.fromkeys(page.group for page in stops))
    for column, group in zip(st.columns(2 if len(groups) > 1 else 1) * 2, groups, strict=False):
        with column:
            st.markdown(f"**{group}**")
            for page in stops:
                if page.group == group:
                    st.page_link(page.file, label=page.question, icon=page.symbol)


def _table(picked: Picked) -> None:
    frame = pd.DataFrame([_row(entry, picked) for entry in picked.catalogue.entries])
    number = st.column_config.NumberColumn
    st.dataframe(
        frame,
        hide_index=True,
        height="content" if len(frame) <= ROWS_SHOWN else 36 * ROWS_SHOWN,
        placeholder="",
        column_config={
            "test AUC": number(format="%.4f", help="Chance that a positive ranks above a negative"),
            "UAUC": number(format="%.4f", help="AUC per user, weighted by the user's samples"),
            "RelaImpr": number(
                format="%+.2f%%",
                help="Test AUC over the baseline's, minus one; intervals: AUC per activity bucket",
            ),
        },
        alt="Table of all runs with variant, data set, test AUC, UAUC, RelaImpr and state",
    )
    if picked.base:
        base = escaped(picked.labels[picked.base.key])
        st.caption(
            f"RelaImpr: test AUC over that of the baseline ({base}), minus one, on the same data "
            "set, and of the same seed where the baseline has it. One run is one draw: how sure a "
            "difference is, the page on AUC per activity bucket shows."
        )


def _row(entry: Entry, picked: Picked) -> dict[str, Any]:
    run = entry.run
    row: dict[str, Any] = {
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
        return row
    row |= {
        "variant": name_of(run.variant),
        "model": run.config.model.name,
        "data": run.config.data.source,
        "seed": run.seed,
    }
    if entry.usable:
        summary = run.summary or {}
        row |= {"test AUC": summary.get("test_auc"), "UAUC": summary.get("test_uauc")}
        row["RelaImpr"] = _rela_impr(entry, picked)
    return row


def _rela_impr(entry: Entry, picked: Picked) -> float | None:
    """Percent over the baseline; None for the baseline itself and for other data."""
    if picked.base is None or entry.key not in picked.labels:
        return None
    own_seed = {e.run.seed: e for e in picked.catalogue.seeds_of(picked.base)}
    base = own_seed.get(entry.run.seed, picked.base)
    mine = (entry.run.summary or {}).get("test_auc")
    its = (base.run.summary or {}).get("test_auc")
    if entry.key == base.key or not mine or not its:
        return None
    return 100 * float(mine / its - 1)


def _attention(picked: Picked) -> None:
    """Runs that are not finished: what is the matter, and what to do next."""
    for entry in picked.catalogue.entries:
        if entry.usable:
            continue
        text = f"**{escaped(entry.key)}** – {notes.next_step(entry)}"
        if entry.run.state in ("broken", "failed"):
            st.error(text, icon=":material/error:")
        elif entry.run.state == "running":
            st.info(text, icon=":material/play_arrow:")
        else:
            st.warning(text, icon=":material/pause:")


def _curves(picked: Picked) -> None:
    entries = [entry for entry in (picked.base, *picked.candidates) if entry]
    if not entries:
        return
    with st.expander("Training curves of the picked runs", key="curves", on_change="rerun") as box:
        if not box.open:
            return
        from workbench.charts import progress

        frame = compute.training_log(entries)
        show.says(progress.sentence(frame))
        specs = compute.specs(
            entries, lambda: [progress.loss_chart(frame), progress.auc_chart(frame)], "curves"
        )
        show.panels(specs, "curves", per_row=2)
        show.csv(training_log=frame)


main()
