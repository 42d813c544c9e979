"""Where is the optimum of alpha, k and the mask range?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st
from components import compute, guide, notes, show, sidebar, state
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped
from lab import actions
from lab.data import RUN, lab_root

from workbench.charts.names import NAMES
from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.lab import grid, places
from workbench.runs import Run

if TYPE_CHECKING:
    import altair as alt

CELL = "_surface_cell"
MEASURES = {"test": "Test AUC", "valid": "Validation AUC"}
VARIANTS = ("full", "mask")
ALPHAS = ("0.05", "0.1", "0.2", "0.4", "0.8", "1.6")
RANGES = ("0 to 0.2", "0.1 to 0.3", "0.1 to 0.5", "0.3 to 0.5", "0.3 to 0.7", "0.5 to 0.9")
SEEDS = tuple(str(seed) for seed in range(10))
REPLICATES = 500
FRAME_WIDTH, FRAME_HEIGHT = 220, 90
"""Pixels of axes, titles and legend."""
READ_ON = {
    "What does masking do to AUC per activity bucket?": "views/auc_by_bucket.py",
    "Do head IDs grow larger?": "views/id_norms.py",
}


def main() -> None:
    """Draw the page."""
    guide.title("response_surface")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    base = _base(picked)
    if base is None:
        st.info(
            f"The data set has no unmasked base run of {picked.base.run.config.model.name}, which "
            "the surface is compared with. Train one in the live lab, or pick another baseline."
        )
        return
    variant, measure = _switches()
    from workbench.insight.surface_runs import bases_of, cells_of

    entries = _same_data(picked, base)
    runs = [entry.run for entry in entries]
    bases = bases_of(base.run, runs)
    cells = cells_of(base.run, runs, variant)
    if any(run.seed in bases for own in cells.values() for run in own):
        _figure(entries, base, variant, measure)
        _cell(picked)
    else:
        st.info(
            f"No finished run of {NAMES[variant]} differs from the baseline by alpha, k and mask "
            "range alone. Below you can queue some."
        )
    _missing(picked, base, bases, cells, variant)


def _base(picked: Picked) -> Entry | None:
    """The picked baseline, or the first unmasked base run of its model on its data."""
    assert picked.base is not None
    if picked.base.run.variant == "base":
        return picked.base
    model = picked.base.run.config.model.name
    return next(
        (
            entry
            for entry in _same_data(picked, picked.base)
            if entry.run.variant == "base" and entry.run.config.model.name == model
        ),
        None,
    )


def _same_data(picked: Picked, base: Entry) -> list[Entry]:
    groups = picked.catalogue.data_labels.values()
    return next((entries for entries in groups if base in entries), [base])


def _switches() -> tuple[str, str]:
    left, right = st.columns(2)
    variant = str(state.one("surface", list(VARIANTS)))
    measure = str(state.one("measure", list(MEASURES)))
    with left:
        st.segmented_control(
            "Variant", list(VARIANTS), key="surface", required=True, format_func=NAMES.__getitem__
        )
    with right:
        st.segmented_control(
            "Difference of",
            list(MEASURES),
            key="measure",
            required=True,
            format_func=MEASURES.__getitem__,
        )
    return variant, measure


@st.cache_data(max_entries=16, show_spinner=False)
def _surface(_base: Run, _runs: list[Run], key: compute.Key, variant: str) -> Any:
    from workbench.insight.surface_runs import bases_of, cells_of, surface_of_runs

    cells = cells_of(_base, _runs, variant)
    return surface_of_runs(bases_of(_base, _runs), cells, replicates=REPLICATES)


def _figure(entries: list[Entry], base: Entry, variant: str, measure: str) -> None:
    from workbench.charts import response_surface as charts

    key = compute.key_of([base, *entries])
    with st.spinner("Drawing users for the intervals"):
        frame, optimum = _surface(base.run, [entry.run for entry in entries], key, variant)
    # One cell is no contest.
    contest = [charts.sentence(frame, optimum)] if len(frame) > 1 else []
    show.says(charts.chosen_sentence(frame), *contest)
    shown = frame if measure == "test" else _validation(frame)
    if shown.empty:
        st.warning("No run says its validation AUC.")
        return
    (spec,) = compute.specs(
        entries,
        lambda: [_framed(charts.chart(shown, optimum, clickable=True))],
        "surface",
        base.key,
        variant,
        measure,
    )
    chart_key = f"surface_{variant}_{measure}"
    st.vega_lite_chart(
        None,
        spec,
        key=chart_key,
        width="content",
        on_select=lambda: _take(chart_key, frame),
        selection_mode=[charts.CELL_PARAM],
    )
    few = int((frame["seeds"] < 2).sum())
    st.caption(
        "Each cell: difference to the base of the same seed, mean over its runs; the framed one is "
        "the best. Intervals (on hover) are 95% paired bootstrap intervals over users and say "
        "nothing of other seeds; "
        f"{few} of {len(frame)} cells have one seed only. The best of many cells flatters itself: "
        "choose on validation, then read the test AUC once. Click a cell to open its run."
    )
    show.csv(response_surface=frame)


def _framed(chart: alt.LayerChart) -> alt.LayerChart:
    """The chart with room for its axes and legend; Streamlit counts them as part of its size."""
    width, height = int(chart.width) + FRAME_WIDTH, int(chart.height) + FRAME_HEIGHT
    framed: alt.LayerChart = chart.properties(width=width, height=height)
    return framed


def _validation(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with validation AUC in the place of test AUC; without rows there is no interval."""
    known = frame.dropna(subset=["valid_delta"])
    return known.assign(
        delta=known["valid_delta"],
        value=float("nan"),
        ci_low=float("nan"),
        ci_high=float("nan"),
        note=[f"{count} run{'s' if count > 1 else ''}" for count in known["runs"]],
    )


def _take(chart_key: str, frame: pd.DataFrame) -> None:
    """Callback: the run of a clicked cell becomes the candidate of every page."""
    from workbench.charts.response_surface import CELL_PARAM

    event: Any = st.session_state.get(chart_key)
    points = (event or {}).get("selection", {}).get(CELL_PARAM, [])
    if not points:
        return
    fields = ["aux_weight", "mask_low", "mask_high"]
    hit = frame[(frame[fields] == [points[0].get(field) for field in fields]).all(axis=1)]
    if len(hit):
        picked = sidebar.picked()
        name = str(hit["run"].iloc[0])
        entry = next((e for e in picked.catalogue.usable if e.run.name == name), None)
        if entry is not None:
            st.session_state["runs"] = [entry.key]
            st.session_state[CELL] = entry.key


def _cell(picked: Picked) -> None:
    """The run of the cell that was clicked, and where to look at it."""
    key = st.session_state.get(CELL)
    if key not in picked.labels or [entry.key for entry in picked.candidates] != [key]:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{escaped(key)}** is the candidate of every page now:")
        for title, page in READ_ON.items():
            st.page_link(page, label=title)


def _missing(
    picked: Picked,
    base: Entry,
    bases: dict[int, Run],
    cells: dict[tuple[float, float, float], list[Run]],
    variant: str,
) -> None:
    st.header("What is missing")
    wanted = _grid(base, bases, variant)
    root = lab_root()
    planned = [
        entry.run.config
        for entry in picked.catalogue.entries
        if entry.run.state in ("queued", "running")
    ]
    configs = grid.missing(base.run, bases, cells, wanted, planned)
    under_way = len(grid.missing(base.run, bases, cells, wanted)) - len(configs)
    if under_way:
        st.info(f"{under_way} of these runs are in line or training now.")
    if not configs:
        st.markdown("Every cell of this grid has its runs.")
        return
    show.says(_missing_in_words(configs))
    slots = places.slots()
    seconds, bound = grid.seconds_for(configs, bases, cells, slots)
    st.button(
        f"Queue these {len(configs)} runs",
        key="surface_queue",
        icon=":material/playlist_add:",
        disabled=slots == 0,
        on_click=actions.start,
        args=(root, *configs),
        help="They train one after the other in the live lab, also when this page is closed.",
    )
    problem = actions.problem()
    if problem:
        st.error(escaped(problem), icon=":material/error:")
    if seconds == seconds:
        st.caption(
            f"{'At most about' if bound else 'About'} {max(1, round(seconds / 60))} min of "
            f"training, {slots} at a time, going by the runs that are here."
        )
    if st.session_state.get(RUN):
        st.page_link("views/live_lab.py", label="Watch them in the live lab")


def _grid(base: Entry, bases: dict[int, Run], variant: str) -> grid.Grid:
    """The widgets that say what the surface should cover."""
    own = base.run.config.framework
    columns = st.columns([2, 1, 2, 1.4])
    state.several("surface_alpha", ALPHAS, ["0.1", "0.2", "0.4"])
    state.number("surface_k", 1, 8, max(1, min(own.k, 8)))
    state.several("surface_mask", RANGES, ["0.1 to 0.3", "0.1 to 0.5", "0.3 to 0.7"])
    state.several("surface_seeds", SEEDS, [str(seed) for seed in bases if str(seed) in SEEDS])
    with columns[0]:
        st.multiselect("alpha", ALPHAS, key="surface_alpha")
    with columns[1]:
        st.number_input("k", 1, 8, key="surface_k")
    with columns[2]:
        st.multiselect("Mask ranges", RANGES, key="surface_mask")
    with columns[3]:
        st.multiselect("Seeds", SEEDS, key="surface_seeds")
    session = st.session_state
    ranges = [text.split(" to ") for text in session["surface_mask"]]
    return grid.Grid(
        variant=variant,
        alphas=tuple(float(text) for text in session["surface_alpha"]),
        k=int(session["surface_k"]),
        mask_ranges=tuple((float(low), float(high)) for low, high in ranges),
        seeds=tuple(int(text) for text in session["surface_seeds"]),
    )


def _missing_in_words(configs: list[ExperimentConfig]) -> str:
    of_base = [config for config in configs if config.framework.variant.value == "base"]
    others = [config for config in configs if config.framework.variant.value != "base"]
    cells = {(c.effective_aux_weight, c.framework.mask_range) for c in others}
    parts = []
    if of_base:
        seeds = ", ".join(str(config.training.seed) for config in of_base)
        parts.append(f"base runs of seed {seeds}")
    if others:
        parts.append(f"{len(others)} runs in {len(cells)} cells")
    return f"Missing: {' and '.join(parts)}."


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
