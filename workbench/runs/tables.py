"""A run's evaluation tables: Parquet files whose columns are checked before they are used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.errors import InputError
from workbench.runs.files import inside, replacing

ROW_LIMIT = 200_000_000
"""Rows of one table: a small file can claim any number of equal rows."""
CELL_LIMIT = 2_000_000_000
"""Rows times columns that are read at once."""

TABLES: dict[str, dict[str, str]] = {
    "predictions": {
        "sample": "int",
        "user": "int",
        "item": "int",
        "user_activity": "int",
        "item_activity": "int",
        "label": "int",
        "logit": "float",
    },
    "weights": {},
    "norms": {
        "feature": "text",
        "code": "int",
        "activity": "int",
        "norm": "float",
        "initial": "float",
    },
    "importance": {"feature": "text", "activity": "number", "importance": "float"},
}
"""Columns each table must have, and of what kind; ``weights`` has two columns per feature,
``w:<feature>`` (the weight w) and ``c:<feature>`` (the contribution w*|v|)."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


def table_file(name: str) -> str:
    """The file of a table.

    Raises:
        InputError: a name other than lower-case letters, digits and underscores.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"table name {name!r}: lower-case letters, digits and _ only")
    return f"{name}.parquet"


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """Write ``<folder>/<name>.parquet`` atomically, compressed, without the frame's index.

    Raises:
        InputError: a column is missing or of the wrong kind, or the file cannot be written.
    """
    file = table_file(name)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    _check_columns(table.schema, name, f"{folder.name}/{file}")
    encodings = _encodings(table.schema, name)
    with replacing(folder / file) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=12,
            column_encoding=encodings,
            use_dictionary=[c for c in table.schema.names if c not in encodings],
        )


def _encodings(schema: pa.Schema, name: str) -> dict[str, str]:
    """Encodings that halve a table: ids and counts as differences, floats byte by byte.

    Adapter weights are rounded, so few values repeat often: a dictionary is smaller there.
    """
    found = {}
    for column, type_ in zip(schema.names, schema.types, strict=True):
        if type_ in (pa.int32(), pa.int64()):
            found[column] = "DELTA_BINARY_PACKED"
        elif type_ in (pa.float32(), pa.float64()) and name != "weights":
            found[column] = "BYTE_STREAM_SPLIT"
    return found


def read_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read ``<folder>/<name>.parquet``.

    Args:
        folder: of the run.
        name: of the table.
        columns: only these, in this order; None reads all.

    Raises:
        InputError: names the file; it is missing, damaged, too large, links to elsewhere, lacks a
            column, or holds missing or infinite numbers.
    """
    file = table_file(name)
    place = f"{folder.name}/{file}"
    path = inside(folder, file)
    try:
        with pq.ParquetFile(path) as parquet:
            schema = parquet.schema_arrow
            rows = parquet.metadata.num_rows
            _check_columns(schema, name, place)
            wanted = list(schema.names if columns is None else columns)
            _check_wanted(schema.names, wanted, rows, place)
            table = parquet.read(columns=wanted)
        _check_values(table, place)
        # pandas leaves notes in a file on what to make of it; they are not needed, nor followed.
        frame: pd.DataFrame = table.select(wanted).replace_schema_metadata(None).to_pandas()
    except InputError:
        raise
    except (pa.ArrowException, OSError, MemoryError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{place}: damaged or not Parquet ({reason})") from None
    return frame


def _check_wanted(names: Sequence[str], wanted: Sequence[str], rows: int, place: str) -> None:
    if len(set(names)) != len(names):
        raise InputError(f"{place}: a column name appears twice")
    for column in wanted:
        if column not in names:
            raise InputError(f"{place}: no column '{column}'; it has {', '.join(names)}")
    if rows > ROW_LIMIT or rows * len(wanted) > CELL_LIMIT:
        raise InputError(
            f"{place}: {rows} rows of {len(wanted)} columns; "
            f"at most {ROW_LIMIT} rows and {CELL_LIMIT} cells are read"
        )


def _check_columns(schema: pa.Schema, name: str, place: str) -> None:
    kinds = dict(TABLES.get(name, {}))
    if name == "weights":
        if not schema.names:
            raise InputError(f"{place}: no columns")
        for column in schema.names:
            if not column.startswith(("w:", "c:")):
                raise InputError(f"{place}: column '{column}' must start with 'w:' or 'c:'")
            kinds[column] = "float"
    for column, kind in kinds.items():
        if column not in schema.names:
            raise InputError(f"{place}: column '{column}' is missing")
        type_ = schema.types[schema.names.index(column)]
        if not _is_kind(type_, kind):
            raise InputError(f"{place}: column '{column}' is {type_}, must be of kind {kind}")


def _is_kind(type_: pa.DataType, kind: str) -> bool:
    if kind == "text":
        value = type_.value_type if pa.types.is_dictionary(type_) else type_
        return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
    is_int, is_float = bool(pa.types.is_integer(type_)), bool(pa.types.is_floating(type_))
    return {"int": is_int, "float": is_float, "number": is_int or is_float}[kind]


def _check_values(table: pa.Table, place: str) -> None:
    for column, values in zip(table.schema.names, table.columns, strict=True):
        if values.null_count:
            raise InputError(f"{place}: column '{column}' has {values.null_count} missing values")
        # `all` of an empty column has no answer (None), and nothing is wrong with it either.
        finite = not pa.types.is_floating(values.type) or pc.all(pc.is_finite(values)).as_py()
        if finite is False:
            raise InputError(f"{place}: column '{column}' holds a number that is not finite")
