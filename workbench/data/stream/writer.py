"""Writes a streamable folder in chunks: memory does not grow with the number of samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import Tensor

from workbench.data.raw import Array
from workbench.data.splits import SPLITS
from workbench.data.stream.parts import (
    GROUP_ROWS,
    GROUPS_PER_FILE,
    STREAM,
    PartFile,
    Parts,
    Samples,
    arrow_schema,
)
from workbench.data.stream.tally import TrainingTally
from workbench.errors import InputError
from workbench.schema import Schema, TableLayout

_COLUMNS = Samples._fields
# Row groups that are gathered before they are written: counting has a cost per chunk.
_GROUPS_AT_ONCE = 16


class StreamWriter:
    """Takes entities, then samples, in any number of pieces.

    Args:
        folder: gets the Parquet files, ``stream.json`` and the tensors.
        tensors: the file of the tensors, in `folder`.
        schema, layout: of the data set.
        positives_only: see `workbench.data.encoding.training_totals`.
        group_rows: rows of a row group; None: `GROUP_ROWS`.
    """

    def __init__(
        self,
        folder: Path,
        tensors: Path,
        schema: Schema,
        layout: TableLayout,
        *,
        positives_only: bool = False,
        group_rows: int | None = None,
    ) -> None:
        self.folder, self.tensors = folder, tensors
        self.schema, self.layout = schema, layout
        self.positives_only = positives_only
        self.group_rows = group_rows or GROUP_ROWS
        self._entities: dict[str, list[Tensor]] = {"user_rows": [], "item_rows": []}
        self._tally: TrainingTally | None = None
        self._parts = {split: _PartWriter(folder, split, self) for split in SPLITS}

    def entities(self, name: str, rows: Array) -> None:
        """The next rows of ``user_rows`` or ``item_rows``; all come before the first sample."""
        self._entities[name].append(torch.from_numpy(np.ascontiguousarray(rows, np.int32)))

    def samples(self, columns: Mapping[str, Array], parts: Array) -> None:
        """The next samples.

        Args:
            columns: users, items, context_rows, labels and counts, as in `Dataset`.
            parts: [sample] 0 train, 1 valid, 2 test.
        """
        if self._tally is None:
            self._tally = self._begun()
        every = Samples(
            *(torch.from_numpy(np.ascontiguousarray(columns[name])) for name in _COLUMNS)
        )
        for part, split in enumerate(SPLITS):
            here = np.flatnonzero(parts == part)
            if len(here) == len(parts):
                self._parts[split].add(every)
            elif len(here):
                self._parts[split].add(every.select(torch.from_numpy(here)))

    def close(self, more: Mapping[str, Tensor] | None = None) -> None:
        """Write what is left.

        Args:
            more: further tensors to keep.

        Raises:
            InputError: a split without a sample.
        """
        files = {split: part.close() for split, part in self._parts.items()}
        for split, found in files.items():
            if not found:
                raise InputError(f"{split} split is empty")
        assert self._tally is not None
        kept = {"user_rows": self._tally.user_rows, "item_rows": self._tally.item_rows}
        kept |= self._tally.statistics().tensors() | dict(more or {})
        save_file({name: tensor.contiguous() for name, tensor in kept.items()}, self.tensors)
        parts = Parts.model_validate({"group_rows": self.group_rows, **files})
        (self.folder / STREAM).write_text(parts.model_dump_json(), encoding="utf-8")

    def abandon(self) -> None:
        """Close the files after an error."""
        for part in self._parts.values():
            part.abandon()

    def trained(self, samples: Samples) -> None:
        """Count training samples, in the order in which they are written."""
        assert self._tally is not None
        self._tally.add(samples)

    def _begun(self) -> TrainingTally:
        return TrainingTally(
            self.schema,
            self.layout,
            torch.cat(self._entities.pop("user_rows")),
            torch.cat(self._entities.pop("item_rows")),
            positives_only=self.positives_only,
        )


class _PartWriter:
    """The files of one split, in row groups of one size."""

    def __init__(self, folder: Path, split: str, owner: StreamWriter) -> None:
        self.folder, self.split, self.owner = folder, split, owner
        self._waiting: list[Samples] = []
        self._files: list[dict[str, Any]] = []
        self._writer: Any = None
        self._schema = arrow_schema(owner.schema, owner.layout)
        self._at_once = owner.group_rows * _GROUPS_AT_ONCE

    def add(self, samples: Samples) -> None:
        self._waiting.append(samples)
        if sum(part.rows for part in self._waiting) >= self._at_once:
            self._write(last=False)

    def close(self) -> list[PartFile]:
        self._write(last=True)
        self._end_file()
        return [PartFile.model_validate(file) for file in self._files]

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _write(self, *, last: bool) -> None:
        if not self._waiting:
            return
        samples = Samples.joined(self._waiting)
        ready = samples.rows if last else samples.rows - samples.rows % self.owner.group_rows
        # A copy: a view of what is left would keep all of it.
        rest = Samples(*(c.clone() for c in samples.part(ready, samples.rows)))
        self._waiting = [rest] if rest.rows else []
        samples = samples.part(0, ready)
        if self.split == "train":
            self.owner.trained(samples)
        for start in range(0, ready, self.owner.group_rows):
            self._write_group(samples.part(start, min(start + self.owner.group_rows, ready)))

    def _write_group(self, samples: Samples) -> None:
        if self._writer is None:
            name = f"{self.split}-{len(self._files):05d}.parquet"
            self._files.append({"file": name, "rows": 0})
            # Row numbers compress well as codes of a dictionary; statistics would help nobody.
            self._writer = pq.ParquetWriter(
                self.folder / name, self._schema, compression="snappy", write_statistics=False
            )
        columns = [samples.users[:, None], samples.items[:, None], *samples[2:]]
        arrays = [pa.array(c[:, i].numpy()) for c in columns for i in range(c.shape[1])]
        self._writer.write_table(pa.table(arrays, schema=self._schema), samples.rows)
        self._files[-1]["rows"] += samples.rows
        if self._files[-1]["rows"] >= self.owner.group_rows * GROUPS_PER_FILE:
            self._end_file()

    def _end_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
