"""Features of users and items: from tables of their own, or from columns of the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.data.tables.base import staged_batches
from workbench.data.tables.column_store import ColumnStore, Encoded, Entities
from workbench.data.tables.problems import Collector
from workbench.data.tables.schema_file import FeatureColumn
from workbench.data.tables.stage import Staged
from workbench.data.tables.values import Codes, Int, Values, count_values
from workbench.data.vocabulary import QuantileBuckets
from workbench.schema import Kind


class SideEncoder:
    """Encodes features with one value per user or per item.

    Args:
        store: for codes and vocabularies.
        staged: the checked tables.
        place: the log's file name, for errors.

    Attributes:
        problems: features that differ within one user or item.
    """

    def __init__(self, store: ColumnStore, staged: Staged, place: str) -> None:
        self.store, self.staged, self.place = store, staged, place
        self.problems = Collector()

    def encode_log_column(self, feature: FeatureColumn, encoded: Encoded) -> None:
        """A feature of the user (item) that stands in every row of the log."""
        entities = encoded.of_side(feature.side)
        target = encoded.codes[feature.name] = self.store.disk(feature)
        if feature.kind is Kind.NUMERIC:
            numbers = np.full(entities.count, np.nan)
            for start, column in self.store.log_column(feature):
                self._fill(feature, numbers, entities, start, column.to_numpy(zero_copy_only=False))
            buckets = QuantileBuckets.at_quantiles(numbers, feature.buckets, entities.train)
            self.store.keep_buckets(feature.name, buckets, encoded)
            target.append(buckets.encode(numbers)[:, None])
            return
        # All values of the log, not only those of training: two unseen values differ too.
        kind = self.store.arrow_type(feature)
        everything = count_values(
            self.store.weighted(feature), kind, feature.min_count, feature.name
        )
        if feature.shares is None:
            self.store.keep(feature.name, everything, encoded)
        places = np.full(entities.count, np.nan)
        for start, column in self.store.log_column(feature):
            index = everything.index(column)
            self._fill(feature, places, entities, start, np.where(index < 0, np.nan, index))
        index = np.where(np.isnan(places), -1, places).astype(np.int32)
        if feature.shares is None:
            target.append(everything.codes_of(index)[:, None])
            return
        shared = np.append(
            Values.load(self.store.shared_path(feature.shares)).codes(everything.values),
            np.int32(0),
        )
        target.append(shared[index][:, None])

    def _fill(
        self,
        feature: FeatureColumn,
        values: NDArray[np.float64],
        entities: Entities,
        start: int,
        found: NDArray[Any],
    ) -> None:
        """Take the first value of each entity; rows that differ from it are noted."""
        owner = entities.index.read(start, start + len(found))
        there = ~np.isnan(found)
        fresh = there & np.isnan(values[owner])
        # The first of several rows wins: it is written last.
        values[owner[fresh][::-1]] = found[fresh][::-1]
        differs = np.flatnonzero(there & (values[owner] != found))
        side = feature.side.value
        self.problems.add_rows(
            self.place,
            feature.source,
            f"side '{side}', but not the same in all rows of one {side}",
            "side: context",
            self.store.base.numbers.read(start, start + len(found))[differs],
            ("" for _ in differs),
        )

    def encode_table(self, feature: FeatureColumn, encoded: Encoded) -> None:
        """A feature from a table of its own, one row per key; the first row of a key counts."""
        entities = encoded.of_side(feature.side)
        name = f"f{self.store.position[feature.name]}"
        path = self.staged.sides[feature.table]
        rows = 0
        width = self.store.schema[feature.name].width
        codes = np.zeros((entities.count, width), np.int32)
        numbers = np.full(entities.count, np.nan)
        numeric = feature.kind is Kind.NUMERIC
        coder: Values | None = None
        if not numeric and feature.shares is not None:
            coder = Values.load(self.store.shared_path(feature.shares))
        elif not numeric:
            counted = self._side_entries(feature, entities, path, name)
            coder = count_values(
                counted, self.store.arrow_type(feature), feature.min_count, feature.name
            )
            self.store.keep(feature.name, coder, encoded)
        done = np.zeros(entities.count, np.bool_)
        for batch in staged_batches(path, ["key", name]):
            owner, first = _owners(entities, batch.column("key"), done)
            rows += len(owner)
            column = batch.column(name)
            if numeric:
                numbers[owner[first]] = column.to_numpy(zero_copy_only=False)[first]
            else:
                assert coder is not None
                codes[owner[first]] = self.store.codes(feature, coder, column)[first]
        if numeric:
            buckets = QuantileBuckets.at_quantiles(numbers, feature.buckets, entities.train)
            self.store.keep_buckets(feature.name, buckets, encoded)
            codes = buckets.encode(numbers)[:, None]
        target = encoded.codes[feature.name] = self.store.disk(feature)
        target.append(codes)
        encoded.side_rows[feature.table] = {
            "rows": rows,
            "of the log without a row there": entities.count - int(done.sum()),
            "never in the log": rows - int(done.sum()),
        }

    def _side_entries(
        self, feature: FeatureColumn, entities: Entities, path: Path, name: str
    ) -> Iterator[tuple[Any, Int]]:
        """The column with the training rows of each entry's user (item)."""
        done = np.zeros(entities.count, np.bool_)
        for batch in staged_batches(path, ["key", name]):
            owner, first = _owners(entities, batch.column("key"), done)
            weights = np.where(first, np.append(entities.train, 0)[owner], 0)
            column = batch.column(name)
            if feature.is_list:
                weights = np.repeat(weights, np.asarray(pc.list_value_length(column)))
                column = pc.list_flatten(column)
            yield column, weights


def _owners(
    entities: Entities, keys: Any, done: NDArray[np.bool_]
) -> tuple[Codes, NDArray[np.bool_]]:
    """The entity of each key (-1: not in the log), and whether this is its first row."""
    owner = entities.values.index(keys)
    known = np.flatnonzero(owner >= 0)
    _, place = np.unique(owner[known], return_index=True)
    first = np.zeros(len(owner), np.bool_)
    first[known[place]] = True
    first[known] &= ~done[owner[known]]
    done[owner[first]] = True
    return owner, first
