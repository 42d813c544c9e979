"""How much is lost when a feature is missing?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
from components import ask_reliance as ask
from components import brush, compute, guide, models, notes, show, sidebar, state, wrong_labels
from components.brush import Gesture
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped

from workbench.charts import robustness as charts
from workbench.charts import words
from workbench.charts.names import name_of
from workbench.errors import InputError

if TYPE_CHECKING:
    import altair as alt

TABS = ("Reliance", "Missing values", "Wrong labels")
MODES = {"absolute": "AUC", "delta": "Difference to the baseline"}


def main() -> None:
    """Draw the page."""
    guide.title("robustness")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    state.one("spoilt", TABS)
    draws = (_reliance, _missing, _flipped)
    for tab, draw in zip(st.tabs(TABS, key="spoilt", on_change="rerun"), draws, strict=True):
        if tab.open:
            with tab:
                draw(picked, picked.base)


def _rows(picked: Picked, base: Entry) -> int | None:
    """How many test samples are looked at; draws the switch and says so. None for all."""
    total = len(models.trained(base).dataset.splits["test"])
    everything = state.flag("all_rows", False)
    if total > ask.QUICK_ROWS:
        st.toggle(
            f"All {total:,} test samples",
            key="all_rows",
            help="Takes a pass over all of them for each run and feature; kept afterwards.",
        )
    most = None if everything or total <= ask.QUICK_ROWS else ask.QUICK_ROWS
    frame = ask.test_samples(base, most)
    users = words.count(int(frame["user"].nunique()), "user")
    note = f"{len(frame):,} of {total:,} test samples, {users}."
    if most is not None:
        note += (
            " Users are drawn at random and taken whole, so the intervals are honest, only wider."
        )
    st.caption(note)
    return most


def _reliance(picked: Picked, base: Entry) -> None:
    most = _rows(picked, base)
    entries = [base, *picked.candidates]
    features = models.trained(base).dataset.layout.names
    bar = ask.Progress("Masking one feature after the other", len(entries) * (len(features) + 1))
    found = [(entry, ask.reliance(entry, most, bar.step)) for entry in entries]
    bar.end()
    frame = _named([(entry, own) for entry, (own, _) in found], picked)
    ginis = pd.DataFrame([{**gini, **_name(entry, picked)} for entry, (_, gini) in found])
    st.subheader("How evenly does each model lean on its features?")
    show.says(charts.gini_sentence(ginis))
    _draw(entries, lambda: charts.gini_chart(ginis), "gini", picked, most)
    st.caption(
        "The Gini coefficient of the losses below: 0 where every feature would be missed as much, "
        "1 where one alone carries everything. Losses below 0 count as 0. Bar: 95% bootstrap "
        "interval over users."
    )
    st.subheader("AUC lost without each feature")
    show.says(*charts.reliance_sentences(frame))
    own = [brush.features("y", list(frame["feature"].unique()))]
    _draw(entries, lambda: charts.reliance_chart(frame), "reliance", picked, most, on=own)
    st.caption(
        "The feature is replaced by its [MASK] vector on the serving path, for the adapter too; "
        "the interaction counts stay. Positive: the model needs the feature. Bar: 95% paired "
        "bootstrap interval over users, 200 draws. A small loss can also mean that other features "
        "say the same. Click a feature to set it everywhere."
    )
    show.csv(reliance=frame, reliance_gini=ginis)
    _by_bucket(picked, entries, frame, most)


def _by_bucket(
    picked: Picked, entries: list[Entry], losses: pd.DataFrame, most: int | None
) -> None:
    st.subheader("By the user's activity")
    features = list(losses.sort_values("lost", ascending=False)["feature"].unique())
    feature = picked.feature
    if feature not in features:
        feature = str(state.one("without", features, _default(entries[0], features)))
        st.selectbox(
            "Feature that is masked",
            features,
            key="without",
            format_func=words.feature_title,
            width=280,
        )
    frame = _named(
        [(entry, ask.reliance_by_bucket(entry, most, feature)) for entry in entries], picked
    )
    shown = frame[frame["order"] >= 0]
    lows = shown["bucket"].map(lambda name: float(name.rstrip("+").split("-")[0]))
    shown = shown[lows.map(picked.slice.holds)]
    if shown.empty:
        st.info("No test user lies in the activity range of the sidebar.")
        return
    show.says(charts.bucket_sentence(shown, feature))
    _draw(
        entries,
        lambda: charts.bucket_chart(shown, feature),
        "reliance by bucket",
        picked,
        most,
        feature,
        tuple(shown["bucket"]),
        on=brush.buckets("x"),
    )
    st.caption(
        "Faint: fewer than 30 users. Bar: 95% paired bootstrap interval over the bucket's users, "
        "200 draws. Users without a training sample have no ID to lose. Drag over buckets or click "
        "one to set the activity range everywhere."
    )
    show.csv(**{f"reliance_{feature}_by_activity": frame})


def _default(entry: Entry, features: list[str]) -> str:
    """The user ID: what the paper's over-reliance is about."""
    user = models.trained(entry).dataset.schema.user
    return user if user in features else features[0]


def _missing(picked: Picked, base: Entry) -> None:
    most = _rows(picked, base)
    mode = _mode()
    entries = [base, *picked.candidates]
    bar = ask.Progress("Letting values go missing")
    frame = ask.missing_curve(entries, base, most, picked.feature, bar.set)
    bar.end()
    by_key = {entry.key: entry for entry in entries}
    frame = frame.assign(
        label=frame["run"].map(picked.labels),
        variant=frame["run"].map(lambda key: by_key[key].run.variant),
    )
    what = (
        "share of missing values"
        if picked.feature is None
        else f"share of missing values of {words.feature_title(picked.feature)}"
    )
    show.says(charts.share_sentence(frame))
    _draw(
        entries,
        lambda: charts.share_chart(frame, mode=mode, what=what),
        "missing",
        picked,
        most,
        mode,
    )
    which = (
        "Every value of every feature but the keys of user and item"
        if picked.feature is None
        else f"Every value of {escaped(words.feature_title(picked.feature))}"
    )
    st.caption(
        f"{which} goes missing by itself with this probability, in the test samples only; all runs "
        "miss the same values, and a larger share misses all that a smaller one does. A missing "
        "value looks like an unseen one: [MASK]. "
        + (
            "Bar: 95% bootstrap interval over users; runs share the draws, so overlapping bars can "
            "still differ: see the difference to the baseline."
            if mode == "absolute"
            else "Bar: 95% paired bootstrap interval over users, 200 draws."
        )
        + " The interval speaks of other users, not of other seeds."
        + ("" if picked.feature else " Pick a feature in the sidebar to hide that one alone.")
    )
    show.csv(missing_values=frame)


def _flipped(picked: Picked, base: Entry) -> None:
    found = wrong_labels.runs(picked, base)
    shares = sorted({entry.run.config.data.change.flipped for entry in found})
    if len(shares) < 2:
        wrong_labels.how_to_train(base)
        return
    frame = ask.flipped_curve(found)
    frame = frame.assign(label=frame["run"].map(name_of), variant=frame["run"])
    mode = _mode()
    show.says(charts.share_sentence(frame))
    what = "share of wrong labels in training and validation"
    _draw(found, lambda: charts.share_chart(frame, mode=mode, what=what), "flipped", picked, mode)
    st.caption(
        f"{words.count(len(found), 'run')} of {escaped(base.run.config.model.name)}, averaged over "
        "seeds. The test labels are right. Bar: 95% bootstrap interval over users; for the "
        "difference it is paired with the baseline of the same share and seed."
    )
    show.csv(wrong_labels=frame)


def _mode() -> str:
    mode = str(state.one("mode_shown", list(MODES)))
    st.segmented_control(
        "Shown", list(MODES), key="mode_shown", required=True, format_func=MODES.__getitem__
    )
    return mode


def _draw(
    entries: list[Entry],
    build: Callable[[], alt.TopLevelMixin],
    name: str,
    picked: Picked,
    *about: object,
    on: Sequence[Gesture] = (),
) -> None:
    labels = tuple(picked.labels.get(entry.key, entry.key) for entry in entries)
    (spec,) = compute.specs(
        entries,
        lambda: [build()],
        "robustness",
        name,
        labels,
        picked.feature,
        *about,
    )
    show.draw(spec, f"robustness_{name.replace(' ', '_')}", *on)


def _name(entry: Entry, picked: Picked) -> dict[str, str]:
    return {"label": picked.labels[entry.key], "variant": entry.run.variant}


def _named(frames: list[tuple[Entry, pd.DataFrame]], picked: Picked) -> pd.DataFrame:
    """Frames of several runs in one, with `label` and `variant`."""
    named = [frame.assign(**_name(entry, picked)) for entry, frame in frames]
    return pd.concat(named, ignore_index=True)


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
