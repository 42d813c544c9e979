"""What the pages ask a trained model, computed once and kept.

Keyed by the run's folder and when it last changed, and by all that the answer depends on; the
models themselves are shared, see `components.models`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from components import compute, models
from components.catalogue import Entry
from components.compute import Spec

if TYPE_CHECKING:
    import altair as alt

    from workbench.insight.ranking import Catalogue, Request
    from workbench.insight.trained import Trained

KEPT = 64


def data_key(entry: Entry) -> str:
    """What the data set of a run depends on."""
    key: str = entry.run.config.data.model_dump_json()
    return key


def users(entry: Entry) -> pd.DataFrame:
    """See `workbench.insight.people.user_table`."""
    return _users(models.trained(entry), data_key(entry))


@st.cache_data(max_entries=4, show_spinner=False)
def _users(_trained: Trained, key: str) -> pd.DataFrame:
    from workbench.insight import people

    return people.user_table(_trained.dataset)


def catalogue(entry: Entry) -> Catalogue:
    """See `workbench.insight.ranking.catalogue`; shared, not to be changed."""
    return _catalogue(models.trained(entry), data_key(entry))


@st.cache_resource(max_entries=2, show_spinner=False)
def _catalogue(_trained: Trained, key: str) -> Catalogue:
    from workbench.insight import ranking

    return ranking.catalogue(_trained.dataset)


def item_keys(entry: Entry) -> list[str]:
    """The raw key of every item, by its index."""
    return _item_keys(models.trained(entry), data_key(entry))


@st.cache_resource(max_entries=4, show_spinner=False)
def _item_keys(_trained: Trained, key: str) -> list[str]:
    from workbench.insight import people

    return [str(key) for key in people.item_table(_trained.dataset)["key"]]


def samples(entry: Entry, user: int) -> pd.DataFrame:
    """See `workbench.insight.people.samples_of`."""
    return _samples(models.trained(entry), data_key(entry), user)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _samples(_trained: Trained, key: str, user: int) -> pd.DataFrame:
    from workbench.insight import people

    return people.samples_of(_trained.dataset, user)


def top(
    entry: Entry, request: Request, seen: frozenset[int], leave_out: bool, size: int = 10
) -> pd.DataFrame:
    """The best items for a request, with what they are in words (`about`).

    See `workbench.insight.ranking.top_items`.
    """
    from workbench.insight import ranking

    trained, items = models.trained(entry), catalogue(entry)
    logits = ranking.score_items(trained.model, trained.dataset, request, items)
    frame = ranking.top_items(logits, items, seen=seen, leave_out=leave_out, size=size)
    return frame.assign(about=[about_item(entry, int(item)) for item in frame["item"]])


def about_item(entry: Entry, item: int) -> str:
    """The meta features of an item in words, without its IDs."""
    return _about_item(models.trained(entry), data_key(entry), item)


@st.cache_data(max_entries=4096, show_spinner=False)
def _about_item(_trained: Trained, key: str, item: int) -> str:
    import torch

    from workbench.insight import people
    from workbench.schema import Side

    dataset = _trained.dataset
    rows = torch.zeros(dataset.layout.width, dtype=torch.int32)
    start = dataset.user_rows.shape[1]
    rows[start : start + dataset.item_rows.shape[1]] = dataset.item_rows[item]
    values = people.describe(dataset, rows, Side.ITEM)
    return " · ".join(text for name, text in values.items() if not dataset.schema[name].is_id)


def simulation(
    entry: Entry, user: int, sample: int, identity: str, leave_out: bool
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """See `workbench.insight.cold_start.simulate`."""
    trained, items = models.trained(entry), catalogue(entry)
    return _simulation(trained, items, compute.key_of([entry]), user, sample, identity, leave_out)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _simulation(
    _trained: Trained,
    _items: Catalogue,
    key: compute.Key,
    user: int,
    sample: int,
    identity: Any,
    leave_out: bool,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    from workbench.insight import cold_start, ranking

    dataset = _trained.dataset
    return cold_start.simulate(
        _trained.model,
        dataset,
        _items,
        cold_start.past_of(dataset, user),
        sample,
        identity=identity,
        seen=ranking.seen_items(dataset, user) if leave_out else frozenset(),
    )


def template(build: Callable[[], alt.TopLevelMixin], *about: object) -> Spec:
    """A chart's specification, to be refilled with other rows of the same shape.

    Args:
        build: makes the chart.
        about: all but the rows that decides what it looks like.
    """
    return _template(about, build)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _template(about: tuple[object, ...], _build: Callable[[], alt.TopLevelMixin]) -> Spec:
    spec: Spec = _build().to_dict(validate=False)
    return spec
