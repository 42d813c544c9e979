"""What this is, the three questions, and the runs that are there."""

from __future__ import annotations

import streamlit as st
from components import compute, imports, notes, pages, run_table, show, sidebar, state
from components.sidebar import Picked
from components.text import escaped


def main() -> None:
    """Draw the page."""
    picked = sidebar.picked()
    st.title("AdaF2M2 workbench")
    st.markdown(
        """
Recommendation models lean on ID embeddings, which only active users and popular items train well.
**AdaF2M2** is a frame around any such model that trains every feature for itself and weighs it by
what is known of the user. The feature mask trains on copies of a sample in which features are
hidden at random; the state-aware adapter gives each feature a weight from IDs, norms and counts.
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
    stops = [page for page in pages.PAGES if page.group]
    groups = list(dict.fromkeys(page.group for page in stops))
    for column, group in zip(st.columns(2 if len(groups) > 1 else 1) * 2, groups, strict=False):
        with column:
            st.markdown(f"**{group}**")
            for page in stops:
                if page.group == group:
                    st.page_link(page.file, label=page.question, icon=page.symbol)


def _table(picked: Picked) -> None:
    left_out = run_table.brief(picked)
    if picked.base:
        base = escaped(picked.labels[picked.base.key])
        more = f"{left_out} older runs are on the page *All runs*. " if left_out else ""
        st.caption(
            f"{more}RelaImpr: test AUC over that of the baseline ({base}), minus one, on the same "
            "data set, and of the same seed where the baseline has it. One run is one draw: how "
            "sure a difference is, the page on AUC per activity bucket shows."
        )


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
    state.flag("curves", False)
    with st.expander("Training curves of the picked runs", key="curves", on_change="rerun") as box:
        if not box.open:
            return
        imports.altair()
        from workbench.charts import progress

        frame = compute.training_log(entries)
        show.says(progress.sentence(frame))
        specs = compute.specs(
            entries, lambda: [progress.loss_chart(frame), progress.auc_chart(frame)], "curves"
        )
        show.panels(specs, "curves", per_row=2)
        show.csv(training_log=frame)


main()
