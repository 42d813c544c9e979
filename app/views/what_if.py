"""What if this user were more active, or had another ID?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
from components import ask, brush, edits, guide, models, show, sidebar, state, subject
from components.catalogue import Entry
from components.compute import Spec
from components.subject import Subject
from components.text import escaped

from workbench.charts import what_if as charts
from workbench.charts.refill import refilled
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.insight.what_if import Edit

COLUMNS = {
    "rank": "#",
    "moved": "moved",
    "key": "item",
    "probability": "prediction",
    "seen": "user's own",
    "popularity": "training samples",
    "about": "what it is",
}


def main() -> None:
    """Draw the page."""
    guide.title("what_if")
    picked = sidebar.picked()
    entry = subject.run(picked)
    if entry is None:
        return
    chosen = subject.pick(entry, picked, items=True)
    if chosen is None:
        return
    edits.settle(entry)
    _lab(entry, chosen)


@st.fragment
def _lab(entry: Entry, chosen: Subject) -> None:
    """The knobs and what follows from them; runs alone when a knob is moved."""
    if brush.settle():
        state.rerun()
    edit = edits.draw(entry, chosen)
    subjects = _subjects(entry, chosen)
    frames: dict[str, list[pd.DataFrame]] = {"weights": [], "contributions": [], "top_10": []}
    found = [_explain(entry, one, edit) for one in subjects]
    ends = charts.domain_of(pd.concat([parts for _, parts in found]))
    top = max(float(weights["weight"].max()) for weights, _ in found) * 1.14
    for column, one, (weights, parts) in zip(
        st.columns(len(subjects), gap="large"), subjects, found, strict=True
    ):
        with column:
            if len(subjects) > 1:
                st.subheader(one.title)
            beside = len(subjects) == 1
            left, right = st.columns(2, gap="large") if beside else (st.container(), st.container())
            with left:
                _weights(entry, one, weights, top)
            with right:
                _waterfall(entry, one, parts, ends)
            frames["top_10"].append(_top(entry, one, edit))
        name = {"user_code": one.code, "sample": one.sample}
        frames["weights"].append(weights.assign(**name))
        frames["contributions"].append(parts.assign(**name))
    _how(entry, frames["contributions"][0])
    show.csv(**{name: pd.concat(all_of) for name, all_of in frames.items()})
    # A fragment that runs alone ends here; the address must follow the knobs all the same.
    state.publish()


def _subjects(entry: Entry, chosen: Subject) -> list[Subject]:
    """Whom the figures show: the two pinned ones; with one pin, that and the picked one."""
    pins = [st.session_state[pin] for pin in edits.PINS if st.session_state[pin]]
    found = [one for one in (subject.of_pin(entry, pin) for pin in pins) if one is not None]
    if len(found) < 2 and chosen.pin not in pins:
        found.append(chosen)
    return found


def _explain(entry: Entry, one: Subject, edit: Edit) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weights and waterfall, before and, where something is edited, after."""
    from workbench.insight import what_if

    trained = models.trained(entry)
    request = subject.request(entry, one)
    requests = {what_if.BEFORE: request}
    if not edit.empty:
        requests[what_if.AFTER] = edit.apply(trained.dataset, request)
    found = what_if.explain(trained.model, trained.dataset, requests)
    return found.weights, found.parts


def _weights(entry: Entry, one: Subject, frame: pd.DataFrame, top: float) -> None:
    sentence = charts.weights_sentence(frame)
    show.says(sentence)
    variant, states = entry.run.variant, tuple(dict.fromkeys(frame["state"]))
    scale = entry.run.config.framework.weight_scale
    end = 1.14 * scale if top <= 1.14 * scale else round(top, 1)
    spec = ask.template(
        lambda: charts.weights_chart(frame, variant=variant, title="Weights", top=end),
        "what-if weights",
        tuple(frame["feature"]),
        states,
        variant,
        end,
        float(frame["start"].iloc[0]),
    )
    own = brush.features("y", list(frame["feature"].unique()))
    show.draw(refilled(spec, charts.weight_rows(frame), sentence), f"weights_{one.pin}", own)


def _waterfall(entry: Entry, one: Subject, frame: pd.DataFrame, ends: tuple[float, float]) -> None:
    sentence = charts.waterfall_sentence(frame)
    show.says(sentence)
    variant, states = entry.run.variant, tuple(dict.fromkeys(frame["state"]))
    spec: Spec = ask.template(
        lambda: charts.waterfall(
            frame, variant=variant, title="The logit, part by part", domain=ends
        ),
        "what-if waterfall",
        len(frame),
        states,
        variant,
        ends,
    )
    own = brush.features("y", list(frame["part"].unique()))
    show.draw(refilled(spec, charts.waterfall_rows(frame), sentence), f"waterfall_{one.pin}", own)


def _top(entry: Entry, one: Subject, edit: Edit) -> pd.DataFrame:
    from workbench.insight import what_if

    dataset = models.trained(entry).dataset
    seen = _seen(entry, one.user)
    leave_out = st.session_state["leave_out"]
    request = subject.request(entry, one)
    before = ask.top(entry, request, seen, leave_out)
    if edit.empty:
        st.markdown(f"**Top {len(before)} of {_offered(entry, seen, leave_out):,} items**")
        after = what_if.moves(before, before)
    else:
        after = what_if.moves(before, ask.top(entry, edit.apply(dataset, request), seen, leave_out))
        stay = int((after["moved"] != "new").sum())
        same = int((after["moved"] == "same").sum())
        st.markdown(
            f"**Top {len(after)} after the change:** {stay} of {len(after)} items stay in the "
            f"list, {same} at their place."
        )
    columns = [name for name in COLUMNS if not (edit.empty and name == "moved")]
    if leave_out:
        columns.remove("seen")
    st.dataframe(
        after[columns].rename(columns=COLUMNS),
        hide_index=True,
        height="content",
        column_config={
            "prediction": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0
            )
        },
        alt=f"The ten items with the highest predictions for {one.title}",
    )
    shown = pd.concat([before.assign(state="as it is"), after.assign(state="edited")])
    name = {"user_code": one.code, "sample": one.sample}
    return (before.assign(state="as it is") if edit.empty else shown).assign(**name)


def _seen(entry: Entry, user: int) -> frozenset[int]:
    frame = ask.samples(entry, user)
    return frozenset(frame.loc[frame["split"] == "train", "item"].tolist())


def _offered(entry: Entry, seen: frozenset[int], leave_out: bool) -> int:
    return len(ask.catalogue(entry).table) - (len(seen) if leave_out else 0)


def _how(entry: Entry, parts: pd.DataFrame) -> None:
    error = float(parts["standard_error"].max())
    exact = (
        "exact, over all orders"
        if error == 0
        else f"the mean over 128 drawn orders, standard error at most {error:.3f}"
    )
    st.caption(
        "Dashed: the weight before training. **A bar of the waterfall** is the feature's Shapley "
        "value: what it adds to the logit when it becomes known, averaged over the orders in which "
        f"features can become known ({exact}). A feature that is not known is its [MASK] vector, "
        "as for an unseen value; counts that are not known are 0. *State counts* stands for all "
        "counts that the adapter reads. The bars add up to the logit. This is one sample: nothing "
        "is estimated, so nothing has an interval. The list: all items with a training sample, "
        "each with its own features and counts; user and context are the sample's."
    )


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
