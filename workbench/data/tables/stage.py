"""Reads the tables once: checks every value, reports all problems together, keeps what is good.

What is kept goes into Parquet files beside the data set that is being built, typed and without the
columns that nobody needs; every later step reads those, a column at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.data.tables.convert import Converted, Fault
from workbench.data.tables.plan import PlannedColumn, plan_columns
from workbench.data.tables.problems import Collector
from workbench.data.tables.reading import column_names, read_rows
from workbench.data.tables.schema_file import TableSchema, table_path
from workbench.data.tables.staged_file import StagedWriter
from workbench.data.tables.table_rows import Rows
from workbench.errors import InputError

_TIMES_PER_BATCH = 256


@dataclass
class Staged:
    """The tables as checked.

    Attributes:
        log, sides: Parquet files. Columns are called after the position of their feature:
            ``f0``, ``f1``; everywhere ``row`` (number in the file); in the log also ``time`` and
            ``l0``, ``l1`` for the labels; in a side table also ``key``.
        rows: of the log.
        rows_read: of the log, before rows were left out.
        dropped: reason -> rows left out, of all tables.
        missing: feature -> entries without a value.
        longest: list feature -> values of its longest list.
        in_order: whether the log's times never go back.
        times: a sample of them.
        bytes: of the log in memory, as a measure for sorting.
    """

    log: Path
    sides: dict[str, Path] = field(default_factory=dict)
    rows: int = 0
    rows_read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    longest: dict[str, int] = field(default_factory=dict)
    in_order: bool = True
    times: list[NDArray[np.int64]] = field(default_factory=list)
    bytes: int = 0


def stage(schema: TableSchema, home: Path, where: Path, place: str) -> Staged:
    """Check all tables and keep them in `where`.

    Args:
        schema: checked by itself.
        home: the schema's folder.
        where: an existing folder for the staged files.
        place: the schema's file name, for errors.

    Raises:
        TableProblems: everything that is wrong, unless it is about single rows and the schema says
            ``bad_rows: drop``.
        InputError: a table cannot be read to its end.
    """
    problems = Collector()
    staged = Staged(log=where / "log.parquet")
    for table in schema.files:
        try:
            _stage_table(table, schema, home, where, place, problems, staged)
        except InputError as error:
            # A file that cannot be read does not keep the others from being checked.
            problems.add(place, table, str(error), "")
    if problems.about_files or (problems.problems and schema.bad_rows == "refuse"):
        only_rows = not problems.about_files
        advice = "'bad_rows: drop' in the schema leaves these rows out" if only_rows else ""
        problems.stop(advice)
    return staged


def _stage_table(
    table: str,
    schema: TableSchema,
    home: Path,
    where: Path,
    place: str,
    problems: Collector,
    staged: Staged,
) -> None:
    file = schema.files[table]
    path = table_path(home, file.file, place)
    names = column_names(path, file)
    plan = plan_columns(table, schema, path.name, names, place, problems)
    writer = StagedWriter(where / f"{table}.parquet")
    found = read = 0
    keys: list[Any] = []
    key_rows: list[NDArray[np.int64]] = []
    wanted = list(dict.fromkeys(column.source for column in plan))
    fields_before = sum(p.count for p in problems.problems)
    if not wanted:
        return
    for rows in read_rows(path, file, wanted, problems):
        read += len(rows)
        rows, blank = _without_blanks(rows)
        if blank:
            staged.dropped[f"{path.name}: empty row"] = (
                staged.dropped.get(f"{path.name}: empty row", 0) + blank
            )
        if not len(rows):
            continue
        found += len(rows)
        batch = _check(rows, plan, path.name, problems, staged)
        if table == "log":
            if schema.time is not None and "time" in batch.schema.names:
                _watch_time(batch, staged)
        elif "key" in batch.schema.names:
            keys.append(batch.column("key"))
            key_rows.append(np.asarray(batch.column("row")))
        if schema.bad_rows == "drop" or not problems.problems:
            writer.add(batch)
    writer.close()
    wrong_fields = sum(
        p.count for p in problems.problems if p.file == path.name and not p.column and p.count
    )
    if wrong_fields:
        staged.dropped[f"{path.name}: wrong number of fields"] = wrong_fields
    if not found and sum(p.count for p in problems.problems) == fields_before:
        problems.add(path.name, "", "no rows below the header", "at least one row")
    elif not writer.rows and schema.bad_rows == "drop":
        problems.add(path.name, "", "no row without a problem", "at least one row")
    if table == "log":
        staged.rows, staged.bytes = writer.rows, writer.bytes
        staged.rows_read = read + wrong_fields
        staged.log = writer.path
    else:
        staged.sides[table] = writer.path
        if keys:
            _check_unique(keys, key_rows, path.name, schema.files[table], problems, staged)


def _check(
    rows: Rows, plan: list[PlannedColumn], file: str, problems: Collector, staged: Staged
) -> pa.RecordBatch:
    """Convert a batch; rows with a fault are noted, counted by their first fault and left out."""
    bad = np.zeros(len(rows), np.bool_)
    converted: dict[str, Any] = {"row": pa.array(rows.numbers)}
    for column in plan:
        values, faults = _converted(rows.columns[column.source], column, file)
        if column.required:
            absent = np.asarray(values.is_null()) & ~_any(faults, len(rows))
            if absent.any():
                allowed = "a value in every row"
                if column.feature is not None:
                    allowed += ", or 'missing_keys: together' in the schema"
                faults = [*faults, Fault(absent, column.required, allowed)]
        for fault in faults:
            places = np.flatnonzero(fault.mask)
            if not len(places):
                continue
            raw = rows.columns[column.source]
            shown_values = (_readable(raw[int(place)].as_py()) for place in places)
            problems.add_rows(
                file, column.source, fault.reason, fault.allowed, rows.numbers[places], shown_values
            )
            fresh = int((fault.mask & ~bad).sum())
            if fresh:
                reason = f"{file}: {column.source}: {fault.reason}"
                staged.dropped[reason] = staged.dropped.get(reason, 0) + fresh
            bad |= fault.mask
        if column.target.startswith("l"):
            values = pc.fill_null(values, 0.0).cast(pa.uint8())
        converted[column.target] = values
    batch = pa.RecordBatch.from_pydict(converted)
    if bad.any():
        batch = batch.filter(pa.array(~bad))
    _count(batch, plan, staged)
    return batch


def _converted(values: Any, column: PlannedColumn, file: str) -> Converted:
    try:
        return column.convert(values)
    except (pa.ArrowException, ValueError, TypeError) as error:
        kind = str(values.type)
        raise InputError(
            f"{file}: column '{column.source}' of type {kind[:60]} cannot be read as the schema "
            f"says ({' '.join(str(error).split())[:120]})"
        ) from None


def _any(faults: list[Fault], rows: int) -> NDArray[np.bool_]:
    bad = np.zeros(rows, np.bool_)
    for fault in faults:
        bad |= fault.mask
    return bad


def _readable(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _count(batch: pa.RecordBatch, plan: list[PlannedColumn], staged: Staged) -> None:
    """Missing values and longest lists."""
    for column in plan:
        feature = column.feature
        if feature is None:
            continue
        values = batch.column(column.target)
        missing = values.null_count
        if feature.is_list:
            lengths = np.asarray(pc.list_value_length(values))
            missing = int((lengths == 0).sum())
            longest = int(lengths.max(initial=0))
            staged.longest[feature.name] = max(staged.longest.get(feature.name, 0), longest)
        staged.missing[feature.name] = staged.missing.get(feature.name, 0) + missing


def _without_blanks(rows: Rows) -> tuple[Rows, int]:
    """Leave out rows in which every column is missing: blank lines, mostly at a file's end."""
    blank = np.ones(len(rows), np.bool_)
    for values in rows.columns.values():
        if values.null_count == 0:
            return rows, 0
        blank &= np.asarray(values.is_null())
    if not blank.any():
        return rows, 0
    keep = pa.array(~blank)
    columns = {name: values.filter(keep) for name, values in rows.columns.items()}
    return Rows(columns, rows.numbers[~blank]), int(blank.sum())


def _watch_time(batch: pa.RecordBatch, staged: Staged) -> None:
    """Note whether the log is in order, and keep a sample of its times."""
    column = batch.column("time")
    if column.null_count:  # of rows that will be refused
        column = column.drop_null()
    time = np.asarray(column)
    if not len(time):
        return
    last = staged.times[-1][-1] if staged.times else time[0]
    staged.in_order &= bool(time[0] >= last) and bool((time[1:] >= time[:-1]).all())
    step = max(1, len(time) // _TIMES_PER_BATCH)
    sample = time[::step]
    # The last one of the batch stands at the end: the next batch is compared with it.
    staged.times.append(np.append(sample, time[-1]))


def _check_unique(
    keys: list[Any],
    numbers: list[NDArray[np.int64]],
    file: str,
    table: Any,
    problems: Collector,
    staged: Staged,
) -> None:
    """A side table has one row per key."""
    import pandas as pd

    column = pa.chunked_array(keys).combine_chunks()
    codes = np.asarray(pc.fill_null(column.dictionary_encode().indices, -1))
    again = pd.Series(codes).duplicated().to_numpy() & (codes >= 0)
    if again.any():
        places = np.flatnonzero(again)
        rows = np.concatenate(numbers)[places]
        allowed = "one row per key; with 'bad_rows: drop' the first counts"
        values = (column[int(place)].as_py() for place in places)
        problems.add_rows(file, table.key, "key appears again", allowed, rows, values)
        staged.dropped[f"{file}: {table.key}: key appears again"] = len(places)
