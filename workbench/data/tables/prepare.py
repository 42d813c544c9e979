"""Your own tables, from ``schema.yaml`` to a prepared data set that ``workbench train`` takes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from workbench.data.prepared_folder import DESCRIPTION, TENSORS, replacing
from workbench.data.store import FORMAT, LARGEST_DESCRIPTION
from workbench.data.stream.writer import StreamWriter
from workbench.data.tables.assemble import Assembler
from workbench.data.tables.base import base_of
from workbench.data.tables.column_store import ColumnStore
from workbench.data.tables.disk import SampleSink
from workbench.data.tables.encode_columns import ColumnEncoder
from workbench.data.tables.facts import table_card
from workbench.data.tables.negatives import draw_negatives
from workbench.data.tables.order import sort_by_time
from workbench.data.tables.schema_checks import dataset_schema, default_counts
from workbench.data.tables.schema_file import SCHEMA_NAME, TableSchema, read_schema
from workbench.data.tables.stage import stage
from workbench.data.tables.yaml_file import LARGEST, parse_yaml
from workbench.errors import InputError
from workbench.schema import Schema, plan_table

_COMMENTED = re.compile(r"^\s*(?:-\s*)?(\{.*\}|[a-z_]+:\s.*?)\s+#\s(.*)$")


def prepare_tables(
    path: Path, out: Path, *, drop_bad_rows: bool = False, stream: bool = False
) -> dict[str, Any]:
    """Check the tables of a schema and write the data set.

    Memory follows the number of distinct values, users and items, and the size of a chunk, not the
    number of rows. While it works, the folder beside `out` holds the checked tables and the codes:
    about as many bytes again as the tables have.

    Args:
        path: ``schema.yaml``, or its folder.
        out: new, empty, or an earlier prepared data set, which is replaced.
        drop_bad_rows: as ``bad_rows: drop`` in the schema.
        stream: write rows that are streamed while a model trains, see `workbench.data.stream`.

    Returns:
        The data card.

    Raises:
        TableProblems: everything that is wrong with schema and tables, together.
        InputError: a file or folder that cannot be used.
    """
    path = path / SCHEMA_NAME if path.is_dir() else path
    table = read_schema(path)
    if drop_bad_rows:
        table = table.model_copy(update={"bad_rows": "drop"})
    with replacing(out) as building:
        work = building / "work"
        work.mkdir()
        card = _build(table, path, building, work, stream=stream)
        shutil.rmtree(work)
    return card


def _build(
    table: TableSchema, path: Path, building: Path, work: Path, *, stream: bool
) -> dict[str, Any]:
    staged = stage(table, path.parent, work, path.name)
    if table.time is not None:
        sort_by_time(staged)
    schema = dataset_schema(table, staged.longest)
    base = base_of(staged, table, work)
    place = Path(table.log.file).name
    store = ColumnStore(table, schema, base, work)
    encoded = ColumnEncoder(store, staged, place).encode()
    layout = plan_table(schema, encoded.sizes)
    if layout.rows >= 2**31:
        raise InputError(f"{path}: {layout.rows} table rows; at most {2**31 - 1} fit")
    negatives, empty = None, 0
    if table.negatives is not None:
        negatives, empty = draw_negatives(base, encoded.users, encoded.items, table.negatives, work)
    assembler = Assembler(table, schema, layout, base, encoded, negatives)
    if stream:
        # What is counted as an impression: see `workbench.data.encoding.counts_positives`.
        only = table.negatives is not None and table.split.by == "random"
        sink: SampleSink = StreamWriter(
            building, building / TENSORS, schema, layout, positives_only=only
        )
    else:
        sink = assembler.tensor_file(building / TENSORS, empty)
    tally = assembler.write(sink)
    guesses = comments_of(path)
    card = table_card(table, schema, staged, base, encoded, tally, empty, guesses)
    _describe(building / DESCRIPTION, table, schema, store, card)
    return card


def _describe(
    path: Path,
    table: TableSchema,
    schema: Schema,
    store: ColumnStore,
    card: dict[str, Any],
) -> None:
    """Write what `workbench.data.store` reads, the vocabularies from their files piece by piece."""
    values = {
        "format": FORMAT,
        "name": table.name,
        "table": schema.model_dump(mode="json"),
        "default_counts": list(default_counts(table)),
        "card": card,
        "importance": None,
    }
    head = json.dumps(values, allow_nan=False)
    with path.open("w", encoding="utf-8") as file:
        file.write(head[:-1] + ', "vocabularies": {')
        own = [feature.name for feature in schema.features if feature.shares is None]
        for place, name in enumerate(own):
            file.write((", " if place else "") + json.dumps(name) + ": ")
            with store.vocabulary_path(name).open(encoding="utf-8") as vocabulary:
                shutil.copyfileobj(vocabulary, file)
        file.write("}}")
    size = path.stat().st_size
    if size > LARGEST_DESCRIPTION:
        raise InputError(
            f"{table.name}: vocabularies of {size:,} bytes; at most {LARGEST_DESCRIPTION:,} can be "
            "read back: raise min_count of the features with the most values"
        )


def comments_of(path: Path) -> dict[str, str]:
    """The comments beside the lines of a schema, for the data card: ``features.age`` -> comment."""
    with path.open(encoding="utf-8-sig") as file:
        text = file.read(LARGEST)
    found: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        if line[:1].strip(" #-"):
            section = line.partition(":")[0]
        match = _COMMENTED.match(line)
        if not match:
            continue
        try:
            content = parse_yaml(match[1].encode(), path.name)
        except InputError:
            continue  # a "#" within a value, or half of a longer entry: no comment of ours
        if isinstance(content, dict) and content:
            key, value = next(iter(content.items()))
            if match[1].startswith("{"):
                key = f"{value} {content['event']}" if "event" in content else value
            found[section if key == section else f"{section}.{key}"[:200]] = match[2][:400]
    return found
