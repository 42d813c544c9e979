"""The distinct values of a column, counted in chunks, and the codes that they give.

The result equals `workbench.data.vocabulary`: values ascending, code 0 for what training never saw.
Only memory differs: values stay Arrow columns, and rows are never all here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.errors import InputError

Int = NDArray[np.int64]
Codes = NDArray[np.int32]

MOST_VALUES = 100_000_000
"""Distinct values of a column; a table of embeddings with more rows would not fit anywhere."""
_COMPACT = 1 << 20
_PER_WRITE = 1 << 16


class Values:
    """Distinct values, ascending, with their training rows.

    Attributes:
        values: [value] int64 or text.
        train: [value] training rows.
        kept: [value] whether the vocabulary has it: seen often enough in training.
    """

    def __init__(self, values: Any, train: Int, min_count: int = 1) -> None:
        self.values = values
        self.train = train
        self.kept: NDArray[np.bool_] = train >= max(min_count, 1)
        self._code = np.where(self.kept, np.cumsum(self.kept), 0).astype(np.int32)
        self._sorted = np.asarray(values) if pa.types.is_integer(values.type) else None

    @property
    def size(self) -> int:
        """Vocabulary codes, code 0 included."""
        return int(self.kept.sum()) + 1

    @property
    def train_per_code(self) -> Int:
        """Training rows of code 1, 2, ..."""
        return self.train[self.kept]

    def index(self, column: Any) -> Codes:
        """Position [entry] of each entry in `values`; -1 for a missing or unknown one."""
        if not len(self.values):
            return np.full(len(column), -1, np.int32)
        if self._sorted is None:
            coded = column.dictionary_encode()
            distinct = coded.dictionary.cast(self.values.type)
            found = pc.fill_null(pc.index_in(distinct, value_set=self.values), -1)
            places = np.append(np.asarray(found, np.int32), np.int32(-1))
            rows: Codes = places[np.asarray(pc.fill_null(coded.indices, -1))]
            return rows
        present = ~np.asarray(column.is_null())
        keys = np.asarray(pc.fill_null(column, 0))
        found = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        return np.where(present & (self._sorted[found] == keys), found, -1).astype(np.int32)

    def codes_of(self, index: Codes) -> Codes:
        """Vocabulary codes [entry] of positions [entry]; 0 where -1 or left out."""
        return np.append(self._code, np.int32(0))[index]

    def codes(self, column: Any) -> Codes:
        """Vocabulary codes [entry] of a column's entries."""
        return self.codes_of(self.index(column))

    def write_json(self, file: IO[str]) -> None:
        """Write the vocabulary in the form that `Vocabulary.from_dict` reads, in pieces."""
        file.write('{"kind": "values", "values": [')
        vocabulary = self.values.filter(pa.array(self.kept))
        for start in range(0, len(vocabulary), _PER_WRITE):
            part = json.dumps(vocabulary.slice(start, _PER_WRITE).to_pylist())
            file.write((", " if start else "") + part[1:-1])
        file.write("]}")

    def save(self, path: Path) -> None:
        """Keep the vocabulary for features that share it."""
        table = pa.table({"values": self.values.filter(pa.array(self.kept))})
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=1 << 20)

    @staticmethod
    def load(path: Path) -> Values:
        """Read what `save` wrote: the vocabulary only, all of it kept."""
        with pa.OSFile(str(path)) as file:
            column = pa.ipc.open_file(file).read_all().column("values").combine_chunks()
        return Values(column, np.ones(len(column), np.int64))


def count_values(parts: Iterator[tuple[Any, Int]], kind: Any, min_count: int, name: str) -> Values:
    """Collect the distinct values of a column.

    Args:
        parts: (column [entry], training rows that each entry stands for).
        kind: Arrow type of the column.
        min_count: training rows that a value of the vocabulary needs.
        name: of the feature, for the error.

    Raises:
        InputError: more than `MOST_VALUES` distinct values.
    """
    waiting: list[Any] = []
    weights: list[Int] = []
    entries, compacted = 0, 0
    for column, weight in parts:
        coded = column.dictionary_encode()
        indices = np.asarray(pc.fill_null(coded.indices, -1))
        present = indices >= 0
        size = len(coded.dictionary)
        # Large text: all distinct values together may have more than two billion bytes.
        text = pa.types.is_string(coded.dictionary.type)
        waiting.append(coded.dictionary.cast(pa.large_string()) if text else coded.dictionary)
        weights.append(
            np.bincount(indices[present], weights=weight[present], minlength=size).astype(np.int64)
        )
        entries += size
        # Merged again only after the list has doubled, so that all merges together stay linear.
        if entries > max(_COMPACT, 2 * compacted):
            waiting, weights = _merged(waiting, weights)
            entries = compacted = len(waiting[0])
            if compacted > MOST_VALUES:
                raise InputError(
                    f"feature '{name}': more than {MOST_VALUES:,} distinct values; leave the "
                    "column out, or cut its values into fewer"
                )
    if not waiting:
        return Values(pa.array([], kind), np.zeros(0, np.int64), min_count)
    (values,), (train,) = _merged(waiting, weights)
    order = pc.array_sort_indices(values)
    return Values(values.take(order), train[np.asarray(order)], min_count)


def _merged(waiting: list[Any], weights: list[Int]) -> tuple[list[Any], list[Int]]:
    coded = pa.concat_arrays(waiting).dictionary_encode()
    size = len(coded.dictionary)
    total = np.bincount(np.asarray(coded.indices), np.concatenate(weights), minlength=size)
    return [coded.dictionary], [total.astype(np.int64)]


def pack_lists(codes: Codes, lengths: Int, width: int, *, newest_last: bool) -> Codes:
    """Lists end to end -> [list, width], the codes above 0 to the left, newest (or first) first.

    Args:
        codes: of all lists, end to end.
        lengths: [list].
        width: codes kept of each list.
        newest_last: read each list from its end.
    """
    owner = np.repeat(np.arange(len(lengths)), lengths)
    if newest_last:
        starts = np.cumsum(lengths) - lengths
        place = np.arange(len(codes))
        codes = codes[2 * starts[owner] + lengths[owner] - 1 - place]
    seen = codes > 0
    codes, owner = codes[seen], owner[seen]
    kept = np.bincount(owner, minlength=len(lengths))
    position = np.arange(len(owner)) - np.repeat(np.cumsum(kept) - kept, kept)
    fits = position < width
    packed = np.zeros((len(lengths), width), np.int32)
    packed[owner[fits], position[fits]] = codes[fits]
    return packed
