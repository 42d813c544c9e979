"""Loaders of your own tables: schema.yaml, the files it names, and rows to predict."""

from __future__ import annotations

import json
import random
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.fuzz import scratch
from tests.fuzz.mutate import mutate_bytes, mutate_json, mutate_parts, mutate_table
from tests.fuzz.run_targets import CONFIG, table_bytes
from tests.fuzz.scratch import PART, SKIPPED
from tests.fuzz.text_targets import Parts, mutate_yaml
from workbench.data.store import load_dataset
from workbench.data.tables.prepare import prepare_tables
from workbench.data.tables.schema_file import read_schema
from workbench.runs import RunStore

ROWS = 40
LOG = "who,what,when,finished,place,tags,size\n" + "".join(
    f"u{n % 7},{n % 5},{1_700_000_000 + 60 * n},{n % 2},{'ab'[n % 2]},x;{n % 3},{n * 0.5}\n"
    for n in range(ROWS)
)
USERS = "who,age\n" + "".join(f"u{n},{20 + n}\n" for n in range(7))
ITEMS = "what,genre\n" + "".join(f"{n},g{n % 2}\n" for n in range(5))
SCHEMA: dict[str, Any] = {
    "version": 1,
    "name": "shop",
    "log": {"file": "log.csv"},
    "users": {"file": "users.csv", "key": "who"},
    "items": {"file": "items.csv", "key": "what"},
    "user": "who",
    "item": "what",
    "time": {"column": "when", "format": "epoch_s"},
    "labels": [{"name": "finished", "column": "finished"}],
    "split": {"by": "time", "ratios": [0.6, 0.2, 0.2]},
    "features": [
        {"name": "who", "side": "user", "id": True},
        {"name": "what", "side": "item", "id": True, "values": "whole"},
        {"name": "age", "table": "users", "side": "user", "kind": "numeric", "buckets": 4},
        {"name": "genre", "table": "items", "side": "item"},
        {"name": "place"},
        {"name": "tags", "kind": "multi", "separator": ";", "max_length": 2},
        {"name": "size", "kind": "numeric", "buckets": 3},
    ],
    "counts": [{"feature": "who"}, {"feature": "what", "event": "finished"}],
}
COLUMNS: list[list[Any]] = [
    ["who", "text", [f"u{n % 7}" for n in range(ROWS)]],
    ["what", "int64", [n % 5 for n in range(ROWS)]],
    ["when", "int64", [1_700_000_000 + n for n in range(ROWS)]],
    ["finished", "int8", [n % 2 for n in range(ROWS)]],
    ["place", "words", ["ab"[n % 2] for n in range(ROWS)]],
    ["tags", "text", ["x;y"] * ROWS],
    ["size", "double", [n * 0.5 for n in range(ROWS)]],
]


def _schema_alone(data: bytes) -> None:
    path = _place() / "schema.yaml"
    path.write_bytes(data)
    read_schema(path)


def _schema_seeds() -> list[bytes]:
    return [yaml.safe_dump(SCHEMA).encode(), json.dumps(SCHEMA).encode()]


@cache
def _place() -> Path:
    return scratch.folder()


def _prepare(folder: Path) -> None:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    prepare_tables(folder / "schema.yaml", out)
    load_dataset(out)


def _tables(data: bytes) -> object:
    """Four parts: schema.yaml, the log, the users and the items."""
    parts = data.split(PART)
    if len(parts) != 4:
        return SKIPPED
    for name, part in zip(("schema.yaml", "log.csv", "users.csv", "items.csv"), parts, strict=True):
        (_place() / name).write_bytes(part)
    _prepare(_place())
    return None


def _tables_seeds() -> list[bytes]:
    texts = (json.dumps(SCHEMA), LOG, USERS, ITEMS)
    return [PART.join(text.encode() for text in texts)]


@cache
def _parquet_place() -> Path:
    folder = scratch.folder()
    schema = SCHEMA | {"log": {"file": "log.parquet", "format": "parquet"}}
    (folder / "schema.yaml").write_text(json.dumps(schema))
    (folder / "users.csv").write_text(USERS)
    (folder / "items.csv").write_text(ITEMS)
    return folder


def _parquet_log(data: bytes) -> object:
    content = _described(data)
    if content is None:
        return SKIPPED
    (_parquet_place() / "log.parquet").write_bytes(content)
    _prepare(_parquet_place())
    return None


def _described(data: bytes) -> bytes | None:
    try:
        return table_bytes(json.loads(data))
    except (ValueError, RecursionError):
        return None


@cache
def _predictor() -> tuple[Any, Path]:
    from workbench.data.registry import load
    from workbench.serving.predict import Predictor
    from workbench.training.experiment import train_run

    store = RunStore(scratch.folder())
    run = train_run(CONFIG, store, name="run", dataset=load(CONFIG.data))
    return Predictor(run), store.root


def _predict_csv(data: bytes) -> None:
    predictor, folder = _predictor()
    (folder / "rows.csv").write_bytes(data)
    predictor.predict_file(folder / "rows.csv", folder / "out.csv", batch_size=16)


PREDICTED: list[list[Any]] = [
    ["user_id", "int64", [0, 1, 10**9]],
    ["gender", "text", ["female", None, "?"]],
    ["age", "text", ["18-24", "25-34", "?"]],
    ["item_id", "int64", [0, 3, -1]],
    ["artist_id", "int64", [0, 1, 2]],
    ["genre", "text", ["pop", "rock", None]],
    ["mood", "texts", [["calm"], [], None]],
    ["duration", "double", [200.0, None, 1e9]],
    ["scene", "words", ["work", "home", None]],
    ["history", "numbers", [[1, 2], [], None]],
]


def _csv_of(columns: list[list[Any]]) -> bytes:
    rows = [[name for name, _, _ in columns]]
    for values in zip(*(column[2] for column in columns), strict=True):
        rows.append(["" if v is None else "|".join(map(str, v)) if isinstance(v, list) else str(v)
                     for v in values])  # fmt: skip
    return "\n".join(",".join(row) for row in rows).encode()


def _predict_parquet(data: bytes) -> object:
    content = _described(data)
    if content is None:
        return SKIPPED
    predictor, folder = _predictor()
    (folder / "rows.parquet").write_bytes(content)
    predictor.predict_file(folder / "rows.parquet", folder / "out.parquet", batch_size=16)
    return None


def _predict_file(data: bytes) -> None:
    predictor, folder = _predictor()
    (folder / "rows.parquet").write_bytes(data)
    predictor.predict_file(folder / "rows.parquet", folder / "out.csv", batch_size=16)


def _parquet_seeds() -> list[bytes]:
    found = table_bytes(PREDICTED)
    assert found is not None
    return [found]


_CSV = mutate_table(b",")


def _mutate_schema(data: bytes, draw: random.Random) -> bytes:
    """Most mutated schemas are refused at once, so most leave it alone and change a table."""
    return mutate_json(data, draw) if draw.random() < 0.5 else data


TARGETS: dict[str, Parts] = {
    "schema.yaml": (_schema_alone, _schema_seeds, mutate_yaml, 5_000),
    "own tables, CSV": (
        _tables, _tables_seeds, mutate_parts((_mutate_schema, _CSV, _CSV, _CSV)), 2_000
    ),
    "own tables, Parquet": (
        _parquet_log, lambda: [json.dumps(COLUMNS).encode()], mutate_json, 2_000, True
    ),
    "predict CSV": (_predict_csv, lambda: [_csv_of(PREDICTED)], _CSV, 2_000),
    "predict Parquet": (
        _predict_parquet, lambda: [json.dumps(PREDICTED).encode()], mutate_json, 2_000, True
    ),
    "predict Parquet file": (_predict_file, _parquet_seeds, mutate_bytes, 2_000),
}  # fmt: skip
