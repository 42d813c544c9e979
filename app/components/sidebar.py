"""What the reader has picked on every page: runs, and a slice of activity x feature x user."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import streamlit as st

from components import catalogue, state
from components.catalogue import Catalogue, Entry
from components.picked import Picked, Slice
from components.text import escaped
from workbench.charts.words import feature_title
from workbench.insight.buckets import ACTIVITY_EDGES

NO_LIMIT = "no limit"
STOPS = (*(str(edge) for edge in ACTIVITY_EDGES), NO_LIMIT)
ACTIVITY = "activity"
FEATURE = "feature"
ALL_FEATURES = "all"
USER = "user"
_PICKED = "_picked"


def draw() -> Picked:
    """Draw the sidebar and return what is picked; pages ask `picked`."""
    with st.sidebar:
        runs = catalogue.read(_folders())
        data = _data(runs)
        labels = runs.labels(data)
        base, candidates, all_seeds = _runs(runs, data, labels)
        choice = Picked(
            runs, labels, base, candidates, all_seeds, _slice(), _feature(base), _user(base)
        )
        _notes(runs)
    st.session_state[_PICKED] = choice
    return choice


def picked() -> Picked:
    """What `draw` found in this run of the script."""
    choice: Picked = st.session_state[_PICKED]
    return choice


def take_activity(low: float, high: float) -> None:
    """The slice of the whole app becomes a range of activity; before the sidebar is drawn."""
    st.session_state[ACTIVITY] = stops_around(low, high)


def take_feature(name: str, *, again: str | None = None) -> bool:
    """The feature of the whole app becomes this one; before the sidebar is drawn.

    Args:
        name: of the feature.
        again: what it becomes where it is this one already; None: it stays.

    Returns:
        False where the data have no feature of that name.
    """
    before = picked()
    if before.base is None or name not in catalogue.features(before.base):
        return False
    st.session_state[FEATURE] = again if again and before.feature == name else name
    return True


def stops_around(low: float, high: float) -> tuple[str, str]:
    """A range, moved outwards to the next bucket edges, so that every view can follow it."""
    first = max(edge for edge in ACTIVITY_EDGES if edge <= max(low, 0))
    last = next((str(edge) for edge in ACTIVITY_EDGES if edge > high), NO_LIMIT)
    return str(first), last


def take_user(code: int) -> None:
    """Callback, or before the sidebar is drawn: this user is the one that every page looks at."""
    st.session_state[USER] = str(code)


def clear_slice() -> None:
    """Callback: all users again."""
    st.session_state[ACTIVITY] = (STOPS[0], STOPS[-1])


def _clear_feature() -> None:
    st.session_state[FEATURE] = ALL_FEATURES


def _clear_user() -> None:
    st.session_state[USER] = ""


def _clear(label: str, action: Callable[[], None]) -> None:
    """A button that takes back a part of the slice."""
    st.button(label, on_click=action, icon=":material/close:", type="tertiary")


def _folders() -> dict[str, Any]:
    folders = catalogue.store_folders()
    if len(folders) == 1:
        return folders
    names = list(folders)
    state.several("folders", names, names)
    chosen = st.multiselect("Run folders", names, key="folders", help="Where runs are looked for.")
    return {name: folders[name] for name in chosen}


def _data(runs: Catalogue) -> list[Entry]:
    names = list(runs.data_labels)
    if not names:
        return []
    lost = state.unknown("data", names)
    name = state.one("data", names)
    st.selectbox(
        "Data set", names, key="data", help="Runs can be compared on the same test rows only."
    )
    if lost:
        st.caption(f"The link asks for the data set '{escaped(lost[0])}', of which no run is here.")
    return runs.data_labels[str(name)]


def _runs(
    runs: Catalogue, data: list[Entry], labels: dict[str, str]
) -> tuple[Entry | None, tuple[Entry, ...], bool]:
    if not data:
        return None, (), True
    by_key = {entry.key: entry for entry in data}
    keys = list(by_key)
    lost = [*state.unknown("base", keys), *state.unknown("runs", keys)]
    # Entries come with the base variant first and low seeds first within a variant.
    base = str(state.one("base", keys))
    st.selectbox(
        "Baseline", keys, key="base", format_func=labels.__getitem__, help="All is compared to it."
    )
    # Another seed of the baseline's experiment is no rival to it.
    others = [key for key in keys if by_key[key].run.group != by_key[base].run.group]
    state.several("runs", others, _one_of_each(by_key, base))
    st.multiselect(
        "Compare with",
        others,
        key="runs",
        format_func=labels.__getitem__,
        placeholder="Choose runs",
    )
    chosen = tuple(by_key[key] for key in st.session_state["runs"])
    state.flag("seeds", True)
    all_seeds = st.toggle(
        "All seeds of these runs",
        key="seeds",
        help="Also takes the runs that differ from the picked ones by their training seed only.",
    )
    if lost:
        names = ", ".join(f"'{escaped(name)}'" for name in lost)
        st.caption(f"The link asks for runs that are not here: {names}.")
    return by_key[base], chosen, all_seeds


def _one_of_each(by_key: dict[str, Entry], base: str) -> list[str]:
    """The first run of each other variant, of the baseline's model and seed where there is one."""
    own = by_key[base].run
    found: dict[str, str] = {}
    for key, entry in by_key.items():
        run = entry.run
        same = (run.config.model.name, run.seed) == (own.config.model.name, own.seed)
        if same and run.variant != own.variant:
            found.setdefault(run.variant, key)
    return list(found.values()) or [k for k, e in by_key.items() if e.run.group != own.group][:1]


def _slice() -> Slice:
    state.span(ACTIVITY, STOPS)
    st.select_slider(
        "User activity",
        STOPS,
        # Without a pair as its default the slider would not know that it is a range.
        value=(STOPS[0], STOPS[-1]),
        key=ACTIVITY,
        help="Training interactions of a user: from the left end up to, not including, the right "
        "end. Dragging over a chart's activity axis or clicking a bucket sets it too.",
    )
    low, high = st.session_state[ACTIVITY]
    if low == high:
        # Both handles on one stop: the bucket that starts there.
        place = STOPS.index(low)
        low, high = (STOPS[place], STOPS[place + 1]) if low != NO_LIMIT else STOPS[-2:]
    chosen = Slice(float(low), math.inf if high == NO_LIMIT else float(high))
    if not chosen.whole:
        _clear("All users", clear_slice)
    return chosen


def _feature(base: Entry | None) -> str | None:
    names = catalogue.features(base) if base else []
    chosen = state.one(FEATURE, [ALL_FEATURES, *names])
    st.selectbox(
        "Feature",
        [ALL_FEATURES, *names],
        key=FEATURE,
        format_func=lambda name: "All features" if name == ALL_FEATURES else feature_title(name),
        help="Pages that show features show this one. A click on a feature in a chart sets it too.",
    )
    if chosen != ALL_FEATURES:
        _clear("All features", _clear_feature)
    return None if chosen == ALL_FEATURES else chosen


def _user(base: Entry | None) -> int | None:
    largest = catalogue.largest_user(base) if base else 0
    chosen = state.text(USER, lambda text: text.isdecimal() and 0 < int(text) <= largest)
    st.text_input(
        "User",
        key=USER,
        placeholder="anybody",
        help=f"Code of a user in the data, 1 to {largest:,}. Pages that show one user show this "
        "one; the page *What if this user ...?* searches for users.",
    )
    if chosen:
        _clear("Anybody", _clear_user)
    return int(chosen) if chosen else None


def _notes(runs: Catalogue) -> None:
    for problem in runs.problems:
        st.warning(escaped(problem))
