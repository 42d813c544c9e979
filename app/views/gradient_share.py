"""Which features still learn, and from which loss?"""

from __future__ import annotations

import streamlit as st
from components import brush, compute, guide, models, notes, show, sidebar, state
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped

from workbench.errors import InputError

TABS = ("At the end of training", "Over the steps", "Embedding spectrum")


def main() -> None:
    """Draw the page."""
    guide.title("gradient_share")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    state.one("part", TABS)
    draws = (_end, _steps, _spectrum)
    for tab, draw in zip(st.tabs(TABS, key="part", on_change="rerun"), draws, strict=True):
        if tab.open:
            with tab:
                draw(picked)


def _entries(picked: Picked) -> list[Entry]:
    return [entry for entry in (picked.base, *picked.candidates) if entry is not None]


def _end(picked: Picked) -> None:
    from workbench.charts import gradient_share as charts

    entries = _entries(picked)
    for entry in entries:
        models.trained(entry)
    frames = {entry.key: compute.gradient_share(entry) for entry in entries}
    if picked.feature is not None:
        frames = {k: f[f["feature"] == picked.feature] for k, f in frames.items()}
    names = {entry.key: picked.labels[entry.key] for entry in entries}
    if picked.feature is None:
        show.says(*(charts.loss_sentence(frame, names[key]) for key, frame in frames.items()))
    longest = max(float(frame[["main", "auxiliary"]].max().max()) for frame in frames.values())
    specs = compute.specs(
        entries,
        lambda: [
            charts.loss_panel(
                frames[entry.key],
                longest=longest or 1.0,
                title=names[entry.key],
                variant=entry.run.variant,
            )
            for entry in entries
        ],
        "gradients",
        picked.feature,
    )
    own = [[brush.features("y", list(frames[e.key]["feature"]), "name")] for e in entries]
    show.panels(specs, f"gradients_{picked.feature}", per_row=2, gestures=own)
    st.caption(
        "Solid: main loss. Hollow: alpha times the auxiliary loss of the masked copies, which "
        "passes by the adapter. Number: the adapter's mean weight, by equation (5) the factor on "
        f"the main loss's gradient. Exact, on {compute.GRADIENT_ROWS:,} training samples. Click a "
        "feature to see it alone everywhere."
    )
    show.csv(
        **{
            f"gradients_{entry.run.variant}_seed_{entry.run.seed}": frames[entry.key]
            for entry in entries
        }
    )


def _steps(picked: Picked) -> None:
    from workbench.charts import gradient_share as charts

    st.markdown(
        "How the share of each feature changes while a model trains. Finished runs do not keep "
        "their gradients, so the picked runs are trained again here, in memory, for one epoch, and "
        "the same batch is measured some twenty times on the way."
    )
    wanted = state.flag("again", False)
    rows = sum(
        (entry.run.summary or {}).get("rows", {}).get("train", 0) for entry in _entries(picked)
    )
    st.toggle(
        f"Train again ({rows:,} samples in all)",
        key="again",
        help="A hundred thousand samples take two to six seconds.",
    )
    if not wanted:
        return
    entries = _entries(picked)
    bar = st.progress(0.0, "Training")
    frames = []
    for place, entry in enumerate(entries):
        bar.progress(place / len(entries), f"Training {escaped(picked.labels[entry.key])}")
        frames.append(compute.gradient_steps(entry))
    bar.empty()
    frame = compute.joined(frames, entries)
    if picked.feature is not None:
        frame = frame[frame["feature"] == picked.feature]
    show.says(charts.sentence(frame))
    (spec,) = compute.specs(
        entries, lambda: [charts.chart(frame, columns=3)], "gradient steps", picked.feature
    )
    names = list(frame["feature"].unique())
    show.draw(spec, "gradient_steps", brush.features(None, names), width="content")
    st.caption(
        "Share of the sum over features of the mean gradient length, both losses together; exact "
        "on one fixed batch, so without an interval. Before the first step embeddings are noise. "
        "Click a panel to see its feature alone everywhere."
    )
    show.csv(gradient_share_over_steps=frame)


def _spectrum(picked: Picked) -> None:
    from workbench.charts import spectrum as charts

    entries = _entries(picked)
    names = {entry.run.name: picked.labels[entry.key] for entry in entries}
    frame = compute.spectrum(entries)
    frame = frame.assign(label=frame["run"].map(names))
    if picked.feature is not None:
        frame = frame[frame["feature"] == picked.feature]
    parts = charts.split(frame)
    show.says(*(charts.sentence(rows) for rows in parts if rows["is_id"].iloc[0]))
    specs = compute.specs(
        entries,
        lambda: [charts.panel(rows, legend=not place) for place, rows in enumerate(parts)],
        "spectrum",
        picked.feature,
    )
    own = [[brush.panel(str(rows["feature"].iloc[0]))] for rows in parts]
    show.panels(specs, f"spectrum_{picked.feature}", gestures=own)
    ranks = charts.ranks(frame)
    st.dataframe(ranks, hide_index=True, alt="Effective rank of each feature and run")
    st.caption(
        "Singular values of the trained vectors of each feature, without [MASK]; table: effective "
        "rank, from 1 (one direction) to the dimension (all alike). A steep fall: the embedding "
        "uses few of its dimensions. Values seen once or twice are close to where "
        "they started and add directions of noise. Click a panel to see its feature "
        "alone everywhere."
    )
    show.csv(embedding_spectrum=frame, effective_rank=ranks)


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
