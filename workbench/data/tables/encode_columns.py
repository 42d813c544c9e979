"""Vocabularies and codes of all features, one column at a time."""

from __future__ import annotations

import numpy as np

from workbench.data.tables.column_store import ColumnStore, Encoded, Entities
from workbench.data.tables.disk import DiskArray
from workbench.data.tables.draws import in_sample
from workbench.data.tables.encode_sides import SideEncoder
from workbench.data.tables.schema_file import FeatureColumn
from workbench.data.tables.stage import Staged
from workbench.data.tables.staged_file import CHUNK
from workbench.data.tables.values import Values, count_values
from workbench.data.vocabulary import QuantileBuckets
from workbench.schema import Kind, Side

QUANTILE_ROWS = 1 << 20
"""Training rows from which the quantiles of a number are taken; all where there are fewer."""


class ColumnEncoder:
    """Encodes the staged columns.

    Args:
        store: for codes and vocabularies.
        staged: the checked tables.
        place: the log's file name, for errors.
    """

    def __init__(self, store: ColumnStore, staged: Staged, place: str) -> None:
        self.store, self.staged, self.place = store, staged, place

    def encode(self) -> Encoded:
        """Encode everything but histories.

        Raises:
            TableProblems: features of a side that differ within one user or item.
            InputError: too many distinct values.
        """
        found: dict[str, Values] = {}
        users = self._entities(self.store.table.user, found)
        items = self._entities(self.store.table.item, found)
        encoded = Encoded(users, items)
        for name in (self.store.table.user, self.store.table.item):
            self.store.keep(name, found[name], encoded)
            self._encode_key(self.store.table.feature(name), encoded)
        found.clear()
        sides = SideEncoder(self.store, self.staged, self.place)
        # Vocabularies that others share come first.
        for feature in sorted(self.store.table.features, key=lambda f: f.shares is not None):
            if feature.name in encoded.codes or feature.table == "history":
                continue
            if feature.table != "log":
                sides.encode_table(feature, encoded)
            elif feature.side is Side.CONTEXT:
                self._encode_rows(feature, encoded)
            else:
                sides.encode_log_column(feature, encoded)
        sides.problems.stop()
        return encoded

    def _entities(self, name: str, found: dict[str, Values]) -> Entities:
        feature = self.store.table.feature(name)
        kind, min_count = self.store.arrow_type(feature), feature.min_count
        values = count_values(self.store.weighted(feature), kind, min_count, name)
        found[name] = values
        index = DiskArray(self.store.folder / f"entity.{self.store.position[name]}", np.int32)
        keyless = keyless_train = 0
        for start, column in self.store.log_column(feature):
            place = values.index(column)
            absent = place < 0
            keyless += int(absent.sum())
            keyless_train += int(self.store.in_train(start, len(place))[absent].sum())
            index.append(np.where(absent, np.int32(len(values.values)), place))
        codes = values.codes_of(np.arange(len(values.values), dtype=np.int32))
        train = values.train
        if keyless:
            codes = np.append(codes, np.int32(0))
            train = np.append(train, keyless_train)
        return Entities(values, index, len(codes), codes, train)

    def _encode_key(self, feature: FeatureColumn, encoded: Encoded) -> None:
        entities = encoded.users if feature.name == self.store.table.user else encoded.items
        target = self.store.disk(feature)
        unseen = 0
        by_row = feature.side is Side.CONTEXT
        for start, index in entities.index.slices(CHUNK):
            codes = entities.codes[index]
            test = self.store.base.parts.read(start, start + len(index)) == 2
            unseen += int((codes[test] == 0).sum())
            if by_row:
                target.append(codes[:, None])
        encoded.unseen[feature.name] = unseen / self.store.base.per_part[2]
        if not by_row:
            target.append(entities.codes[:, None])
        encoded.codes[feature.name] = target

    def _values_of(self, feature: FeatureColumn, encoded: Encoded) -> Values:
        if feature.shares is not None:
            return Values.load(self.store.shared_path(feature.shares))
        counted = self.store.weighted(feature)
        values = count_values(
            counted, self.store.arrow_type(feature), feature.min_count, feature.name
        )
        self.store.keep(feature.name, values, encoded)
        return values

    def _encode_rows(self, feature: FeatureColumn, encoded: Encoded) -> None:
        """A feature with a value per sample."""
        target = encoded.codes[feature.name] = self.store.disk(feature)
        coder: Values | QuantileBuckets
        if feature.kind is Kind.NUMERIC:
            coder = self._quantiles(feature)
            self.store.keep_buckets(feature.name, coder, encoded)
        else:
            coder = self._values_of(feature, encoded)
        unseen = 0
        for start, column in self.store.log_column(feature):
            codes = self.store.codes(feature, coder, column)
            target.append(codes)
            test = self.store.base.parts.read(start, start + len(codes)) == 2
            unseen += int((codes[test, 0] == 0).sum())
        encoded.unseen[feature.name] = unseen / self.store.base.per_part[2]

    def _quantiles(self, feature: FeatureColumn) -> QuantileBuckets:
        train = self.store.base.per_part[0]
        share = min(1.0, QUANTILE_ROWS / train)
        numbers = []
        for start, column in self.store.log_column(feature):
            chosen = self.store.in_train(start, len(column)).astype(np.bool_)
            if share < 1:
                chosen &= in_sample(self.store.base.numbers.read(start, start + len(column)), share)
            numbers.append(column.to_numpy(zero_copy_only=False)[chosen])
        return QuantileBuckets.at_quantiles(np.concatenate(numbers), feature.buckets)
