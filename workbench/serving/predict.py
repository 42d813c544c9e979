"""Predicting new rows with a trained run: a table in memory, or a file of any size."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from workbench.data.dataset import Batch
from workbench.errors import InputError
from workbench.nn.framework import AdaF2M2
from workbench.runs import Run, open_run
from workbench.serving.rows import RowEncoder, plain_type
from workbench.serving.source import own_columns, run_encoding
from workbench.serving.tables import check_suffix, table_parts, table_sink

BATCH_SIZE = 16_384

Probabilities = NDArray[np.float32]


@dataclass
class Report:
    """What was predicted.

    Attributes:
        rows: of the table.
        unseen: feature -> rows with a value that training has not seen, or none; features with one
            value per row, where there is such a row.
        seconds: from opening the table to the finished file.
    """

    rows: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Predictor:
    """A run ready to predict: model and encoding, loaded once.

    Args:
        run: a run, its folder, or its name in the store ``runs``.
        data: folder of the raw files (or of the prepared data set) the run was trained on; only
            for runs that do not carry their vocabularies. The planted world needs none.

    Raises:
        InputError: no such run, a damaged one, or one whose data is needed and does not fit.
    """

    def __init__(self, run: Run | Path | str, data: Path | None = None) -> None:
        self.run = run if isinstance(run, Run) else open_run(str(run), "runs")
        if self.run.problem is not None:
            raise InputError(f"run '{self.run.name}' is broken: {self.run.problem}")
        self.encoding = run_encoding(self.run, data)
        self.model: AdaF2M2 = self.run.model()

    def encoder(self, source: str = "table") -> RowEncoder:
        """An encoder of new rows; `source` is named in errors."""
        return RowEncoder(self.encoding, source, columns=own_columns(self.run))

    @torch.no_grad()
    def probabilities(self, batch: Batch) -> Probabilities:
        """float32 [row, task] of encoded rows."""
        logit: torch.Tensor = self.model(batch)
        if logit.dim() == 1:
            logit = logit.unsqueeze(1)
        found: Probabilities = logit.double().sigmoid().float().numpy()
        return found

    def predict(
        self, table: pd.DataFrame | pa.Table, batch_size: int = BATCH_SIZE
    ) -> Probabilities:
        """float32 [row, task]: the probability of each task's label, in the table's order.

        Raises:
            InputError: columns that do not fit the run's; names each.
        """
        arrow = _arrow(table)
        encoder = self.encoder()
        encoder.check(arrow.schema)
        parts = [np.zeros((0, self.tasks), np.float32)]
        for part in _slices(arrow, batch_size):
            parts.append(self.probabilities(encoder.encode(part)))
        return np.concatenate(parts)

    def predict_file(self, table: Path, out: Path, batch_size: int = BATCH_SIZE) -> Report:
        """Predict a file of any size, a batch at a time.

        Args:
            table: CSV or Parquet, by its ending.
            out: CSV or Parquet, by its ending; appears whole or not at all. Its columns are the
                table's user and item, `probability` of the first label, and for multi-task models
                ``probability:<label>`` of the others.
            batch_size: rows read, scored and written at a time.

        Raises:
            InputError: columns that do not fit the run's, a file that cannot be read or written.
        """
        started = time.perf_counter()
        check_suffix(out, "--out")
        if batch_size < 1:
            raise InputError(f"batch size {batch_size}: must be at least 1")
        if out.exists() and table.exists() and out.samefile(table):
            raise InputError(f"--out {out}: is the table itself; name another file")
        report = Report()
        encoder = self.encoder(str(table))
        with table_parts(table, batch_size) as (schema, parts):
            encoder.check(schema)
            names = [encoder.column_of(name, schema.names) or name for name in self._keys]
            types = [plain_type(schema.field(name).type) for name in names]
            keys = [pa.field(*pair) for pair in zip(self._keys, types, strict=True)]
            columns = [pa.field(name, pa.float32()) for name in self._columns]
            written = pa.schema([*keys, *columns])
            with table_sink(out, written) as sink:
                for part in parts:
                    batch = encoder.encode(part)
                    scores = self.probabilities(batch)
                    arrays = [part[n].cast(t) for n, t in zip(names, types, strict=True)]
                    arrays += [pa.array(scores[:, task]) for task in range(scores.shape[1])]
                    sink.write_table(pa.Table.from_arrays(arrays, schema=written))
                    _count_unseen(report, encoder, batch)
        report.seconds = time.perf_counter() - started
        return report

    @property
    def tasks(self) -> int:
        """Labels that are predicted."""
        return int(getattr(self.model.base, "tasks", 1))

    @property
    def _keys(self) -> tuple[str, str]:
        return self.encoding.schema.user, self.encoding.schema.item

    @property
    def _columns(self) -> list[str]:
        others = self.encoding.schema.labels[1 : self.tasks]
        return ["probability", *(f"probability:{label}" for label in others)]


def predict(
    run: Run | Path | str,
    table: pd.DataFrame | pa.Table,
    *,
    data: Path | None = None,
    batch_size: int = BATCH_SIZE,
) -> Probabilities:
    """Probabilities float32 [row] of new rows: ``workbench.predict("runs/best", frame)``.

    Values that training has not seen, and missing ones, are served by `[MASK]_i`; see
    `workbench.serving.rows.RowEncoder` for the columns. A multi-task model gives its first task;
    `Predictor.predict` gives all.

    Args:
        run: a run, its folder, or its name in the store ``runs``.
        table: one column per feature.
        data: as in `Predictor`.
        batch_size: rows scored at a time.

    Raises:
        InputError: a run that cannot be used, or columns that do not fit it.
    """
    return Predictor(run, data).predict(table, batch_size)[:, 0]


def _arrow(table: pd.DataFrame | pa.Table) -> pa.Table:
    if isinstance(table, pa.Table):
        return table
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"table: a DataFrame or an Arrow table is needed, not {type(table)}")
    try:
        return pa.Table.from_pandas(table, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InputError(f"table: {' '.join(str(error).split())[:200]}") from None


def _slices(table: pa.Table, rows: int) -> Iterable[pa.Table]:
    if rows < 1:
        raise InputError(f"batch size {rows}: must be at least 1")
    return (table.slice(start, rows) for start in range(0, len(table), rows))


def _count_unseen(report: Report, encoder: RowEncoder, batch: Batch) -> None:
    report.rows += len(batch)
    rows: Any = batch.rows.numpy()
    for slot in encoder.encoding.layout.slots:
        if slot.stop - slot.start == 1:
            found = int(np.count_nonzero(rows[:, slot.start] == slot.mask_row))
            if found:
                report.unseen[slot.name] += found
