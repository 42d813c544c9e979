"""Loaders of run folders: tables, weights, checkpoints, and a whole folder at once."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tests.fake_runs import make_fake_run
from tests.fuzz import scratch
from tests.fuzz.mutate import mutate_bytes, mutate_json, mutate_safetensors
from tests.fuzz.scratch import PART, SKIPPED
from tests.fuzz.text_targets import Parts
from workbench.config import ExperimentConfig
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.runs import Run, RunStore
from workbench.runs.tables import read_table
from workbench.runs.tensors import read_tensors, write_tensors
from workbench.training import checkpoint
from workbench.training.trainer import Trainer

CONFIG = ExperimentConfig.parse(
    {
        "data": {"planted": {"rows": 100}},
        "model": {"name": "fm", "dim": 2},
        "framework": {"variant": "full", "adapter_hidden": [2]},
        "training": {"batch_size": 50, "epochs": 1, "device": "cpu"},
    }
)
TYPES = {
    "int8": pa.int8(), "int32": pa.int32(), "int64": pa.int64(), "uint64": pa.uint64(),
    "float": pa.float32(), "double": pa.float64(), "half": pa.float16(), "text": pa.string(),
    "large text": pa.large_string(), "bool": pa.bool_(), "binary": pa.binary(),
    "words": pa.dictionary(pa.int32(), pa.string()), "numbers": pa.list_(pa.int64()),
    "texts": pa.list_(pa.string()), "nested": pa.list_(pa.list_(pa.int64())),
    "time": pa.timestamp("us"), "date": pa.date32(), "null": pa.null(),
    "decimal": pa.decimal128(20, 2), "struct": pa.struct([("a", pa.int64())]),
}  # fmt: skip
NAMES = ("norms", "predictions", "weights", "importance")


def table_bytes(description: Any) -> bytes | None:
    """A Parquet file from ``[[name, type, values], ...]``; None where that is no table.

    A mutation seldom leaves all columns equally long and all values of their type: the first
    column's length counts, and a value that does not fit is missing.
    """
    names, columns, rows = [], [], None
    for column in description if isinstance(description, list) else ():
        if not isinstance(column, list) or len(column) != 3:
            continue
        name, kind, values = column
        values = values if isinstance(values, list) else [values]
        rows = len(values) if rows is None else rows
        values = (values + [None] * rows)[:rows]
        names.append(name if isinstance(name, str) else json.dumps(name))
        columns.append(_column(values, TYPES.get(str(kind), pa.int64())))
    try:
        file = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_arrays(columns, names=names), file)
    except (pa.ArrowException, ValueError, UnicodeError):
        return None
    return bytes(file.getvalue())


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array([_fitting(value, kind) for value in values], kind)


def _fitting(value: Any, kind: pa.DataType) -> Any:
    try:
        return pa.array([value], kind)[0].as_py()
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


@cache
def _tables() -> Path:
    return scratch.folder()


def _table_spec(data: bytes) -> object:
    try:
        found = json.loads(data)
        name, description = found["table"], found["columns"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return SKIPPED
    content = table_bytes(description)
    if content is None or name not in NAMES:
        return SKIPPED
    (_tables() / f"{name}.parquet").write_bytes(content)
    read_table(_tables(), name)
    return None


def _table_seeds() -> list[bytes]:
    texts, whole, half = ["a", "b", "a"], [1, 2, 3], [0.5, 1.5, 2.5]
    predictions = [
        [name, "int32", [0, 1, 1]]
        for name in ("sample", "user", "item", "user_activity", "item_activity", "label")
    ]
    norms = [["feature", "words", texts], ["code", "int32", whole], ["activity", "int64", whole]]
    tables = {
        "norms": [*norms, ["norm", "float", half], ["initial", "double", half]],
        "predictions": [*predictions, ["logit", "float", half]],
        "weights": [["w:user", "float", half], ["c:user", "half", half]],
        "importance": [
            ["feature", "text", texts], ["activity", "double", half], ["importance", "float", half]
        ],
    }  # fmt: skip
    return [
        json.dumps({"table": name, "columns": columns}).encode() for name, columns in tables.items()
    ]


def _table_file(data: bytes) -> None:
    (_tables() / "norms.parquet").write_bytes(data)
    read_table(_tables(), "norms")


def _table_files() -> list[bytes]:
    found = [table_bytes(json.loads(seed)["columns"]) for seed in _table_seeds()[:1]]
    return [content for content in found if content is not None]


def _weights(data: bytes) -> None:
    path = _tables() / "weights.safetensors"
    path.write_bytes(data)
    read_tensors(path, "run")


def _weights_seeds() -> list[bytes]:
    path = _tables() / "seed.safetensors"
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([1, 2]), "c": torch.zeros(0, 2)}
    write_tensors(path, tensors, '{"epoch": 1}')
    return [path.read_bytes()]


@cache
def _trained() -> tuple[Any, bytes]:
    """A data set, and a checkpoint after one epoch on it."""
    dataset = load(CONFIG.data)
    trainer = Trainer(model_for(CONFIG, dataset), dataset, CONFIG.training)
    trainer.fit()
    path = _tables() / "checkpoint.safetensors"
    tensors, facts = checkpoint.pack(trainer)
    write_tensors(path, tensors, json.dumps(facts))
    return dataset, path.read_bytes()


def _checkpoint(data: bytes) -> None:
    dataset, _ = _trained()
    path = _tables() / "checkpoint.safetensors"
    path.write_bytes(data)
    tensors, meta = read_tensors(path, "run")
    from workbench.runs.files import parse_object

    trainer = Trainer(model_for(CONFIG, dataset), dataset, CONFIG.training)
    checkpoint.unpack(trainer, tensors, parse_object(meta or "", "run/checkpoint.safetensors"))
    # What was let in must also train on.
    trainer.epoch = min(trainer.epoch, 0)
    trainer.fit()


FILES = (
    "config.json", "status.json", "summary.json", "card.json", "layout.json", "metrics.jsonl",
    "norms.parquet", "vocabulary.parquet", "history.parquet", "weights.safetensors",
)  # fmt: skip


@cache
def _run() -> tuple[Path, dict[str, bytes]]:
    """A trained run's folder, and its files as they should be."""
    from workbench.training.experiment import train_run

    store = RunStore(scratch.folder())
    path = train_run(CONFIG, store, name="run").path
    make_fake_run(store, variant="base", name="other", rows=50, users=20)
    return path, {name: (path / name).read_bytes() for name in FILES if (path / name).exists()}


def _run_folder(data: bytes) -> object:
    """Two parts: which file, and what it holds instead."""
    path, good = _run()
    number, separator, content = data.partition(PART)
    names = list(good)
    if not separator or not number.isdigit() or len(number) > 3:
        return SKIPPED
    name = names[int(number) % len(names)]
    (path / name).write_bytes(content)
    try:
        _read_everything(path)
    finally:
        (path / name).write_bytes(good[name])
    return None


def _read_everything(path: Path) -> None:
    from workbench.errors import InputError

    run = Run.read(path)
    if run.problem is not None:
        raise InputError(run.problem)
    assert run.state
    assert run.group
    reads = (run.metrics, run.card, run.layout, run.weights, lambda: run.table("norms"))
    problems: list[InputError] = []
    for read in (*reads, getattr(run, "encoding", run.layout), getattr(run, "model", run.layout)):
        try:
            read()
        except InputError as error:
            problems.append(error)
    assert len(RunStore(path.parent).list()) == 2
    if problems:
        raise problems[0]


def _run_seeds() -> list[bytes]:
    return [b"%d" % n + PART + content for n, content in enumerate(_run()[1].values())]


def _mutate_run(data: bytes, draw: Any) -> bytes:
    number, _, content = data.partition(PART)
    names = list(_run()[1])
    kind = Path(names[int(number) % len(names)] if number.isdigit() else "x").suffix
    mutators = {".json": mutate_json, ".jsonl": mutate_json, ".safetensors": mutate_safetensors}
    changed = mutate_bytes if draw.randrange(3) == 0 else mutators.get(kind, mutate_bytes)
    return number + PART + changed(content, draw)


TARGETS: dict[str, Parts] = {
    "table columns": (_table_spec, _table_seeds, mutate_json, 2_000, True),
    "table file": (_table_file, _table_files, mutate_bytes, 10_000),
    "weights": (_weights, _weights_seeds, mutate_safetensors, 15_000),
    "checkpoint": (_checkpoint, lambda: [_trained()[1]], mutate_safetensors, 1_000),
    "run folder": (_run_folder, _run_seeds, _mutate_run, 2_000, True),
}
