"""What turns raw values into a trained model's input, taken from the training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.data.dataset import Dataset
from workbench.data.vocabulary import Vocabulary
from workbench.schema import Feature, Kind, Schema, Side, TableLayout

Codes = NDArray[np.int32]
Totals = NDArray[np.int64]


@dataclass(frozen=True)
class Encoding:
    """Everything that encoding a new row needs, besides the row.

    Attributes:
        schema, layout: of the data set that was trained on.
        vocabularies: of every feature with rows of its own.
        totals: count name -> [code] training events of each value of the count's feature; 0 for
            code 0, which stands for every unseen value.
        recent: sequence feature -> [user code, length] codes of the user's last training positives,
            newest first, 0 where there were fewer; for sequences that are made from the log.
    """

    schema: Schema
    layout: TableLayout
    vocabularies: dict[str, Vocabulary]
    totals: dict[str, Totals]
    recent: dict[str, Codes]


def made_from_log(feature: Feature, schema: Schema) -> bool:
    """Whether a feature can be filled with the user's latest items where it has no column."""
    return (
        feature.kind is Kind.SEQUENCE
        and feature.side is Side.CONTEXT
        and feature.shares is not None
        and schema.has_time
        and schema[feature.shares].kind is Kind.SINGLE
    )


def encoding_of(dataset: Dataset) -> Encoding:
    """Collect a data set's encoding, as of the end of its training rows."""
    schema = dataset.schema
    kept = dataset.kept_events()
    if kept is not None:
        totals, recent = kept
    else:
        totals = training_totals(dataset, positives_only=counts_positives(dataset))
        recent = {
            feature.name: newest_items(dataset, feature)
            for feature in schema.features
            if made_from_log(feature, schema)
        }
    return Encoding(schema, dataset.layout, dict(dataset.vocabularies), totals, recent)


def training_totals(dataset: Dataset, *, positives_only: bool) -> dict[str, Totals]:
    """Count name -> [code] training events, as in `Encoding`.

    Args:
        dataset: whose training rows are counted.
        positives_only: impressions are the rows whose first label is 1.
    """
    train = dataset.splits["train"]
    labels = dataset.labels.index_select(0, train).cpu().numpy()
    schema = dataset.schema
    totals: dict[str, Totals] = {}
    for count in schema.counts:
        codes = dataset.codes(count.feature).index_select(0, train).cpu().numpy()
        event = None if count.event is None else labels[:, schema.labels.index(count.event)]
        if event is None and positives_only:
            event = labels[:, 0]
        found = np.bincount(codes, event, dataset.layout[count.feature].size).astype(np.int64)
        found[0] = 0
        totals[count.name] = found
    return totals


def counts_positives(dataset: Dataset) -> bool:
    """Whether impressions are the log's own rows, drawn negatives left out, as a random split of
    an implicit log counts them (`workbench.data.tables.state_counts`).
    """
    split = dataset.card.get("split")
    by = split.get("protocol") if isinstance(split, dict) else None
    return bool(dataset.card.get("negatives")) and by == "random"


def newest_items(dataset: Dataset, feature: Feature) -> Codes:
    """[user code, length]: what `workbench.data.history` gives a row after all training rows.

    The training split is stored in the order of time.
    """
    assert feature.shares is not None
    train = dataset.splits["train"]
    positive = dataset.labels[:, 0].index_select(0, train).cpu().numpy()
    users = dataset.codes(dataset.schema.user).index_select(0, train).cpu().numpy()
    codes = dataset.codes(feature.shares).index_select(0, train).cpu().numpy()
    events = np.flatnonzero((positive == 1) & (codes > 0) & (users > 0))
    # Newest first within each user.
    events = events[::-1]
    events = events[np.argsort(users[events], kind="stable")]
    owner = users[events]
    sizes = np.bincount(owner, minlength=1)
    place = np.arange(len(events)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    fits = place < feature.max_length
    recent = np.zeros((dataset.layout[dataset.schema.user].size, feature.max_length), np.int32)
    recent[owner[fits], place[fits]] = codes[events[fits]]
    return recent
