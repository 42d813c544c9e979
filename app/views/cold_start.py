"""What does a user get whose history is cut to a few events?"""

from __future__ import annotations

import pandas as pd
import streamlit as st
from components import ask, brush, guide, models, notes, show, sidebar, state, subject
from components.catalogue import Entry
from components.sidebar import Picked
from components.subject import Subject
from components.text import escaped

from workbench.charts import cold_start as charts
from workbench.charts import words
from workbench.charts.refill import refilled
from workbench.errors import InputError

IDENTITIES = {"trained": "As trained", "unseen": "Unseen [MASK]"}
MEANING = {
    "trained": "The ID's vector is the trained one from the first event on. It has learned from "
    "**all** of this user's training samples, so a short history looks better known than it would "
    "be: an upper bound.",
    "unseen": "The ID's vector is [MASK] at every length, as in a system whose counters and "
    "histories follow the user at once while its embeddings are not trained again yet: a lower "
    "bound.",
}
COLUMNS = {
    "rank": "#",
    "final": "kept",
    "key": "item",
    "probability": "prediction",
    "about": "what it is",
}
LISTS_PER_ROW = 2


def main() -> None:
    """Draw the page."""
    guide.title("cold_start")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    entries = [picked.base, *picked.candidates]
    chosen = subject.pick(picked.base, picked)
    if chosen is None:
        return
    lengths = _lengths(picked.base, chosen)
    if len(lengths) == 1:
        st.info(
            "Training has not seen this user: there is no history to cut. What is shown is what a "
            "new user gets. Pick another one under **Find a user** to see a history grow."
        )
    _settle(lengths)
    _simulator(entries, picked, chosen, lengths)


def _lengths(entry: Entry, chosen: Subject) -> list[int]:
    from workbench.insight import cold_start

    dataset = models.trained(entry).dataset
    return cold_start.lengths_of(cold_start.past_of(dataset, chosen.user))


def _settle(lengths: list[int]) -> None:
    """Settle all knobs here: a fragment that runs alone must not read the address again."""
    state.one("identity_kept", list(IDENTITIES))
    state.one("length", [str(length) for length in lengths], "0")
    state.flag("leave_out", True)


@st.fragment
def _simulator(entries: list[Entry], picked: Picked, chosen: Subject, lengths: list[int]) -> None:
    """The knobs and what follows from them; runs alone when a knob is moved."""
    if brush.settle():
        state.rerun()
    identity, length, leave_out = _knobs(lengths)
    weights, lists, overlap = _simulate(entries, picked, chosen, identity, leave_out)
    _overlap(overlap, length)
    _weights(weights, picked, length)
    _lists(lists, lengths[-1], length)
    show.csv(cold_start_weights=weights, cold_start_top_10=lists, cold_start_overlap=overlap)
    # A fragment that runs alone ends here; the address must follow the knobs all the same.
    state.publish()


def _knobs(lengths: list[int]) -> tuple[str, int, bool]:
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom", gap="large")
    names = [str(length) for length in lengths]
    with left:
        if len(names) > 1:
            st.select_slider(
                "Training samples that are kept",
                names,
                key="length",
                format_func=lambda name: f"{int(name):,}",
                help="The newest ones of this user; counts and history follow.",
            )
    with middle:
        st.segmented_control(
            "The user's ID",
            list(IDENTITIES),
            key="identity_kept",
            required=True,
            format_func=IDENTITIES.__getitem__,
        )
    with right:
        st.toggle("Leave out the user's own items", key="leave_out")
    identity = str(st.session_state["identity_kept"])
    st.caption(f"{MEANING[identity]} Without any event the ID is always [MASK].")
    return identity, int(st.session_state["length"]), bool(st.session_state["leave_out"])


def _simulate(
    entries: list[Entry], picked: Picked, chosen: Subject, identity: str, leave_out: bool
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The three frames of all runs, with `label` and `variant`."""
    parts: list[list[pd.DataFrame]] = [[], [], []]
    for entry in entries:
        found = ask.simulation(entry, chosen.user, chosen.sample, identity, leave_out)
        for frames, frame in zip(parts, found, strict=True):
            name = {"label": picked.labels[entry.key], "variant": entry.run.variant}
            frames.append(frame.assign(**name))
    weights, lists, overlap = (pd.concat(frames, ignore_index=True) for frames in parts)
    lists["about"] = [ask.about_item(entries[0], int(item)) for item in lists["item"]]
    return weights, lists, overlap


def _overlap(frame: pd.DataFrame, length: int) -> None:
    st.subheader("How soon is the list what it will be?")
    sentence = charts.overlap_sentence(frame)
    show.says(sentence)
    spec = ask.template(
        lambda: charts.overlap_chart(frame, length),
        "overlap",
        tuple(frame["label"]),
        int(frame["length"].max()),
        length,
    )
    show.draw(refilled(spec, frame, sentence), "overlap", brush.activity("length"))
    st.caption(
        "Items of the top 10 that are also in the run's own top 10 for the whole history and the "
        "trained ID. Early agreement says that a list does not depend on the history, not that it "
        "is good: whether new users are served well is on the page *What does masking do to AUC*, "
        "at 0 training interactions. One user, so nothing is estimated and nothing has an interval."
    )


def _weights(frame: pd.DataFrame, picked: Picked, length: int) -> None:
    st.subheader("Weights as the history grows")
    if frame.empty:
        st.info(
            "None of the picked runs has an adapter. Add a run of the variant *adapter* or *full* "
            "under **Compare with** in the sidebar."
        )
        return
    shown = frame[frame["is_id"]]
    if picked.feature is not None:
        shown = frame[frame["feature"] == picked.feature]
    panels = charts.split(shown)
    show.says(*(charts.weight_sentence(rows) for rows in panels))
    specs = []
    for rows in panels:
        spec = ask.template(
            lambda rows=rows: charts.weight_panel(rows, length),
            "cold weights",
            tuple(rows["label"]),
            str(rows["feature"].iloc[0]),
            float(rows["start"].max()),
            int(rows["length"].max()),
            length,
        )
        specs.append(refilled(spec, rows, charts.weight_sentence(rows)))
    own = [(brush.activity("length"), brush.panel(str(rows["feature"].iloc[0]))) for rows in panels]
    show.panels(specs, "cold_weights", per_row=2, gestures=own)
    st.caption(
        "Colours as above. Dashed: the weight before training. Orange band: the history of the "
        "slider. Weights are those of the picked sample. Shown: "
        + (
            "the ID features; pick another feature in the sidebar."
            if picked.feature is None
            else "the sidebar's feature."
        )
        + " Drag over a panel to set the activity range everywhere, click one to set its feature."
    )


def _lists(frame: pd.DataFrame, longest: int, length: int) -> None:
    st.subheader(f"Top 10 after {words.count(length, 'training sample')}")
    labels = list(dict.fromkeys(frame["label"]))
    for first in range(0, len(labels), LISTS_PER_ROW):
        columns = st.columns(LISTS_PER_ROW, gap="large")
        for column, label in zip(columns, labels[first : first + LISTS_PER_ROW], strict=False):
            own = frame[frame["label"] == label]
            final = set(own.loc[own["length"] == longest, "item"])
            top = own[own["length"] == length]
            top = top.assign(final=top["item"].isin(final))
            with column:
                kept = int(top["final"].sum())
                st.markdown(
                    f"**{escaped(label)}**: {kept} of {len(top)} items stay with "
                    f"{words.count(longest, 'sample')}."
                )
                st.dataframe(
                    top[list(COLUMNS)].rename(columns=COLUMNS),
                    hide_index=True,
                    height="content",
                    column_config={
                        "prediction": st.column_config.ProgressColumn(
                            format="percent", min_value=0.0, max_value=1.0
                        ),
                        "kept": st.column_config.CheckboxColumn(
                            help="Also in the list of the whole history"
                        ),
                    },
                    alt=f"Top 10 of {label} after {length} training samples",
                )


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
