"""The knobs of the what-if page: counts, norm and ID of a user, and who is pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from components import ask, models, state, subject
from components.catalogue import Entry
from components.subject import Subject
from components.text import escaped
from workbench.charts.what_if import part_title

if TYPE_CHECKING:
    from workbench.insight.what_if import Edit

AS_IS = "as it is"
COUNT_STOPS = (0, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000)
NORMS = ("0", "0.1", "0.2", "0.3", "0.5", "0.7", "1", "1.5", "2", "3", "5", "10")
IDENTITIES = {"own": "Own", "unseen": "Unseen [MASK]", "other": "Another user's"}
PINS = ("pin_a", "pin_b")


def settle(entry: Entry) -> None:
    """Settle all knobs here: a fragment that runs alone must not read the address again."""
    for name in _counts(entry):
        state.one(name, [AS_IS, *map(str, COUNT_STOPS)])
    state.one("norm", list(NORMS), "1")
    state.one("identity", list(IDENTITIES))
    largest = _largest(entry)
    state.text("other", lambda text: text.isdecimal() and 0 < int(text) <= largest)
    state.flag("leave_out", True)
    for pin in PINS:
        state.text(pin, lambda text: subject.of_pin(entry, text) is not None)


def draw(entry: Entry, chosen: Subject) -> Edit:
    """Draw the knobs; returns what they ask for."""
    from workbench.insight.what_if import Edit

    counts = _counts(entry)
    actual = _actual(entry, chosen)
    # Beside a pinned user the knobs hold for both, whose own counts differ.
    alone = not any(st.session_state[pin] for pin in PINS)
    asked: dict[str, float] = {}
    columns = st.columns(max(len(counts), 1) + 2, vertical_alignment="bottom")
    for column, name in zip(columns, counts, strict=False):
        with column:
            value = actual[name]
            below = [str(stop) for stop in COUNT_STOPS if stop < value]
            above = [str(stop) for stop in COUNT_STOPS if stop >= value]
            st.select_slider(
                _count_title(name),
                [*below, AS_IS, *above],
                key=name,
                format_func=lambda stop, value=value: _stop(stop, value if alone else None),
                help="A state count that the adapter reads; log scale.",
            )
            stop = st.session_state[name]
            if stop != AS_IS:
                asked[name] = float(stop)
    with columns[-2]:
        st.select_slider(
            "Length of the ID's vector",
            NORMS,
            key="norm",
            format_func=lambda text: f"× {text}",
            help="A factor on the vector of the user's ID: the norm changes, its direction stays.",
        )
    with columns[-1]:
        code = _identity(entry)
    _buttons(entry, chosen, counts)
    if not counts:
        st.caption(
            "This run's model does not read interaction counts, so there are none to edit. Pick a "
            "run with an adapter under **Run** to edit them."
        )
    return Edit(asked, float(st.session_state["norm"]), code)


def _stop(stop: str, value: float | None) -> str:
    """A stop of a slider for people, with the sample's own value where there is one."""
    if stop != AS_IS:
        return f"{int(stop):,}"
    return AS_IS if value is None else f"{value:,.0f} ({AS_IS})"


def _identity(entry: Entry) -> int | None:
    st.selectbox(
        "The user's ID",
        list(IDENTITIES),
        key="identity",
        format_func=IDENTITIES.__getitem__,
        help="Only the ID's vector is exchanged: counts, history and all else stay. A user who is "
        "really new also has counts of 0.",
    )
    kind = st.session_state["identity"]
    if kind != "other":
        return 0 if kind == "unseen" else None
    largest = _largest(entry)
    text = st.text_input("Code of the other user", key="other", placeholder=f"1 to {largest:,}")
    if text.isdecimal() and 0 < int(text) <= largest:
        return int(text)
    if text:
        st.caption(f"No user {escaped(text)}: 1 to {largest:,}.")
    return None


def _buttons(entry: Entry, chosen: Subject, counts: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("As it is", icon=":material/restart_alt:", on_click=_reset, args=[counts])
        st.button(
            "Make this user new",
            icon=":material/fiber_new:",
            on_click=_renew,
            args=[[name for name in counts if _of_user(entry, name)]],
            help="The ID unseen and the user's counts 0, as for somebody who has just come.",
        )
        pinned = [st.session_state[pin] for pin in PINS]
        if chosen.pin not in pinned:
            st.button("Pin this user", icon=":material/keep:", on_click=_pin, args=[chosen.pin])
        if any(pinned):
            st.button("Unpin", icon=":material/keep_off:", on_click=_unpin)
        st.toggle(
            "Leave out the user's own items",
            key="leave_out",
            help="Items of the user's training samples. Off: they stay in the list and are marked.",
        )


def _reset(counts: list[str]) -> None:
    for name in counts:
        st.session_state[name] = AS_IS
    st.session_state["norm"], st.session_state["identity"] = "1", "own"


def _renew(counts: list[str]) -> None:
    for name in counts:
        st.session_state[name] = "0"
    st.session_state["norm"], st.session_state["identity"] = "1", "unseen"


def _pin(pin: str) -> None:
    first, second = PINS
    if st.session_state[first]:
        st.session_state[first], st.session_state[second] = st.session_state[first], pin
    else:
        st.session_state[first] = pin


def _unpin() -> None:
    for pin in PINS:
        st.session_state[pin] = ""


def _counts(entry: Entry) -> list[str]:
    """The state counts that the run's model reads."""
    from workbench.insight import contributions

    model, dataset = models.trained(entry)
    if not contributions.sees_counts(model):
        return []
    names = [count.name for count in dataset.schema.counts]
    return [names[place] for place in model.count_positions.tolist()]


def _actual(entry: Entry, chosen: Subject) -> dict[str, float]:
    dataset = models.trained(entry).dataset
    values = subject.request(entry, chosen).counts.tolist()
    return dict(zip((count.name for count in dataset.schema.counts), values, strict=True))


def _of_user(entry: Entry, name: str) -> bool:
    return name.split(":")[0] == models.trained(entry).dataset.schema.user


def _count_title(name: str) -> str:
    feature, _, event = name.partition(":")
    return f"{part_title(feature)}: {event}s"


def _largest(entry: Entry) -> int:
    return int(ask.users(entry)["code"].max())
