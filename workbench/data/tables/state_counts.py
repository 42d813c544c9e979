"""The state counts r_count of a log that passes by in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.data.tables.base import Base
from workbench.data.tables.column_store import Encoded
from workbench.data.tables.moments import EarlierCounts, LeaveOneOut
from workbench.data.tables.schema_file import TableSchema
from workbench.data.tables.staged_file import CHUNK
from workbench.schema import Schema, Side

if TYPE_CHECKING:
    from workbench.data.tables.assemble import Samples

Codes = NDArray[np.int32]


class CountStream:
    """Counts for the samples of each chunk, in the order of ``Schema.counts``.

    On a split by time a count holds strictly earlier training events; on a random split all
    training events but the sample's own. A negative that was drawn for a training row leaves that
    row's event out too, or the user's count would tell the two apart.
    """

    def __init__(self, table: TableSchema, schema: Schema, base: Base, encoded: Encoded) -> None:
        self.table, self.schema, self.base, self.encoded = table, schema, base, encoded
        self.by_time = table.split.by == "time"
        self._side_codes: dict[str, Codes] = {}
        self._counters: dict[str, EarlierCounts | LeaveOneOut] = {}
        for name, places in self._places().items():
            size = encoded.sizes[schema[name].shares or name]
            if self.by_time:
                self._counters[name] = EarlierCounts(size, len(places))
            else:
                self._counters[name] = self._totals(name, size, places)

    def next(self, start: int, samples: Samples) -> NDArray[np.float32]:
        """Counts [sample, count] of the chunk of the log that begins at row `start`."""
        counts = np.zeros((len(samples.rows), len(self.schema.counts)), np.float32)
        in_train = samples.parts == 0
        for name, places in self._places().items():
            keys = self._keys(name, start, samples.rows, samples.users, samples.items)
            counter = self._counters[name]
            if isinstance(counter, EarlierCounts):
                assert samples.time is not None
                events = self._events(samples.labels, places)
                train = np.flatnonzero(in_train)
                counts[:, places] = counter.count(keys, events, samples.time, train)
                continue
            row_labels = self.base.labels.read(start, start + int(samples.rows[-1]) + 1)
            own = self._events(row_labels[samples.rows], places) * in_train[:, None]
            counts[:, places] = counter.count(keys, own.astype(np.uint8))
        return counts

    def _places(self) -> dict[str, list[int]]:
        """Counted feature -> its places in the schema's counts."""
        places: dict[str, list[int]] = {}
        for place, count in enumerate(self.schema.counts):
            places.setdefault(count.feature, []).append(place)
        return places

    def _events(self, labels: NDArray[np.uint8], places: list[int]) -> NDArray[np.uint8]:
        """Which of the counted events happened, [row, place]."""
        columns = []
        for place in places:
            event = self.schema.counts[place].event
            if event is None:
                columns.append(np.ones(len(labels), np.uint8))
            else:
                columns.append(labels[:, self.schema.labels.index(event)])
        return np.stack(columns, axis=1)

    def _keys(self, name: str, start: int, rows: Any, users: Codes, items: Codes) -> Codes:
        """Vocabulary codes [sample] of the counted feature."""
        if name == self.table.user:
            return self.encoded.users.codes[users]
        if name == self.table.item:
            return self.encoded.items.codes[items]
        codes = self.encoded.codes[name]
        side = self.schema[name].side
        if side is Side.CONTEXT:
            found: Codes = codes.read(start, start + int(rows[-1]) + 1)[rows, 0]
            return found
        entities = users if side is Side.USER else items
        if name not in self._side_codes:
            # One column of all entities: as much memory as their keys' codes.
            self._side_codes[name] = codes.read(0, len(codes))[:, 0]
        return self._side_codes[name][entities]

    def _totals(self, name: str, size: int, places: list[int]) -> LeaveOneOut:
        counter = LeaveOneOut(size, len(places))
        for start, users in self.encoded.users.index.slices(CHUNK):
            stop = start + len(users)
            train = np.flatnonzero(self.base.parts.read(start, stop) == 0)
            if not len(train):
                continue
            items = self.encoded.items.index.read(start, stop)
            keys = self._keys(name, start, train, users[train], items[train])
            counter.add(keys, self._events(self.base.labels.read(start, stop)[train], places))
        return counter
