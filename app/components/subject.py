"""Whom a page looks at: the run, the user, and one of the user's samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from components import ask, models, notes, sidebar, state
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped

if TYPE_CHECKING:
    from workbench.insight.ranking import Request

ROWS_SHOWN = 200
"""Samples of a user in the picker; the most active ones have hundreds."""
ORDERS = {"active": "Most active", "newest": "Newest", "middle": "In between"}
SPLITS = {"test": "test", "valid": "validation", "train": "training"}


@dataclass(frozen=True)
class Subject:
    """A sample of a user, perhaps with another item.

    Attributes:
        user: index of the user in the data set.
        sample: index of the sample.
        item: another item than the sample's, by its index; None for its own.
        title: for people.
        code: of the user's ID; 0 for a user whom training has not seen.
        activity: the user's training samples.
    """

    user: int
    sample: int
    item: int | None
    title: str
    code: int
    activity: int

    @property
    def pin(self) -> str:
        """As a link carries it."""
        return str(self.sample) if self.item is None else f"{self.sample}.{self.item}"


def run(picked: Picked, wanted: Callable[[Entry], bool] = lambda entry: True) -> Entry | None:
    """The run to look at, one of the picked ones; draws the picker.

    Args:
        wanted: which runs will do.
    """
    if picked.base is None:
        notes.no_runs(picked)
        return None
    chosen = {e.key: e for e in (*picked.candidates, picked.base) if wanted(e)}
    # The full framework first: it is what the page is about.
    keys = sorted(chosen, key=lambda key: chosen[key].run.variant != "full")
    key = str(state.one("run", keys))
    if len(keys) > 1:
        st.segmented_control(
            "Run", keys, key="run", required=True, format_func=picked.labels.__getitem__
        )
    return chosen[key]


def pick(entry: Entry, picked: Picked, *, items: bool = False) -> Subject | None:
    """Draw the search for a user and the choice of a sample.

    Args:
        entry: a run on the data.
        items: also let the reader name another item.

    Returns:
        None where the data set has no user with a test sample.
    """
    table = ask.users(entry)
    user = _user(table, picked)
    row = table.iloc[user]
    widths = [2, 3, 2] if items else [2, 3]
    columns = st.columns(widths, vertical_alignment="bottom")
    with columns[0]:
        _finder(table, picked)
    with columns[1]:
        sample = _sample(entry, user)
    item = None
    if items:
        with columns[2]:
            item = _item(entry)
    subject = Subject(user, sample, item, _title(row), int(row["code"]), int(row["activity"]))
    st.caption(_about(entry, subject, row))
    return subject


def of_pin(entry: Entry, pin: str) -> Subject | None:
    """The subject that a link names, or None where there is none of that name."""
    from workbench.insight import ranking

    dataset = models.trained(entry).dataset
    parts = pin.split(".")
    if len(parts) > 2 or not all(part.isdecimal() and len(part) < 12 for part in parts):
        return None
    sample, item = int(parts[0]), int(parts[1]) if len(parts) == 2 else None
    if sample >= len(dataset):
        return None
    if item is not None and item not in set(ranking.item_table(dataset)["item"]):
        return None
    user = int(dataset.users[sample])
    row = ask.users(entry).iloc[user]
    return Subject(user, sample, item, _title(row), int(row["code"]), int(row["activity"]))


def request(entry: Entry, one: Subject) -> Request:
    """The subject as the model sees it."""
    from workbench.insight import ranking

    dataset = models.trained(entry).dataset
    request = ranking.request_of(dataset, one.sample)
    if one.item is None:
        return request
    items = ask.catalogue(entry)
    place = items.table.index[items.table["item"] == one.item]
    return ranking.with_item(dataset, request, items, int(place[0]))


def _user(table: pd.DataFrame, picked: Picked) -> int:
    """The user of the sidebar, one without a code whom the search found, or a typical one."""
    from workbench.insight import people

    lost = state.unknown(sidebar.USER, [str(picked.user)])
    who = state.text("who", lambda text: text.isdecimal() and int(text) < len(table))
    if lost:
        largest = int(table["code"].max())
        st.warning(
            f"The link asks for the user '{escaped(lost[0])}', who is not in this data: codes go "
            f"from 1 to {largest:,}."
        )
    if picked.user is not None:
        found = people.user_of_code(table, picked.user)
        if found is not None:
            return found
        st.warning(f"No user has the code {picked.user} in this data.")
    return int(who) if who else people.typical_user(table)


def _finder(table: pd.DataFrame, picked: Picked) -> None:
    from workbench.insight import people

    with st.popover("Find a user", icon=":material/person_search:", width="stretch"):
        order = str(state.one("find", list(ORDERS)))
        st.segmented_control(
            "First", list(ORDERS), key="find", required=True, format_func=ORDERS.__getitem__
        )
        key = state.text("key", lambda text: len(text) <= 80)
        st.text_input(
            "Key starts with", key="key", placeholder="any", help="The user's key in the raw data."
        )
        found = people.find_users(
            table, order=order, low=picked.slice.low, high=picked.slice.high, key=key
        )
        users, codes = found["user"].tolist(), found["code"].tolist()
        lines = map(_line, codes, found["activity"].tolist(), found["test_rows"].tolist())
        names = dict(zip(users, lines, strict=True))
        st.selectbox(
            f"User ({len(found)} shown)",
            list(names),
            index=None,
            key="found",
            format_func=names.__getitem__,
            placeholder="Choose" if names else "Nobody fits",
            on_change=_take,
            args=[dict(zip(users, codes, strict=True))],
            help="Users with a test sample, within the sidebar's activity range.",
        )


def _take(codes: dict[int, int]) -> None:
    """Callback: the user that was found is the one of every page, where training has seen it."""
    user = st.session_state["found"]
    if user is None:
        return
    if codes.get(user, 0) > 0:
        sidebar.take_user(codes[user])
        st.session_state["who"] = ""
    else:
        st.session_state[sidebar.USER] = ""
        st.session_state["who"] = str(user)


def _sample(entry: Entry, user: int) -> int:
    frame = ask.samples(entry, user).head(ROWS_SHOWN)
    keys = ask.item_keys(entry)
    names = {}
    for sample, split, item, label in frame.itertuples(index=False):
        about = f"item {keys[item]} · {ask.about_item(entry, int(item))}"
        names[str(sample)] = f"{SPLITS[split]} · {about} · label {label}"
    sample = str(state.one("row", list(names)))
    st.selectbox("Sample", list(names), key="row", format_func=names.__getitem__)
    return int(sample)


def _item(entry: Entry) -> int | None:
    """Another item, by its key in the raw data."""
    table = ask.catalogue(entry).table
    places = dict(zip(table["key"], table["item"].tolist(), strict=True))
    asked = st.session_state.get("item", "")
    key = state.text("item", lambda text: text in places)
    st.text_input(
        "Another item",
        key="item",
        placeholder="the sample's own",
        help="Key of an item in the raw data; the sample's user and context stay.",
    )
    if asked and not key:
        st.caption(f"No item '{escaped(str(asked))}' in the training samples.")
    return places[key] if key else None


def _title(row: pd.Series) -> str:
    if int(row["code"]) == 0:
        return "New user (no training sample)"
    return f"User {int(row['code'])} ({int(row['activity']):,} training samples)"


def _line(code: int, activity: int, test_rows: int) -> str:
    name = f"user {code}" if code else "new user"
    return f"{name} · {activity:,} training · {test_rows:,} test"


def _about(entry: Entry, subject: Subject, row: pd.Series) -> str:
    from workbench.insight import people, ranking
    from workbench.schema import Side

    dataset = models.trained(entry).dataset
    request = ranking.request_of(dataset, subject.sample)
    values: dict[str, str] = {}
    for side in (Side.USER, Side.CONTEXT):
        values |= people.describe(dataset, request.rows, side)
    said = [f"{name} {text}" for name, text in values.items() if name != dataset.schema.user]
    return (
        f"**{escaped(subject.title)}**, {int(row['test_rows']):,} test samples, key "
        f"{escaped(str(row['key']))}. {escaped('; '.join(said))}."
    )
