"""Does the adapter find what was planted?"""

from __future__ import annotations

import pandas as pd
import streamlit as st
from components import brush, compute, guide, notes, show, sidebar, state
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped

from workbench.charts import planted_importance
from workbench.charts.words import feature_title
from workbench.errors import InputError


def main() -> None:
    """Draw the page."""
    guide.title("planted_truth")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    entry = _run(picked)
    if entry is None:
        return
    st.markdown(
        "In the planted world it is known how much each feature can tell about a user with so many "
        "training interactions. Beside it: the feature's share of the sum of all contributions "
        "w·|v|. The two are different quantities, so compare the order of the features and which "
        "way each moves, not the heights."
    )
    frame = compute.planted_shares(entry)
    if picked.feature is not None and (frame["feature"] == picked.feature).any():
        shown = frame[frame["feature"] == picked.feature]
    else:
        shown = frame
    _curves(entry, frame, shown)
    _ranks(entry, frame)


def _run(picked: Picked) -> Entry | None:
    """A picked run with an adapter on a world whose truth is known; else what to do."""
    chosen = [e for e in (*picked.candidates, picked.base) if e and e.run.has("importance")]
    chosen = [entry for entry in chosen if entry.run.has("weights")]
    if not chosen:
        st.info(
            "None of the picked runs has both an adapter and a planted truth. Real data have no "
            "known importances; the planted world has. Pick a run of the variant *adapter* or "
            "*full* on it, or train one:"
        )
        st.code(notes.TRAIN, language="bash")
        return None
    by_key = {entry.key: entry for entry in chosen}
    keys = sorted(by_key, key=lambda key: by_key[key].run.variant != "full")
    key = str(state.one("run", keys))
    if len(keys) > 1:
        st.segmented_control(
            "Run", keys, key="run", required=True, format_func=picked.labels.__getitem__
        )
    return by_key[key]


def _curves(entry: Entry, frame: pd.DataFrame, shown: pd.DataFrame) -> None:
    show.says(planted_importance.sentence(frame))
    top, activity = planted_importance.scale_top(frame), float(frame["activity"].max())
    parts = planted_importance.split(shown)
    specs = compute.specs(
        [entry],
        lambda: [
            planted_importance.panel(rows, top=top, activity=activity, variant=entry.run.variant)
            for rows in parts
        ],
        "planted",
        tuple(shown["feature"].unique()),
    )
    own = [(brush.activity(), brush.panel(str(rows["feature"].iloc[0]))) for rows in parts]
    show.panels(specs, f"planted_{len(specs)}", gestures=own)
    st.caption(
        "Dashed, squares: planted. Solid, points: estimated, with the 95% interval of the "
        "feature's median over the same sum. Faint: bins with fewer than 30 users. Drag over a "
        "panel to set the activity range everywhere, click one to see its feature alone."
    )
    show.csv(planted_importance=frame)


def _ranks(entry: Entry, frame: pd.DataFrame) -> None:
    """Order of the features, planted and estimated, for the least and the most active users."""
    st.header("Order of the features")
    found = planted_importance.agreement(frame)
    if not found:
        st.markdown("Too few users or features for an order.")
        return
    ends = [("least active", found[0]), ("most active", found[-1])]
    for column, (who, (activity, correlation)) in zip(st.columns(2), ends, strict=True):
        with column:
            st.metric(
                f"Rank correlation, {who} users",
                f"{correlation:+.2f}",
                help=f"Of users with about {activity:,.0f} training interactions; 1: same order.",
            )
            table = planted_importance.order_at(frame, activity)
            table["feature"] = table["feature"].map(feature_title)
            st.dataframe(
                table,
                hide_index=True,
                column_config={
                    "planted": st.column_config.NumberColumn(format="percent"),
                    "estimated": st.column_config.NumberColumn(format="percent"),
                },
                alt=f"Features by planted share, {who} users",
            )
    st.caption(
        "Shares over the features that the planted world knows. One run is one draw; the demo runs "
        "have three seeds to pick from."
    )


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
