"""What does the mask hide of one sample?"""

from __future__ import annotations

import streamlit as st
from components import brush, compute, guide, models, show, sidebar, state, subject
from components.catalogue import Entry
from components.subject import Subject
from components.text import escaped

from workbench.charts import mask_copies as charts
from workbench.errors import InputError

MOST_COPIES = 16
LARGEST_SEED = 999_999


def main() -> None:
    """Draw the page."""
    guide.title("mask_microscope")
    picked = sidebar.picked()
    entry = subject.run(picked)
    if entry is None:
        return
    chosen = subject.pick(entry, picked)
    if chosen is None:
        return
    _settle(entry)
    _microscope(entry, chosen)


def _settle(entry: Entry) -> None:
    """Settle all knobs here: a fragment that runs alone must not read the address again."""
    framework = entry.run.config.framework
    default = (round(framework.mask_range[0], 2), round(framework.mask_range[1], 2))
    state.number("k", 1, MOST_COPIES, min(max(framework.k, 4), MOST_COPIES))
    state.numbers("mask_range", 0.0, 1.0, default)
    state.number("mask_seed", 0, LARGEST_SEED, 0)


@st.fragment
def _microscope(entry: Entry, chosen: Subject) -> None:
    """The knobs and what follows from them; runs alone when a knob is moved."""
    from workbench.insight import mask_copies, ranking

    if brush.settle():
        state.rerun()
    k, mask_range, seed = _knobs()
    trained = models.trained(entry)
    request = ranking.request_of(trained.dataset, chosen.sample)
    copies, cells = mask_copies.mask_copies(
        trained.model, trained.dataset, request, k=k, mask_range=mask_range, seed=seed
    )
    whole = mask_copies.unmasked(trained.model, trained.dataset, request)
    serving = whole.serving if trained.model.adapter is not None else None
    variant = entry.run.variant
    _about(entry, serving is not None)

    show.says(charts.strip_sentence(cells, copies))
    show.says(charts.predictions_sentence(copies, whole.base, serving))
    about = (chosen.sample, k, mask_range, seed)
    left, right = st.columns([3, 2])
    (strip,) = compute.specs([entry], lambda: [charts.strip(cells, copies)], "strip", *about)
    (points,) = compute.specs(
        [entry],
        lambda: [charts.predictions(copies, whole.base, serving, variant)],
        "copies",
        *about,
    )
    with left:
        show.draw(strip, "mask_strip", brush.features("x", list(cells["feature"].unique())))
    with right:
        show.draw(points, "mask_points")
    st.caption(
        "Each copy draws its own p from the mask range, then masks each feature with probability "
        "p; a list is masked as a whole. Orange with M: replaced by the feature's [MASK] vector. "
        "The same seed draws the same copies here and in the engine."
    )
    _many(entry, chosen, mask_range, seed)
    show.csv(mask_copies=copies, mask_cells=cells)
    # A fragment that runs alone ends here; the address must follow the knobs all the same.
    state.publish()


def _knobs() -> tuple[int, tuple[float, float], int]:
    first, second, third, fourth = st.columns([2, 3, 2, 1], vertical_alignment="bottom")
    with first:
        st.slider("Copies k", 1, MOST_COPIES, key="k")
    with second:
        st.slider(
            "Mask range [beta, gamma]",
            0.0,
            1.0,
            value=(0.1, 0.5),
            step=0.01,
            key="mask_range",
            help="Bounds of the masking probability p of a copy.",
        )
    with third:
        st.number_input("Seed", 0, LARGEST_SEED, step=1, key="mask_seed")
    with fourth:
        st.button("Redraw", icon=":material/casino:", on_click=_next_seed)
    values = st.session_state
    low, high = values["mask_range"]
    return int(values["k"]), (float(low), float(high)), int(values["mask_seed"])


def _next_seed() -> None:
    st.session_state["mask_seed"] = (int(st.session_state["mask_seed"]) + 1) % LARGEST_SEED


def _about(entry: Entry, adapter: bool) -> None:
    framework = entry.run.config.framework
    if framework.variant.has_mask:
        low, high = framework.mask_range
        text = f"This run was trained with k = {framework.k} and p from {low:g} to {high:g}."
    else:
        text = (
            "This run was trained **without** the mask: its [MASK] vectors have learned nothing "
            "but what unseen values taught them, so its copies show what the mask would do to it."
        )
    if adapter:
        text += " The copies bypass the adapter, in training as here."
    st.caption(text)


def _many(entry: Entry, chosen: Subject, mask_range: tuple[float, float], seed: int) -> None:
    from workbench.insight import mask_copies, ranking

    trained = models.trained(entry)
    request = ranking.request_of(trained.dataset, chosen.sample)
    draws, effects = mask_copies.many_copies(
        trained.model, trained.dataset, request, mask_range=mask_range, seed=seed
    )
    whole = mask_copies.unmasked(trained.model, trained.dataset, request)
    serving = whole.serving if trained.model.adapter is not None else None
    st.subheader(f"{len(draws):,} copies of the same sample")
    left, right = st.columns(2, gap="large")
    about = (chosen.sample, mask_range, seed)
    (histogram,) = compute.specs(
        [entry],
        lambda: [charts.distribution(draws, whole.base, serving, entry.run.variant)],
        "many copies",
        *about,
    )
    (forest,) = compute.specs([entry], lambda: [charts.effects(effects)], "mask effects", *about)
    with left:
        show.says(charts.distribution_sentence(draws, whole.base))
        show.draw(histogram, "mask_histogram")
    with right:
        show.says(charts.effects_sentence(effects))
        show.draw(forest, "mask_effects", brush.features("y", list(effects["feature"])))
    st.caption(
        "Left: the predictions of the copies, beside those of the sample itself. Right: mean logit "
        "of the copies that lack the feature minus that of the others, with the 95% interval over "
        "the copies. Features of one copy share its p, so a copy that lacks one tends to lack "
        "others as well. Click a feature, above too, to set it everywhere."
    )
    show.csv(mask_distribution=draws, mask_effects=effects)


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
