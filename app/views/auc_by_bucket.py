"""What does masking do to AUC per activity bucket?"""

from __future__ import annotations

import pandas as pd
import streamlit as st
from components import brush, compute, guide, notes, show, sidebar, state
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped

from workbench.charts import auc_by_bucket
from workbench.errors import InputError

METRICS = {"auc": "AUC", "uauc": "UAUC", "log_loss": "Log loss"}
MODES = {"delta": "Difference to the baseline", "absolute": "Absolute value"}


def main() -> None:
    """Draw the page."""
    guide.title("auc_by_bucket")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    if not picked.candidates:
        st.info("Pick at least one run under **Compare with** in the sidebar.")
        return
    metric, mode = _switches()
    base, candidates, alone = picked.pairs
    if not candidates:
        st.warning(
            f"No picked run has the seed of the baseline ({picked.base.run.seed}). Runs are paired "
            "by seed: turn on **All seeds of these runs**, or pick runs of one seed."
        )
        return
    with st.spinner("Drawing users for the intervals"):
        frame, seeds = compute.auc_by_bucket(base, candidates, metric)
    _figure([*base, *candidates], _sliced(frame, picked), _sliced(seeds, picked), metric, mode)
    if alone:
        names = ", ".join(picked.labels.get(entry.key, entry.key) for entry in alone)
        st.caption(f"Left out, because the baseline has no run of their seed: {escaped(names)}.")


def _switches() -> tuple[str, str]:
    left, right = st.columns(2)
    metric = str(state.one("metric", list(METRICS)))
    mode = str(state.one("mode", list(MODES)))
    with left:
        st.segmented_control(
            "Metric", list(METRICS), key="metric", required=True, format_func=METRICS.__getitem__
        )
    with right:
        st.segmented_control(
            "Shown", list(MODES), key="mode", required=True, format_func=MODES.__getitem__
        )
    return metric, mode


def _sliced(frame: pd.DataFrame, picked: Picked) -> pd.DataFrame:
    """The rows of the buckets in the sidebar's range, and the row of all users."""
    inside = frame["bucket"].map(
        lambda name: name == "all" or picked.slice.holds(float(name.rstrip("+").split("-")[0]))
    )
    return frame[inside]


def _figure(
    entries: list[Entry], frame: pd.DataFrame, seeds: pd.DataFrame, metric: str, mode: str
) -> None:
    show.says(*auc_by_bucket.sentences(frame, metric=metric))
    shared = auc_by_bucket.scales(frame, mode)
    specs = compute.specs(
        entries,
        lambda: [
            auc_by_bucket.panel(
                rows,
                seeds[seeds["group"] == rows["group"].iloc[0]],
                shared,
                metric=metric,
                mode=mode,
            )
            for rows in auc_by_bucket.split(frame)
        ],
        "auc",
        metric,
        mode,
        tuple(frame["bucket"]),
    )
    own = [brush.buckets("y")] * len(specs)
    show.panels(specs, f"auc_{metric}_{mode}", gestures=own)
    how = (
        "Point: mean over seeds. Bar: 95% paired bootstrap interval over users. Thin ticks: single "
        "seeds. Shaded: smaller differences are found less than 8 times in 10 with this many users."
        if mode == "delta"
        else "Hollow: the baseline. Filled: this way of training, with the 95% interval of the "
        "difference, laid at the baseline's value."
    )
    st.caption(
        f"{how} Grey: fewer than 30 users. The interval speaks of other users, not of other seeds. "
        f"Of {len(frame)} intervals about one in twenty misses the truth by chance. Drag over "
        "rows or click one to set the activity range everywhere."
    )
    show.csv(**{f"{metric}_by_activity": frame, f"{metric}_by_activity_single_seeds": seeds})


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
