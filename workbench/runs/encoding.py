"""A run's vocabularies, state totals and latest histories, as two Parquet files.

``vocabulary.parquet`` has one row per value, feature by feature in the schema's order: its
`feature`; the value as `integer`, `number` or `text`; and for ID features that are counted, the
training events of each kind as ``count:<event>``. The bounds of a numeric feature's buckets are its
numbers. ``history.parquet`` has one row per remembered item, newest first: `feature`, `user`,
`code`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench.data.encoding import Codes, Encoding, Totals, made_from_log
from workbench.data.vocabulary import QuantileBuckets, Vocabulary
from workbench.errors import InputError
from workbench.runs.files import inside, replacing
from workbench.schema import Feature, Kind, Schema, TableLayout

VOCABULARY = "vocabulary.parquet"
HISTORY = "history.parquet"

_VALUES = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string()}
_KINDS = {"i": "integer", "f": "number", "O": "text"}
_NAME = pa.dictionary(pa.int32(), pa.string())
Array = NDArray[Any]


def write_encoding(folder: Path, encoding: Encoding) -> None:
    """Write both files, each atomically, the vocabulary last: where it is, the other is too.

    Raises:
        InputError: a file cannot be written.
    """
    _write(folder / HISTORY, _history_table(encoding))
    _write(folder / VOCABULARY, _vocabulary_table(encoding))


def read_encoding(folder: Path, schema: Schema, layout: TableLayout) -> Encoding:
    """Read what `write_encoding` wrote; nothing in it is believed before it was checked.

    Args:
        folder: of the run.
        schema, layout: of the run.

    Raises:
        InputError: names the file and what is wrong with it.
    """
    vocabularies, totals = _read_vocabularies(folder, schema, layout)
    return Encoding(schema, layout, vocabularies, totals, _read_history(folder, schema, layout))


def _write(path: Path, table: pa.Table) -> None:
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", compression_level=12)


def _vocabulary_table(encoding: Encoding) -> pa.Table:
    schema = encoding.schema
    events = dict.fromkeys(count.event or "impression" for count in schema.counts)
    kinds = _VALUES | {f"count:{event}": pa.int64() for event in events}
    parts = []
    for feature in schema.features:
        if feature.shares is not None:
            continue
        values = _entries(encoding.vocabularies[feature.name])
        columns: dict[str, pa.Array] = {
            "feature": pa.array([feature.name] * len(values), pa.string()).dictionary_encode()
        }
        for name, kind in kinds.items():
            columns[name] = pa.nulls(len(values), kind)
        kind = _KINDS[values.dtype.kind]
        columns[kind] = pa.array(values, _VALUES[kind])
        for count in schema.counts:
            if count.feature == feature.name:
                name = f"count:{count.event or 'impression'}"
                columns[name] = pa.array(encoding.totals[count.name][1:], pa.int64())
        columns["feature"] = columns["feature"].cast(_NAME)
        parts.append(pa.table(columns))
    return pa.concat_tables(parts).unify_dictionaries()


def _entries(vocabulary: Vocabulary) -> Array:
    return vocabulary.bounds if isinstance(vocabulary, QuantileBuckets) else vocabulary.values


def _history_table(encoding: Encoding) -> pa.Table:
    parts = [pa.table({"feature": pa.array([], _NAME), "user": _int32([]), "code": _int32([])})]
    for name, recent in encoding.recent.items():
        user, place = np.nonzero(recent)
        names = pa.array([name] * len(user), pa.string()).dictionary_encode().cast(_NAME)
        columns = {"feature": names, "user": _int32(user), "code": _int32(recent[user, place])}
        parts.append(pa.table(columns))
    return pa.concat_tables(parts).unify_dictionaries()


def _int32(values: Any) -> pa.Array:
    return pa.array(np.asarray(values, np.int32), pa.int32())


def _read(folder: Path, file: str, columns: list[str], rows: int, *, exact: bool) -> pa.Table:
    """Read named columns of a file that has `rows` rows, or at most as many."""
    place = f"{folder.name}/{file}"
    path = inside(folder, file)
    try:
        with pq.ParquetFile(path) as parquet:
            found = parquet.metadata.num_rows
            if found > rows or (exact and found != rows):
                wanted = "must have" if exact else "may have"
                raise InputError(f"{place}: {found} rows; by layout.json it {wanted} {rows}")
            for column in columns:
                if parquet.schema_arrow.names.count(column) != 1:
                    raise InputError(f"{place}: needs one column '{column}'")
            return parquet.read(columns=columns).replace_schema_metadata(None)
    except InputError:
        raise
    except (pa.ArrowException, OSError, MemoryError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{place}: damaged or not Parquet ({reason})") from None


def _read_vocabularies(
    folder: Path, schema: Schema, layout: TableLayout
) -> tuple[dict[str, Vocabulary], dict[str, Totals]]:
    own = [feature for feature in schema.features if feature.shares is None]
    lengths = [_length(feature, layout) for feature in own]
    events = dict.fromkeys(f"count:{count.event or 'impression'}" for count in schema.counts)
    columns = ["feature", *_VALUES, *events]
    table = _read(folder, VOCABULARY, columns, sum(lengths), exact=True)
    place = f"{folder.name}/{VOCABULARY}"
    vocabularies: dict[str, Vocabulary] = {}
    totals: dict[str, Totals] = {}
    start = 0
    for feature, length in zip(own, lengths, strict=True):
        part = table.slice(start, length)
        start += length
        names = part["feature"].to_pandas().unique().tolist()
        if length and names != [feature.name]:
            raise InputError(f"{place}: rows of feature {names} where '{feature.name}' must be")
        vocabularies[feature.name] = _vocabulary(part, feature, place)
        for count in schema.counts:
            if count.feature == feature.name:
                name = f"count:{count.event or 'impression'}"
                totals[count.name] = _total(part[name], f"{place}: {count.name}")
    return vocabularies, totals


def _length(feature: Feature, layout: TableLayout) -> int:
    """Rows of a feature: a value per code above 0; n buckets have n + 1 bounds."""
    codes = layout[feature.name].size - 1
    return codes + 1 if feature.kind is Kind.NUMERIC and codes else codes


def _vocabulary(part: pa.Table, feature: Feature, place: str) -> Vocabulary:
    numeric = feature.kind is Kind.NUMERIC
    used = [name for name in _VALUES if part[name].null_count < len(part)] or ["number"]
    kind = used[0]
    column = part[kind]
    if len(used) > 1 or column.null_count or (numeric and kind != "number"):
        raise InputError(f"{place}: feature '{feature.name}': its values are not of one kind")
    if column.type != _VALUES[kind]:
        raise InputError(f"{place}: column '{kind}' is {column.type}, must be {_VALUES[kind]}")
    if kind == "text":
        values: Array = np.array(column.to_pylist(), dtype=object)
    else:
        values = np.asarray(column.to_numpy())
    finite = kind != "number" or bool(np.isfinite(values).all())
    lower, upper = values[:-1], values[1:]
    if not finite or not bool(np.all(lower <= upper if numeric else lower < upper)):
        raise InputError(f"{place}: feature '{feature.name}': its values must ascend")
    return QuantileBuckets(values) if numeric else Vocabulary(values)


def _total(column: pa.ChunkedArray, place: str) -> Totals:
    if column.type != pa.int64() or column.null_count:
        raise InputError(f"{place}: must be whole numbers, none missing")
    found = np.concatenate(((0,), column.to_numpy())).astype(np.int64)
    if bool((found < 0).any()):
        raise InputError(f"{place}: must not be negative")
    return found


def _read_history(folder: Path, schema: Schema, layout: TableLayout) -> dict[str, Codes]:
    features = [feature for feature in schema.features if made_from_log(feature, schema)]
    users = layout[schema.user].size
    most = sum(users * feature.max_length for feature in features)
    table = _read(folder, HISTORY, ["feature", "user", "code"], most, exact=False)
    place = f"{folder.name}/{HISTORY}"
    for column in ("user", "code"):
        if table[column].type != pa.int32() or table[column].null_count:
            raise InputError(f"{place}: column '{column}' must be whole numbers, none missing")
    names = table["feature"].cast(pa.string()).to_numpy(zero_copy_only=False)
    recent: dict[str, Codes] = {}
    for feature in features:
        here = names == feature.name
        user, code = table["user"].to_numpy()[here], table["code"].to_numpy()[here]
        if len(user) and not (
            bool(np.all(user[:-1] <= user[1:]))
            and user[0] > 0
            and user[-1] < users
            and code.min() > 0
            and code.max() < layout[feature.name].size
        ):
            raise InputError(f"{place}: feature '{feature.name}': users or codes out of place")
        sizes = np.bincount(user, minlength=1)
        if sizes.max() > feature.max_length:
            raise InputError(f"{place}: feature '{feature.name}': a history is too long")
        spot = np.arange(len(user)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        recent[feature.name] = np.zeros((users, feature.max_length), np.int32)
        recent[feature.name][user, spot] = code
    return recent
