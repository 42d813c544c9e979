"""Dense against sparse updates of the embedding table, by the table's size.

    python tests/benchmarks/bench_updates.py

Random rows of a table of one ID feature and one list, through FM: the step's cost is the table's
alone. The two take turns within one process, on the process's own time. From the table size at
which sparse updates win at every batch size on, `training.updates: auto` should choose them
(`SPARSE_ROWS` in `workbench/training/optimizers.py`).
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from timing import Row, Steps, finish, in_turns, ratios, shown, spread, trainer_for

from workbench.data.dataset import Dataset
from workbench.schema import Feature, Kind, Schema, Side, StateCount, plan_table
from workbench.training.optimizers import SPARSE_ROWS

LIST = 5
SAMPLES = 200_000


def dataset_of(rows: int) -> Dataset:
    """Samples of as many users as items and tags, evenly drawn, `rows` table rows in all."""
    draw = torch.Generator().manual_seed(rows)
    each = rows // 3
    schema = Schema(
        features=(
            Feature(name="user_id", side=Side.USER, is_id=True),
            Feature(name="item_id", side=Side.ITEM, is_id=True),
            Feature(name="tags", side=Side.ITEM, kind=Kind.MULTI, max_length=LIST),
        ),
        labels=("click",),
        user="user_id",
        item="item_id",
        counts=(StateCount(feature="user_id"),),
    )
    layout = plan_table(schema, dict.fromkeys(schema.names, each))
    user, item, tags = layout.slots

    def values(slot: Any, *shape: int) -> torch.Tensor:
        last = slot.offset + slot.size
        drawn = torch.randint(slot.offset + 1, last, shape, generator=draw)
        return drawn.int()

    items = torch.cat((values(item, each, 1), values(tags, each, LIST)), dim=1)
    index = torch.arange(SAMPLES)
    return Dataset(
        name="evenly drawn",
        schema=schema,
        layout=layout,
        vocabularies={},
        user_rows=values(user, each, 1),
        item_rows=items,
        context_rows=torch.zeros(SAMPLES, 0, dtype=torch.int32),
        users=torch.randint(each, (SAMPLES,), generator=draw).int(),
        items=torch.randint(each, (SAMPLES,), generator=draw).int(),
        labels=torch.randint(2, (SAMPLES, 1), generator=draw).to(torch.uint8),
        counts=torch.zeros(SAMPLES, 1),
        splits={"train": index, "valid": index[:1], "test": index[:1]},
        default_counts=(),
    )


def measure(rows: int, size: int, options: argparse.Namespace) -> Row:
    """One table size and batch size; prints it."""
    dataset = dataset_of(rows)
    runs = {}
    for updates in ("dense", "sparse"):
        training = {"batch_size": size, "updates": updates}
        values = {
            "model": {"name": options.model, "dim": options.dim},
            "framework": {"variant": "base"},
            "training": training,
        }
        runs[updates] = Steps(trainer_for(dataset, values))
    seen = in_turns(
        {name: lambda run=run: run.seconds(options.steps) for name, run in runs.items()},  # type: ignore[misc]
        options.rounds,
    )
    ratio = ratios(seen["dense"], seen["sparse"])
    print(
        f"{rows:9,} rows  batch {size:5}  dense {1000 * min(seen['dense']):8.2f} ms  sparse "
        f"{1000 * min(seen['sparse']):8.2f} ms  sparse is faster by {shown(ratio)}",
        flush=True,
    )
    return {
        "name": f"sparse updates, {rows} table rows",
        "peer": "dense updates",
        "model": options.model,
        "batch_size": size,
        "device": "cpu",
        "mode": "float32",
        "ours": size / spread(seen["sparse"])["median"],
        "theirs": size / spread(seen["dense"])["median"],
        "ratio": spread(ratio)["median"],
        "goal": None,
        "table_rows": rows,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [30_000, 100_000, 200_000, 400_000, 1_000_000, 3_000_000]
    parser.add_argument("--rows", nargs="+", type=int, default=sizes)
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[256, 2048, 8192])
    parser.add_argument("--model", default="fm")
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = [measure(rows, size, options) for size in options.batch_sizes for rows in options.rows]
    for size in options.batch_sizes:
        own = [row for row in found if row["batch_size"] == size]
        slower = [row["table_rows"] for row in own if row["ratio"] < 1]
        faster = [row["table_rows"] for row in own if row["table_rows"] > max(slower, default=0)]
        print(f"batch {size:5}: sparse from {min(faster):,} rows on" if faster else "dense always")
    print(f"auto is sparse from {SPARSE_ROWS:,} rows on")
    finish(found, settings=vars(options), threshold=SPARSE_ROWS)


if __name__ == "__main__":
    main()
