"""Tables prepared for streaming hold what the same tables prepared for memory hold."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.tables.make import TRIO, balanced, schema, small, trio
from workbench.data.encoding import encoding_of
from workbench.data.prepared_folder import is_prepared
from workbench.data.store import load_dataset
from workbench.data.stream.dataset import StreamedDataset
from workbench.data.tables.prepare import prepare_tables
from workbench.errors import InputError

IMPLICIT = """
version: 1
name: implicit
log: {{file: log.csv}}
user: user_id
item: item_id
time: {{column: ts, format: order}}
labels: [{{name: interaction}}]
negatives: {{per_positive: 2, by: uniform, seed: 5}}
split: {{by: {split}}}
features:
  - {{name: user_id, side: user, id: true, values: whole}}
  - {{name: item_id, side: item, id: true, values: whole}}
  - {{name: history, table: history, kind: sequence, shares: item_id, max_length: 4, id: true}}
counts:
  - {{feature: user_id, event: interaction}}
"""


@pytest.mark.parametrize("by", ["time", "random"])
@pytest.mark.parametrize("kind", ["explicit", "implicit"])
def test_equals_what_is_prepared_for_memory(
    by: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many chunks, row groups and files.
    for module, name, value in (
        ("tables.assemble", "_CHUNK_BYTES", 1),
        ("tables.assemble", "_SMALLEST_CHUNK", 89),
        ("tables.assemble", "_ENTITY_CHUNK", 7),
        ("stream.writer", "_GROUPS_AT_ONCE", 2),
        ("stream.writer", "GROUPS_PER_FILE", 3),
    ):
        monkeypatch.setattr(importlib.import_module(f"workbench.data.{module}"), name, value)
    monkeypatch.setattr("workbench.data.stream.writer.GROUP_ROWS", 50)
    if kind == "explicit":
        trio(tmp_path)
        path = schema(tmp_path, TRIO.format(split=by))
    else:
        rng = np.random.default_rng(1)
        log = zip(rng.zipf(1.5, 400) % 20, rng.zipf(1.5, 400) % 60, range(400), strict=True)
        small(tmp_path, [",".join(map(str, row)) for row in log], header="user_id,item_id,ts")
        path = schema(tmp_path, IMPLICIT.format(split=by))
    card = prepare_tables(path, tmp_path / "memory")
    assert prepare_tables(path, tmp_path / "stream", stream=True) == card
    memory, stream = load_dataset(tmp_path / "memory"), load_dataset(tmp_path / "stream")
    assert isinstance(stream, StreamedDataset)
    assert stream.card == memory.card
    assert stream.layout == memory.layout
    assert is_prepared(tmp_path / "stream")
    for split in ("train", "valid", "test"):
        assert stream.rows_in(split) == memory.rows_in(split)
        both = zip(memory.batches(split, 70), stream.batches(split, 70), strict=True)
        for first, second in both:
            assert torch.equal(first.rows, second.rows)
            assert torch.equal(first.counts, second.counts)
            assert torch.equal(first.labels, second.labels)
    assert torch.equal(stream.activity(), memory.activity())
    expected, found = encoding_of(memory), encoding_of(stream)
    for name, values in expected.totals.items():
        assert np.array_equal(found.totals[name], values), name
    for name, values in expected.recent.items():
        assert np.array_equal(found.recent[name], values), name


def test_a_split_of_one_class_leaves_nothing_behind(tmp_path: Path) -> None:
    lines = [line.rsplit(",", 1)[0] + ",1" for line in balanced()]
    small(tmp_path, lines)
    with pytest.raises(InputError, match="both classes are needed"):
        prepare_tables(schema(tmp_path), tmp_path / "out", stream=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", "schema.yaml"]
