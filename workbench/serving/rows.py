"""From columns as a user has them to what a model sees: rows of the table and state counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from workbench.data.dataset import Batch
from workbench.data.encoding import Encoding, made_from_log
from workbench.data.raw import Array, Ragged
from workbench.data.rows import fill_rows, mask_empty
from workbench.data.tables.schema_file import MISSING, FeatureColumn
from workbench.data.vocabulary import QuantileBuckets
from workbench.errors import InputError
from workbench.schema import Feature, Kind, Side, StateCount

LIST_SEPARATOR = "|"
"""Between the values of a list that comes as text, unless the schema says otherwise."""

ValueKind = Literal["integer", "number", "text", "any"]

_WORDS = {"integer": "whole numbers", "number": "numbers", "text": "text", "any": "anything"}


class RowEncoder:
    """Encodes new rows with the vocabularies of a run.

    - A value that training has not seen, or a missing one, looks `[MASK]_i` up.
    - A sequence that the data set makes from its log (`made_from_log`) needs no column: a known
      user's latest training items stand in for it. A column of its name is read newest first.
    - A state count needs no column: a known value's training total stands in for it, and 0 for an
      unknown one. A column of the count's name (``user_id:impression``) takes its place.

    Args:
        encoding: of the run.
        source: of the rows, for errors.
        columns: feature -> its entry of ``schema.yaml``, for data sets made from tables of one's
            own: the column's name there, the separator of lists, and which end is the newest.
        side: encode only users (their context optional) or only items; None: whole samples.
    """

    def __init__(
        self,
        encoding: Encoding,
        source: str = "table",
        *,
        columns: Mapping[str, FeatureColumn] | None = None,
        side: Side | None = None,
    ) -> None:
        self.encoding = encoding
        self.source = source
        self.columns = columns or {}
        self.side = side
        self._rows_before = 0

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that must be there: every feature's, but for sequences made from the log."""
        return tuple(
            feature.name
            for feature in self.encoding.schema.features
            if not self._made(feature) and self.side in (None, feature.side)
        )

    def column_of(self, name: str, names: Collection[str]) -> str | None:
        """The table's column of a feature: the feature's own name, or its column's in the schema.

        Args:
            name: of the feature.
            names: the table's columns.
        """
        own = self.columns.get(name)
        return next((n for n in (name, own and own.source) if n and n in names), None)

    def value_kind(self, feature: Feature) -> ValueKind:
        """What the run's vocabulary holds; "any" where training had no value at all."""
        vocabulary = self.encoding.vocabularies[feature.shares or feature.name]
        if isinstance(vocabulary, QuantileBuckets):
            return "number"
        if not len(vocabulary.values):
            return "any"
        kinds: dict[str, ValueKind] = {"i": "integer", "f": "number", "O": "text"}
        return kinds[vocabulary.values.dtype.kind]

    def check(self, schema: pa.Schema) -> None:
        """Compare a table's columns with those of the run.

        Raises:
            InputError: names every column that is missing, doubled or of another kind.
        """
        problems = []
        for name in [*self.encoding.schema.names, *(c.name for c in self.encoding.schema.counts)]:
            column = self.column_of(name, schema.names)
            if column is None:
                if name in self.required:
                    problems.append(f"column '{name}' is missing")
                continue
            if schema.names.count(column) > 1:
                problems.append(f"column '{column}' is there twice")
                continue
            problem = self._misfit(name, schema.field(column).type)
            if problem:
                problems.append(f"column '{column}' {problem}")
        if problems:
            raise InputError(f"{self.source}: does not fit the run: {'; '.join(problems)}")

    def encode(self, table: pa.Table) -> Batch:
        """Encode rows whose columns were checked; labels are empty.

        Raises:
            InputError: text where the run has numbers; names the column, the row and the value.
        """
        layout, schema = self.encoding.layout, self.encoding.schema
        rows = np.zeros((len(table), layout.width), np.int32)
        made: list[str] = []
        for slot in layout.slots:
            feature = schema[slot.name]
            target = rows[:, slot.start : slot.stop]
            column = self.column_of(slot.name, table.column_names)
            if column is not None:
                values = self._values(table[column], feature)
                vocabulary = self.encoding.vocabularies[feature.shares or feature.name]
                fill_rows(target, values, vocabulary, slot)
            elif self._made(feature):
                made.append(slot.name)
            else:
                target[:, 0] = slot.mask_row
        self.remember(rows, made)
        counts = self.known_counts(rows)
        for place, count in enumerate(schema.counts):
            if count.name in table.column_names:
                counts[:, place] = self._given(table[count.name], counts[:, place], count)
        self._rows_before += len(table)
        return Batch(
            rows=torch.from_numpy(rows),
            counts=torch.from_numpy(counts),
            labels=torch.zeros(len(table), len(schema.labels)),
        )

    def remember(self, rows: NDArray[np.int32], names: Iterable[str] | None = None) -> None:
        """Fill sequences without a column with the user's latest training items, in place.

        Args:
            rows: [row, width], the user's ID encoded.
            names: of the sequences; None: all that are made from the log.
        """
        recent = self.encoding.recent
        for name in recent if names is None else recent.keys() & set(names):
            slot = self.encoding.layout[name]
            codes = recent[name][self.codes(rows, self.encoding.schema.user)]
            target = rows[:, slot.start : slot.stop]
            target[:] = np.where(codes > 0, codes + np.int32(slot.offset), 0)
            mask_empty(target, slot.mask_row)

    def known_counts(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """Training totals [row, count] of encoded rows; 0 for an unknown value."""
        wanted = self.encoding.schema.counts
        counts = np.zeros((len(rows), len(wanted)), np.float32)
        for place, count in enumerate(wanted):
            counts[:, place] = self.encoding.totals[count.name][self.codes(rows, count.feature)]
        return counts

    def codes(self, rows: NDArray[np.int32], feature: str) -> NDArray[np.int32]:
        """Codes [row] of a feature with one value per row; 0 is unseen or missing."""
        slot = self.encoding.layout[feature]
        column = rows[:, slot.start]
        # 0 is a column that was not filled, such as the other side's.
        known = (column != slot.mask_row) & (column > 0)
        return np.where(known, column - np.int32(slot.offset), 0)

    def _made(self, feature: Feature) -> bool:
        """Whether a feature is made from the log, so that it needs no column."""
        own = self.columns.get(feature.name)
        given = own is not None and own.table != "history"
        return made_from_log(feature, self.encoding.schema) and not given

    def _has_digits(self, feature: Feature) -> bool:
        """Whether some values of a text vocabulary are whole numbers written out, such as "12"."""
        values = self.encoding.vocabularies[feature.shares or feature.name].values
        return any(str(value).lstrip("-").isdecimal() for value in values.tolist())

    def _misfit(self, name: str, type_: pa.DataType) -> str | None:
        """Why a column of this type cannot be the run's column `name`, or None."""
        if pa.types.is_null(type_):
            return None
        is_count = name not in self.encoding.schema.names
        feature = None if is_count else self.encoding.schema[name]
        wanted: ValueKind = "number" if feature is None else self.value_kind(feature)
        is_list = _is_list(type_)
        text = _is_text(type_)
        if is_list and (feature is None or not feature.is_list):
            return f"is {type_}; the run has one value per row"
        if feature is not None and feature.is_list and not is_list and not text:
            return f"is {type_}; the run has lists"
        if is_list:
            type_ = type_.value_type
            text = _is_text(type_)
        type_ = plain_type(type_)
        number = pa.types.is_integer(type_) or pa.types.is_floating(type_)
        number = number or pa.types.is_boolean(type_) or pa.types.is_decimal(type_)
        # Text is looked at value by value: a CSV file knows no other type.
        if number and wanted == "text" and feature is not None:
            number = bool(pa.types.is_integer(type_)) and self._has_digits(feature)
        good = text or number or pa.types.is_null(type_)
        return None if good else f"is {type_}; the run has {_WORDS[wanted]}"

    def _values(self, column: pa.ChunkedArray, feature: Feature) -> Array | Ragged:
        kind = self.value_kind(feature)
        array = column.combine_chunks()
        own = self.columns.get(feature.name)
        if not feature.is_list:
            return self._typed(array, kind, feature.name, None)
        if pa.types.is_null(array.type):
            array = array.cast(pa.list_(pa.string()))
        if not _is_list(array.type):
            separator = (own.separator if own is not None else None) or LIST_SEPARATOR
            array = pc.split_pattern(array.cast(pa.string()), separator)
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate(((0,), np.cumsum(lengths))).astype(np.int64)
        values = self._typed(pc.list_flatten(array), kind, feature.name, offsets)
        if own is not None and feature.kind is Kind.SEQUENCE and own.newest == "last":
            owner = np.repeat(np.arange(len(lengths)), lengths)
            values = values[offsets[owner] + offsets[owner + 1] - 1 - np.arange(len(values))]
        return Ragged(values, offsets)

    def _typed(
        self, array: pa.Array, kind: ValueKind, name: str, offsets: NDArray[np.int64] | None
    ) -> Array:
        """Values as the vocabulary compares them: float64 with NaN, int64, or text with None."""
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_null(array.type) or kind == "any":
            return np.full(len(array), np.nan)
        if kind == "text":
            if pa.types.is_string(array.type) and offsets is not None:
                array = pc.utf8_trim_whitespace(array)
            return np.asarray(array.cast(pa.string()).to_numpy(zero_copy_only=False), object)
        if _is_text(array.type):
            array = pc.utf8_trim_whitespace(array.cast(pa.string()))
            array = pc.if_else(pc.is_in(array, pa.array(MISSING)), None, array)
        if pa.types.is_uint64(array.type):
            # No vocabulary has larger ones, so they are as good as missing.
            large = pc.greater(array, pa.scalar(2**63 - 1, pa.uint64()))
            array = pc.if_else(large, None, array)
        # A column of whole numbers with gaps often comes as 12.0; the vocabulary sorts that out.
        for type_ in (pa.int64(), pa.float64()) if kind == "integer" else (pa.float64(),):
            try:
                return np.asarray(array.cast(type_).to_numpy(zero_copy_only=False))
            except pa.ArrowInvalid:
                continue
        raise self._not_a_number(array, kind, name, offsets)

    def _not_a_number(
        self, array: pa.Array, kind: ValueKind, name: str, offsets: NDArray[np.int64] | None
    ) -> InputError:
        texts = array.cast(pa.string()).to_pylist()
        entry = next((place for place, text in enumerate(texts) if not _is_number(text)), 0)
        row = entry if offsets is None else int(np.searchsorted(offsets, entry, "right")) - 1
        value = texts[entry]
        return InputError(
            f"{self.source}: does not fit the run: column '{name}', data row "
            f"{self._rows_before + row + 1}: {str(value)[:40]!r}; the run has {_WORDS[kind]}"
        )

    def _given(
        self, column: pa.ChunkedArray, known: NDArray[np.float32], count: StateCount
    ) -> NDArray[np.float64]:
        """Counts [row] of a column of the table; a missing one is the training total."""
        given = self._typed(column.combine_chunks(), "number", count.name, None)
        given = np.where(np.isnan(given), known, given)
        bad = np.flatnonzero(~(np.isfinite(given) & (given >= 0)))
        if len(bad):
            raise InputError(
                f"{self.source}: column '{count.name}', data row "
                f"{self._rows_before + int(bad[0]) + 1}: {given[bad[0]]:g}; a count is at least 0"
            )
        return given


def plain_type(type_: pa.DataType) -> pa.DataType:
    """The type of a column's values: a dictionary's own, text where nothing is known."""
    if pa.types.is_dictionary(type_):
        return type_.value_type
    return pa.string() if pa.types.is_null(type_) else type_


def _is_number(text: str | None) -> bool:
    try:
        float(text or 0)
    except ValueError:
        return False
    return True


def _is_list(type_: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(bool(test(type_)) for test in tests)


def _is_text(type_: pa.DataType) -> bool:
    value = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
