"""A streamable folder of 20 features and any number of rows, for `bench_stream`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.data.dataset import Dataset
from workbench.data.prepared_folder import DESCRIPTION, TENSORS
from workbench.data.splits import SPLITS
from workbench.data.store import describe
from workbench.data.stream.parts import Samples
from workbench.data.stream.writer import StreamWriter
from workbench.data.vocabulary import Vocabulary
from workbench.schema import Feature, Schema, Side, plan_table

# Values of the 20 features; tables so small that the optimiser does not hide what reading costs.
USERS, ITEMS = 20_000, 10_000
OTHERS = [100 * (1 + place) for place in range(18)]
HELD_OUT_ROWS = 50_000
CHUNK = 262_144
BYTES_PER_ROW = 60

SCHEMA = Schema(
    features=(
        Feature(name="user", side=Side.USER, is_id=True),
        Feature(name="item", side=Side.ITEM, is_id=True),
        *(Feature(name=f"c{place}") for place in range(len(OTHERS))),
    ),
    labels=("click",),
    user="user",
    item="item",
)


def skeleton() -> Dataset:
    """Everything but the samples."""
    sizes = dict(zip(SCHEMA.names, (USERS, ITEMS, *OTHERS), strict=True))
    vocabularies = {name: Vocabulary(np.arange(size)) for name, size in sizes.items()}
    layout = plan_table(SCHEMA, {name: len(v) for name, v in vocabularies.items()})
    sides = {
        name: torch.arange(1, size + 1, dtype=torch.int32)[:, None] + layout[feature].offset
        for name, feature, size in (("user_rows", "user", USERS), ("item_rows", "item", ITEMS))
    }
    return Dataset(
        name="columns",
        schema=SCHEMA,
        layout=layout,
        vocabularies=vocabularies,
        **sides,
        **Samples.empty(0, SCHEMA, layout)._asdict(),
        splits={},
        default_counts=(),
    )


def chunks(data: Dataset, rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """Columns with a long tail, and labels that user and item decide.

    Drawn once for `CHUNK` rows; every further chunk turns each column by a draw of its own, user,
    item and label together, so that making the rows does not take longer than writing them.
    """
    rng = np.random.default_rng(seed)

    def drawn(size: int) -> Any:
        draw = rng.random(CHUNK, np.float32)
        return np.minimum(draw * draw * draw * np.float32(size), size - 1).astype(np.int32)

    users, items = drawn(USERS), drawn(ITEMS)
    taste = [np.random.default_rng(place).normal(size=n) for place, n in enumerate((USERS, ITEMS))]
    chance = 1 / (1 + np.exp(-taste[0][users] - taste[1][items]))
    labels = (rng.random(CHUNK) < chance).astype(np.uint8)
    context = [
        drawn(size) + np.int32(data.layout[f"c{place}"].offset + 1)
        for place, size in enumerate(OTHERS)
    ]
    for start in range(0, rows, CHUNK):
        count, turn = min(CHUNK, rows - start), rng.integers(CHUNK)
        turned = [np.roll(column, rng.integers(CHUNK))[:count] for column in context]
        yield {
            "users": np.roll(users, turn)[:count],
            "items": np.roll(items, turn)[:count],
            "context_rows": np.stack(turned, axis=1),
            "labels": np.roll(labels, turn)[:count, None],
            "counts": np.empty((count, 0), np.float32),
        }


def make(folder: Path, rows: int) -> dict[str, Any]:
    """Write a streamable folder with `rows` training rows."""
    free, needed = shutil.disk_usage(folder.parent).free, rows * BYTES_PER_ROW
    if needed > free:
        sys.exit(f"{folder.parent}: {needed / 2**30:.0f} GiB needed, {free / 2**30:.0f} are free")
    folder.mkdir()
    data = skeleton()
    writer = StreamWriter(folder, folder / TENSORS, data.schema, data.layout)
    writer.entities("user_rows", data.user_rows.numpy())
    writer.entities("item_rows", data.item_rows.numpy())
    for part, _ in enumerate(SPLITS):
        for columns in chunks(data, HELD_OUT_ROWS if part else rows, seed=part):
            writer.samples(columns, np.full(len(columns["users"]), part))
    writer.close()
    (folder / DESCRIPTION).write_text(describe(data), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {"rows": rows, "bytes_per_row": size / rows}
