"""What the reader has picked on every page: runs, and a slice of activity x feature x user."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import streamlit as st

from components import catalogue, state
from components.catalogue import Catalogue, Entry
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


@dataclass(frozen=True)
class Slice:
    """Users with at least `low` and fewer than `high` training interactions."""

    low: float = 0.0
    high: float = math.inf

    @property
    def whole(self) -> bool:
        """True where nobody is left out."""
        return self.low <= 0 and math.isinf(self.high)

    @property
    def ends(self) -> tuple[float, float] | None:
        """First and last activity for a chart, or None for all."""
        return None if self.whole else (self.low, self.high - 1)

    def holds(self, activity: float) -> bool:
        """True where a bucket that starts at `activity` belongs to the slice."""
        return self.low <= activity < self.high


@dataclass(frozen=True)
class Picked:
    """The state of the sidebar.

    Attributes:
        catalogue: all runs.
        labels: run key -> what people read.
        base, candidates: the picked runs, as they stand in the pickers; base is None without runs.
        all_seeds: whether the views show all seeds of the picked experiments.
        slice: of user activity.
        feature: the feature that the reader looks at, None for all.
        user: the code of the user that the reader looks at, None for nobody in particular.
    """

    catalogue: Catalogue
    labels: dict[str, str]
    base: Entry | None
    candidates: tuple[Entry, ...]
    all_seeds: bool
    slice: Slice
    feature: str | None = None
    user: int | None = None

    @property
    def base_runs(self) -> list[Entry]:
        """The baseline in all seeds that are wanted."""
        return self._with_seeds([self.base] if self.base else [])

    @property
    def candidate_runs(self) -> list[Entry]:
        """The candidates in all seeds that are wanted."""
        return self._with_seeds(list(self.candidates))

    @property
    def pairs(self) -> tuple[list[Entry], list[Entry], list[Entry]]:
        """Base runs and candidates of the seeds that both have, and candidates left alone."""
        base = {entry.run.seed: entry for entry in self.base_runs}
        paired = [entry for entry in self.candidate_runs if entry.run.seed in base]
        alone = [entry for entry in self.candidate_runs if entry.run.seed not in base]
        seeds = {entry.run.seed for entry in paired}
        return [base[seed] for seed in base if seed in seeds], paired, alone

    def _with_seeds(self, entries: list[Entry]) -> list[Entry]:
        if not self.all_seeds:
            return entries
        found = {e.key: e for entry in entries for e in self.catalogue.seeds_of(entry)}
        return list(found.values())


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


def take_brush(chart_key: str) -> None:
    """Callback of a chart: a brushed range becomes the slice of the whole app.

    An empty selection changes nothing: a chart also sends one when it is drawn again.
    """
    event: Any = st.session_state.get(chart_key)
    chosen = (event or {}).get("selection", {}).get("slice", {}).get("activity")
    if chosen:
        st.session_state[ACTIVITY] = stops_around(float(min(chosen)), float(max(chosen)))


def stops_around(low: float, high: float) -> tuple[str, str]:
    """A range, moved outwards to the next bucket edges, so that every view can follow it."""
    first = max(edge for edge in ACTIVITY_EDGES if edge <= max(low, 0))
    last = next((str(edge) for edge in ACTIVITY_EDGES if edge > high), NO_LIMIT)
    return str(first), last


def take_user(code: int) -> None:
    """Callback: this user is the one that every page looks at."""
    st.session_state[USER] = str(code)


def clear_slice() -> None:
    """Callback: all users again."""
    st.session_state[ACTIVITY] = (STOPS[0], STOPS[-1])


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
        "end. Dragging over a chart sets it too.",
    )
    low, high = st.session_state[ACTIVITY]
    if low == high:
        # Both handles on one stop: the bucket that starts there.
        place = STOPS.index(low)
        low, high = (STOPS[place], STOPS[place + 1]) if low != NO_LIMIT else STOPS[-2:]
    chosen = Slice(float(low), math.inf if high == NO_LIMIT else float(high))
    if not chosen.whole:
        st.button("All users", on_click=clear_slice, icon=":material/close:", type="tertiary")
    return chosen


def _feature(base: Entry | None) -> str | None:
    names = catalogue.features(base) if base else []
    chosen = state.one(FEATURE, [ALL_FEATURES, *names])
    st.selectbox(
        "Feature",
        [ALL_FEATURES, *names],
        key=FEATURE,
        format_func=lambda name: "All features" if name == ALL_FEATURES else feature_title(name),
        help="Pages that show features show this one.",
    )
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
    return int(chosen) if chosen else None


def _notes(runs: Catalogue) -> None:
    for problem in runs.problems:
        st.warning(escaped(problem))
