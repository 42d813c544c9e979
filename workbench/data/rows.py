"""Rows of the embedding table for every user, item and sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.data.raw import Array, Ragged, RawData
from workbench.data.vocabulary import QuantileBuckets, Vocabulary
from workbench.errors import InputError
from workbench.schema import Feature, FeatureSlot, Kind, Side, TableLayout

Rows = NDArray[np.int32]
Columns = Mapping[str, Array | Ragged]

# Lists handled at a time: bounds the temporary positions of 8 bytes per value.
_CHUNK = 262_144


@dataclass(frozen=True)
class EncodedRows:
    """The encoded columns of a data set, as in `Dataset`, still as arrays.

    Attributes:
        layout: where each feature's table rows and columns lie.
        user_rows, item_rows: int32 [user or item with a sample, width of the side].
        context_rows: int32 [sample, width of the context side].
        users, items: int32 [sample] index into `user_rows` and `item_rows`.
    """

    layout: TableLayout
    user_rows: Rows
    item_rows: Rows
    context_rows: Rows
    users: Rows
    items: Rows

    def context_columns(self, slot: FeatureSlot) -> Rows:
        """The feature's columns [sample, width] of `context_rows`, as a view."""
        before = self.user_rows.shape[1] + self.item_rows.shape[1]
        return self.context_rows[:, slot.start - before : slot.stop - before]

    def codes(self, feature: str) -> Rows:
        """Vocabulary codes [sample] of a feature with one value per sample; 0 is unseen."""
        slot = self.layout[feature]
        if slot.side is Side.USER:
            rows = self.user_rows[:, slot.start][self.users]
        elif slot.side is Side.ITEM:
            rows = self.item_rows[:, slot.start - self.user_rows.shape[1]][self.items]
        else:
            rows = self.context_columns(slot)[:, 0]
        return np.where(rows == slot.mask_row, 0, rows - np.int32(slot.offset))


def build_vocabularies(raw: RawData, train: NDArray[np.int64]) -> dict[str, Vocabulary]:
    """Vocabularies of all features with rows of their own, from training rows only.

    Args:
        raw: the data set as read.
        train: training rows. A user's value counts once per training row of the user.

    Raises:
        InputError: a feature without a column, or values that do not fit its kind.
    """
    in_train = np.zeros(len(raw), np.int64)
    in_train[train] = 1
    sides: dict[Side, tuple[Columns, NDArray[np.int64]]] = {
        Side.USER: (raw.users, np.bincount(raw.user_index[train])),
        Side.ITEM: (raw.items, np.bincount(raw.item_index[train])),
        Side.CONTEXT: (raw.context, in_train),
    }
    vocabularies: dict[str, Vocabulary] = {}
    for feature in raw.schema.features:
        if feature.shares is None:
            columns, training_rows = sides[feature.side]
            vocabularies[feature.name] = _vocabulary(feature, columns, training_rows)
    return vocabularies


def encode_rows(
    raw: RawData, layout: TableLayout, vocabularies: dict[str, Vocabulary]
) -> EncodedRows:
    """Look every value up. Users and items without a sample are left out.

    Sequence features without a column stay empty, for `fill_history` of the encoder to fill.

    Raises:
        InputError: a feature without a column, or values that do not fit its kind.
    """

    def side(side: Side, columns: Columns, entities: int) -> Rows:
        features = [feature for feature in raw.schema.features if feature.side is side]
        rows = np.zeros((entities, sum(feature.width for feature in features)), np.int32)
        start = 0
        for feature in features:
            target = rows[:, start : start + feature.width]
            start += feature.width
            if not lacks_history(feature, columns):
                vocabulary = vocabularies[feature.shares or feature.name]
                fill_rows(target, _column(columns, feature), vocabulary, layout[feature.name])
        return rows

    users, user_rows = _with_samples(
        raw.user_index, side(Side.USER, raw.users, _entities(raw.users, raw.user_index))
    )
    items, item_rows = _with_samples(
        raw.item_index, side(Side.ITEM, raw.items, _entities(raw.items, raw.item_index))
    )
    context_rows = side(Side.CONTEXT, raw.context, len(raw))
    return EncodedRows(layout, user_rows, item_rows, context_rows, users, items)


def lacks_history(feature: Feature, columns: Columns) -> bool:
    """Whether a feature is a sequence that has to be made from the training rows."""
    return feature.kind is Kind.SEQUENCE and feature.name not in columns


def mask_empty(target: Rows, mask_row: int) -> None:
    """Give `[MASK]_i` to every row of `target` [row, width] that holds no value."""
    first = target[:, 0]
    first[first == 0] = mask_row


def _vocabulary(feature: Feature, columns: Columns, training_rows: NDArray[np.int64]) -> Vocabulary:
    values = _column(columns, feature)
    # Users after the last one in training have no training rows.
    weights = np.zeros(len(values), np.int64)
    weights[: len(training_rows)] = training_rows
    if isinstance(values, Ragged):
        weights = np.repeat(weights, np.diff(values.offsets))
        values = values.values
    try:
        if feature.kind is Kind.NUMERIC:
            return QuantileBuckets.at_quantiles(values, feature.buckets, weights)
        return Vocabulary.build(values, feature.min_count, weights)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"feature '{feature.name}': {error}") from None


def fill_rows(
    target: Rows, values: Array | Ragged, vocabulary: Vocabulary, slot: FeatureSlot
) -> None:
    """Write the table rows of `values` into the feature's columns `target` [row, width]."""
    if isinstance(values, Ragged):
        for begin in range(0, len(values), _CHUNK):
            part = target[begin : begin + _CHUNK]
            offsets = values.offsets[begin : begin + len(part) + 1]
            codes = vocabulary.encode(values.values[offsets[0] : offsets[-1]])
            _pack(part, codes, np.diff(offsets), slot.offset)
    else:
        codes = vocabulary.encode(values)
        target[:, 0] = np.where(codes > 0, codes + np.int32(slot.offset), 0)
    mask_empty(target, slot.mask_row)


def _pack(target: Rows, codes: Rows, lengths: NDArray[np.int64], offset: int) -> None:
    """Write the seen codes of every list to the left of its row, as many as there are columns."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    seen = codes > 0
    codes, owner = codes[seen], owner[seen]
    kept = np.bincount(owner, minlength=len(lengths))
    position = np.arange(len(owner)) - np.repeat(np.cumsum(kept) - kept, kept)
    fits = position < target.shape[1]
    target[owner[fits], position[fits]] = codes[fits] + np.int32(offset)


def _with_samples(index: NDArray[np.int64], rows: Rows) -> tuple[Rows, Rows]:
    """Leave out entities without a sample: index [sample] and rows [entity, width]."""
    seen = np.zeros(len(rows), np.bool_)
    seen[index] = True
    if bool(seen.all()):
        return index.astype(np.int32), rows
    place = (np.cumsum(seen) - 1).astype(np.int32)
    return place[index], rows[seen]


def _column(columns: Columns, feature: Feature) -> Array | Ragged:
    values = columns.get(feature.name)
    if values is None:
        raise InputError(f"feature '{feature.name}' has no column; found: {', '.join(columns)}")
    if isinstance(values, Ragged) != feature.is_list:
        needed = "lists" if feature.is_list else "one value per row"
        raise InputError(f"feature '{feature.name}': kind {feature.kind.value} needs {needed}")
    return values


def _entities(columns: Columns, index: NDArray[np.int64]) -> int:
    """Rows of a side's columns."""
    return max((len(values) for values in columns.values()), default=int(index.max()) + 1)
