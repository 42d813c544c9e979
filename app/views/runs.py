"""Which runs are there, what did each cost, and where do they differ?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from components import compute, guide, notes, run_table, show, sidebar, state
from components.catalogue import Entry, store_folders
from components.sidebar import Picked
from components.text import escaped

from workbench.charts import parallel
from workbench.errors import InputError
from workbench.insight.settings import differences
from workbench.runs import RunStore

_DELETED = "_deleted"


def main() -> None:
    """Draw the page."""
    guide.title("runs")
    picked = sidebar.picked()
    if not picked.catalogue.entries:
        _undo()
        notes.no_runs(picked)
        return
    _table(picked)
    _parallel(picked)
    _difference(picked)
    _delete(picked)


def _table(picked: Picked) -> None:
    pairs = [(run_table.base_of(entry, picked), entry) for entry in picked.catalogue.usable]
    everything = state.flag("intervals", False)
    wanted = {entry.key for entry in picked.candidate_runs}
    unknown = {"difference": None, "from": None, "to": None}
    more: dict[str, dict[str, Any]] = {
        entry.key: unknown | _cost(entry, base) for base, entry in pairs
    }
    with st.spinner("Drawing users for the intervals"):
        for base, entry in pairs:
            if base is not None and (everything or entry.key in wanted):
                result = compute.compare(base, entry)
                more[entry.key] |= {
                    "difference": result["delta_auc"],
                    "from": result["ci_low"],
                    "to": result["ci_high"],
                }
    frame = run_table.draw(picked, more)
    st.toggle(
        "Intervals for all runs",
        key="intervals",
        help="Without it only the runs under **Compare with** get one; each takes about a second.",
    )
    if picked.base:
        st.caption(
            f"Differences are to the baseline ({escaped(picked.labels[picked.base.key])}), to its "
            "run of the same seed where there is one; intervals are 95% paired bootstrap intervals "
            "over users, as `workbench compare` prints them. Click a heading to sort."
        )
    show.csv(runs=frame)
    _report(picked)


def _report(picked: Picked) -> None:
    """A button that saves the picked comparison as one file; it takes seconds to make."""
    if picked.base is None or not picked.candidates:
        return
    base, runs = picked.base.run, [entry.run for entry in picked.candidates]

    def make() -> bytes:
        from workbench.report.page import report_html

        return report_html(base, runs).encode()

    st.download_button(
        "Report of the picked runs (HTML)",
        make,
        file_name=f"{base.name}-report.html",
        mime="text/html",
        key="report",
        icon=":material/description:",
        on_click="ignore",
        help="One file that opens offline, with interactive charts: the baseline and the runs "
        "under **Compare with**. The same as `workbench report`; takes some seconds.",
    )


def _cost(entry: Entry, base: Entry | None) -> dict[str, Any]:
    summary = entry.run.summary or {}
    seconds = summary.get("seconds")
    its = (base.run.summary or {}).get("seconds") if base else None
    return {
        "log loss": summary.get("test_log_loss"),
        "best epoch": summary.get("best_epoch"),
        "seconds": seconds,
        "cost": seconds / its if seconds and its else None,
        "samples/s": summary.get("train_samples_per_second"),
        "parameters": summary.get("parameters"),
        "alpha·k": summary.get("effective_aux_weight"),
    }


def _parallel(picked: Picked) -> None:
    entries = [entry for entry in picked.catalogue.usable if entry.key in picked.labels]
    if len(entries) < 2:
        return
    st.header("All runs on this data at once")
    frame = compute.side_by_side(entries)
    show.says(parallel.sentence(frame))
    specs = compute.specs(entries, lambda: [parallel.chart(frame)], "parallel")
    show.panels(specs, "parallel", per_row=1)
    st.caption(
        "One line per run. First the settings that are not the same in all runs, then the results. "
        "An axis whose largest value is over twenty times its smallest is logarithmic."
    )
    show.csv(settings_and_results=frame)


def _difference(picked: Picked) -> None:
    by_key = {entry.key: entry for entry in picked.catalogue.entries if not entry.run.problem}
    if len(by_key) < 2:
        return
    st.header("Where do two runs differ?")
    keys = list(by_key)
    first = picked.base.key if picked.base else keys[0]
    second = next((e.key for e in picked.candidates), next(k for k in keys if k != first))
    columns = st.columns(2)
    chosen = []
    for column, name, default in zip(columns, ("one", "other"), (first, second), strict=True):
        key = str(state.one(name, keys, default))
        with column:
            st.selectbox("First run" if name == "one" else "Second run", keys, key=name)
        chosen.append(by_key[key])
    frame = differences(chosen[0].run, chosen[1].run)
    if frame.empty:
        st.markdown("Every setting is the same.")
        return
    count = len(frame)
    show.says(f"{count} setting{'s' if count > 1 else ''} differ{'' if count > 1 else 's'}.")
    titles = {"one": chosen[0].key, "other": chosen[1].key}
    st.dataframe(
        frame,
        hide_index=True,
        column_config={"setting": "setting", **titles},
        alt="Table of the settings in which the two runs differ",
    )
    show.csv(differing_settings=frame)


def _delete(picked: Picked) -> None:
    st.header("Delete a run")
    _undo()
    keys = [entry.key for entry in picked.catalogue.entries]
    key = state.one("delete", ["", *keys])
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        st.selectbox(
            "Run",
            ["", *keys],
            key="delete",
            format_func=lambda name: name or "Choose a run",
            help="It is moved to the folder's trash, from where it can be taken back.",
        )
    with right:
        st.button(
            "Delete",
            icon=":material/delete:",
            disabled=not key,
            on_click=_take_away,
            args=[next((e for e in picked.catalogue.entries if e.key == key), None)],
        )
    _trash()


def _take_away(entry: Entry | None) -> None:
    """Callback: move a run to the trash of its folder."""
    if entry is None:
        return
    root = entry.run.path.parent
    try:
        in_trash = RunStore(root).delete(entry.run.name)
    except InputError as error:
        st.session_state[_DELETED] = (str(error), None, None)
        return
    st.session_state["delete"] = ""
    st.session_state[_DELETED] = (f"Deleted {entry.key}.", str(root), in_trash)


def _restore(root: Path, in_trash: str) -> None:
    """Callback: take a run back."""
    try:
        run = RunStore(root).restore(in_trash)
    except InputError as error:
        st.session_state[_DELETED] = (str(error), None, None)
        return
    st.session_state[_DELETED] = (f"{run.name} is back.", None, None)


def _undo() -> None:
    """What the last click did, and the way back."""
    told = st.session_state.pop(_DELETED, None)
    if told is None:
        return
    said, root, in_trash = told
    st.info(escaped(said))
    if in_trash is not None:
        # Kept until something else is done, so that a reload of the page does not lose it.
        st.session_state[_DELETED] = told
        st.button("Undo", icon=":material/undo:", on_click=_restore, args=[Path(root), in_trash])


def _trash() -> None:
    """Runs deleted earlier."""
    found = [(path, name) for path in store_folders().values() for name in _trash_of(path)]
    if not found:
        return
    with st.expander(f"Trash ({len(found)})"):
        for place, (path, name) in enumerate(found):
            left, right = st.columns([3, 1])
            left.markdown(escaped(name))
            right.button("Take back", key=f"back_{place}", on_click=_restore, args=[path, name])


def _trash_of(path: Path) -> tuple[str, ...]:
    try:
        return RunStore(path).trash()
    except (InputError, OSError):
        return ()


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
