"""Do head users' ID embeddings grow larger?"""

from __future__ import annotations

import streamlit as st
from components import brush, compute, guide, notes, show, sidebar, state
from components.sidebar import Picked
from components.text import escaped

from workbench.charts import id_norms, words
from workbench.errors import InputError


def main() -> None:
    """Draw the page."""
    guide.title("id_norms")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    features = compute.norm_features(picked.base)
    titles = {words.feature_title(feature): feature for feature in features}
    mine = next((text for text, name in titles.items() if name == picked.feature), None)
    state.one("id", list(titles), mine)
    for tab, feature in zip(
        st.tabs(list(titles), key="id", on_change="rerun"), titles.values(), strict=True
    ):
        if tab.open:
            with tab:
                _feature(picked, feature)


def _feature(picked: Picked, feature: str) -> None:
    entries = [*picked.base_runs, *picked.candidate_runs]
    norms, ratios = compute.id_norms(entries, feature)
    one = id_norms.entity(feature)
    # The sidebar's range is one of users; the norms of items go by their own activity.
    own_slice = picked.slice.ends if one == "user" else None
    show.says(*id_norms.sentences(ratios, feature=feature))
    shared = id_norms.scales(norms)
    base_group = str(ratios["group"].iloc[0])
    base = norms[norms["group"] == base_group]
    specs = compute.specs(
        entries,
        lambda: [
            id_norms.panel(
                rows,
                shared,
                reference=None if id_norms.group_of(rows) == base_group else base,
                chosen=own_slice,
                brush=one == "user",
            )
            for rows in id_norms.split(norms)
        ],
        "norms",
        feature,
        own_slice,
    )
    drag = [brush.activity()] if one == "user" else []
    own = [[*drag, brush.panel(feature)]] * len(specs)
    show.panels(specs, f"norms_{feature}", per_row=2, gestures=own)
    st.caption(
        f"Line: median norm of the {one}s in a tenth of all {one}s, by activity; one line per "
        f"seed. Bands: middle 50% and 80% of the {one}s. Dashed level: median norm before "
        "training. Thin grey: the baseline." + _slice_note(picked, one)
    )
    st.subheader("Head over tail")
    left, right = st.columns([3, 2])
    with left:
        (spec,) = compute.specs(
            entries,
            lambda: [id_norms.ratio_chart(ratios).properties(height=26 * len(ratios) + 70)],
            "ratio",
            feature,
        )
        show.draw(spec, f"ratio_{feature}")
    with right:
        st.markdown(
            f"Median norm of the most active 5% of {one}s over that of the less active half, with "
            "the 95% bootstrap interval. At 1 both are alike.\n\n" + _other_causes(picked)
        )
    show.csv(**{f"norms_{feature}": norms, f"head_tail_ratio_{feature}": ratios})
    if one == "user":
        _users(picked, feature)


def _users(picked: Picked, feature: str) -> None:
    """Single users of one run; a click picks one for every page."""
    from workbench.charts import user_scatter as charts

    st.subheader("User by user")
    by_key = {entry.key: entry for entry in (picked.base, *picked.candidates) if entry}
    keys = sorted(by_key, key=lambda key: by_key[key].run.variant != "full")
    key = str(state.one("run", keys))
    if len(keys) > 1:
        st.segmented_control(
            "Run", keys, key="run", required=True, format_func=picked.labels.__getitem__
        )
    entry = by_key[key]
    frame, correlation = compute.user_scatter(entry, feature)
    show.says(charts.sentence(frame, correlation))
    (spec,) = compute.specs(
        [entry],
        lambda: [charts.chart(frame, correlation, variant=entry.run.variant, code=picked.user)],
        "users",
        feature,
        picked.user,
    )
    show.draw(spec, "users", brush.users())
    st.caption(
        "A point is one user: nothing is estimated, so nothing has an interval. Click a user to "
        "look at that one on every page. Where there are too many to draw, those that are drawn "
        "are spread evenly over the ranks of activity."
    )
    show.csv(users_activity_and_norm=frame)


def _slice_note(picked: Picked, one: str) -> str:
    if picked.slice.whole or one == "user":
        return ""
    return " The sidebar's range is one of users and does not cut this figure."


def _other_causes(picked: Picked) -> str:
    """Weight decay and optimiser, with the values that these runs were trained with."""
    runs = [entry.run for entry in (*picked.base_runs, *picked.candidate_runs)]
    decays = sorted({run.config.training.weight_decay for run in runs})
    rates = sorted({run.config.training.lr for run in runs})
    values = ", ".join(f"{value:g}" for value in decays)
    speed = ", ".join(f"{value:g}" for value in rates)
    return (
        "**What else moves norms.** Weight decay pulls every row towards zero at every step, also "
        "where no sample pushes back, so its effect changes with activity whatever the variant "
        f"(here: weight decay {values}). The optimiser does too: a step of Adam is about as long "
        f"as the learning rate (here: {speed}), however small the gradient, so how far a row "
        "travels depends on how often it is seen. Compare runs that share both."
    )


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
