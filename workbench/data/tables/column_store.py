"""Where codes and vocabularies are kept while a data set is being prepared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data.tables.base import Base
from workbench.data.tables.disk import DiskArray
from workbench.data.tables.schema_file import FeatureColumn, TableSchema
from workbench.data.tables.values import Codes, Int, Values, pack_lists
from workbench.data.vocabulary import QuantileBuckets
from workbench.schema import Kind, Schema, Side


@dataclass(frozen=True)
class Entities:
    """The users, or the items, of the log.

    Attributes:
        values: their keys.
        index: int32 [row] the entity of each row; without a key it is the last one.
        count: of entities.
        codes: [entity] vocabulary code of the key.
        train: [entity] training rows.
    """

    values: Values
    index: DiskArray
    count: int
    codes: Codes
    train: Int


@dataclass
class Encoded:
    """All features as codes, on disk.

    Attributes:
        codes: feature -> int32 [row, width], or [entity, width] for the user and item sides.
        sizes: feature with rows of its own -> vocabulary codes, code 0 included.
        train_per_code: [code - 1] training rows, of categorical features with rows of their own.
        unseen: single-valued feature of the log -> share of test rows with code 0.
        users, items: the entities.
        side_rows: "users", "items" -> facts about the join, for the card.
    """

    users: Entities
    items: Entities
    codes: dict[str, DiskArray] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    train_per_code: dict[str, Int] = field(default_factory=dict)
    unseen: dict[str, float] = field(default_factory=dict)
    side_rows: dict[str, dict[str, int]] = field(default_factory=dict)

    def of_side(self, side: Side) -> Entities:
        """The entities that features of a side belong to."""
        return self.users if side is Side.USER else self.items


class ColumnStore:
    """Files for the codes and vocabularies of a table's features.

    Args:
        table, schema: as read, and as the data set will have it.
        base: the checked log.
        folder: for the files.
    """

    def __init__(self, table: TableSchema, schema: Schema, base: Base, folder: Path) -> None:
        self.table, self.schema, self.base, self.folder = table, schema, base, folder
        self.position = {feature.name: i for i, feature in enumerate(table.features)}

    def vocabulary_path(self, name: str) -> Path:
        """Where the vocabulary of a feature waits for the description: JSON."""
        return self.folder / f"vocabulary.{self.position[name]}.json"

    def shared_path(self, name: str) -> Path:
        """Where a vocabulary waits for features that share it."""
        return self.folder / f"values.{self.position[name]}.arrow"

    def keep(self, name: str, values: Values, encoded: Encoded) -> None:
        """Keep the vocabulary of a feature with rows of its own."""
        with self.vocabulary_path(name).open("w", encoding="utf-8") as file:
            values.write_json(file)
        encoded.sizes[name] = values.size
        encoded.train_per_code[name] = values.train_per_code
        if any(feature.shares == name for feature in self.table.features):
            values.save(self.shared_path(name))

    def keep_buckets(self, name: str, buckets: QuantileBuckets, encoded: Encoded) -> None:
        """Keep the buckets of a number."""
        self.vocabulary_path(name).write_text(json.dumps(buckets.to_dict()), encoding="utf-8")
        encoded.sizes[name] = len(buckets)

    def arrow_type(self, feature: FeatureColumn) -> Any:
        """Of the feature's values in `Values`."""
        return pa.int64() if feature.values == "whole" else pa.large_string()

    def disk(self, feature: FeatureColumn) -> DiskArray:
        """The file of a feature's codes."""
        width = self.schema[feature.name].width
        return DiskArray(self.folder / f"codes.{self.position[feature.name]}", np.int32, width)

    def log_column(self, feature: FeatureColumn) -> Iterator[tuple[int, Any]]:
        """A feature's column of the log in chunks: (first row, values)."""
        return self.base.column(f"f{self.position[feature.name]}")

    def in_train(self, start: int, rows: int) -> Int:
        """1 for training rows [row] from `start` on, else 0."""
        flags: Int = (self.base.parts.read(start, start + rows) == 0).astype(np.int64)
        return flags

    def weighted(self, feature: FeatureColumn) -> Iterator[tuple[Any, Int]]:
        """A column of the log with 1 for every entry of a training row; lists end to end."""
        for start, column in self.log_column(feature):
            weights = self.in_train(start, len(column))
            if feature.is_list:
                weights = np.repeat(weights, np.asarray(pc.list_value_length(column)))
                column = pc.list_flatten(column)
            yield column, weights

    def codes(self, feature: FeatureColumn, coder: Values | QuantileBuckets, column: Any) -> Codes:
        """Codes [entry, width] of a column."""
        if isinstance(coder, QuantileBuckets):
            return coder.encode(column.to_numpy(zero_copy_only=False))[:, None]
        if not feature.is_list:
            return coder.codes(column)[:, None]
        lengths = np.asarray(pc.list_value_length(column)).astype(np.int64)
        return pack_lists(
            coder.codes(pc.list_flatten(column)),
            lengths,
            self.schema[feature.name].width,
            newest_last=feature.kind is Kind.SEQUENCE and feature.newest == "last",
        )
