"""The cost of a training step against rows of the table, dimension and number of features.

    python tests/benchmarks/bench_scaling.py --model dcn_v2 --variant full
    python tests/benchmarks/bench_scaling.py --device cuda --table-rows 100000 1000000 10000000

One axis varies at a time, the others stay at their first value. Samples are synthetic but
long-tailed, as in the planted world: half of the table's rows belong to users, a quarter to items,
the rest to the other features in equal parts. The step is the trainer's own; settings take turns
within one process. On a CPU the time is that of the process, on a GPU that of the clock. Each ratio
is to the first value of its axis; the last line is JSON.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from timing import Row, dearer, finish, seconds_of, shown
from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.schema import Feature, Schema, Side, StateCount, plan_table
from workbench.training.experiment import pick_device
from workbench.training.trainer import Trainer

AXES = ("table_rows", "dims", "features")


def schema_of(features: int) -> Schema:
    """A user, an item, and as many features of users, items and the context as are left."""
    sides = (Side.USER, Side.ITEM, Side.CONTEXT)
    others = [Feature(name=f"feature_{i}", side=sides[i % 3]) for i in range(features - 2)]
    ids = [
        Feature(name="user_id", side=Side.USER, is_id=True),
        Feature(name="item_id", side=Side.ITEM, is_id=True),
    ]
    everything = sorted([*ids, *others], key=lambda feature: sides.index(feature.side))
    return Schema(
        features=tuple(everything),
        labels=("label",),
        user="user_id",
        item="item_id",
        counts=(StateCount(feature="user_id"), StateCount(feature="item_id")),
    )


def long_tailed(count: int, below: int, generator: torch.Generator) -> Tensor:
    """Numbers 0 .. below - 1 of which the small ones are drawn far more often."""
    drawn = torch.rand(count, generator=generator, dtype=torch.float64) ** 3 * below
    return drawn.long().clamp_max(below - 1)


def synthetic(samples: int, table_rows: int, features: int) -> Dataset:
    """A data set with a table of about `table_rows` rows; nothing can be learned from it."""
    generator = torch.Generator().manual_seed(0)
    schema = schema_of(features)
    each = max(2, table_rows // 4 // max(1, features - 2))
    sizes = {feature.name: each for feature in schema.features}
    sizes |= {"user_id": table_rows // 2, "item_id": table_rows // 4}
    layout = plan_table(schema, sizes)
    people = {Side.USER: sizes["user_id"] - 1, Side.ITEM: sizes["item_id"] - 1}
    parts: dict[Side, Tensor] = {}
    for side in (Side.USER, Side.ITEM, Side.CONTEXT):
        rows = people.get(side, samples)
        columns = []
        for slot in (slot for slot in layout.slots if slot.side is side):
            own = torch.arange(rows) if slot.is_id else long_tailed(rows, slot.size - 1, generator)
            columns.append(slot.offset + 1 + own)
        empty = torch.zeros(rows, 0, dtype=torch.int64)
        parts[side] = (torch.stack(columns, 1) if columns else empty).int()
    users = long_tailed(samples, people[Side.USER], generator)
    items = long_tailed(samples, people[Side.ITEM], generator)
    everyone = torch.arange(samples)
    return Dataset(
        name="synthetic",
        schema=schema,
        layout=layout,
        vocabularies={},
        user_rows=parts[Side.USER],
        item_rows=parts[Side.ITEM],
        context_rows=parts[Side.CONTEXT],
        users=users.int(),
        items=items.int(),
        labels=torch.randint(0, 2, (samples, 1), generator=generator).to(torch.uint8),
        counts=torch.stack((users.bincount()[users], items.bincount()[items]), 1).float(),
        splits={"train": everyone, "valid": everyone[:100], "test": everyone[:100]},
        default_counts=("user_id:impression", "item_id:impression"),
    )


def epoch_of(options: argparse.Namespace, setting: dict[str, int]) -> Callable[[], object]:
    """The steps of one measurement."""
    device = pick_device(options.device)
    samples = options.steps * options.batch_size
    dataset = synthetic(samples, setting["table_rows"], setting["features"]).to(device)
    config = ExperimentConfig.parse(
        {
            "model": {"name": options.model, "dim": setting["dims"]},
            "framework": {"variant": options.variant, "k": options.k},
            "training": {"batch_size": options.batch_size, "device": options.device},
        }
    )
    model = model_for(config, dataset).to(device)
    return Trainer(model, dataset, config.training)._train_epoch


def measure(options: argparse.Namespace, axis: str) -> list[Row]:
    """All values of one axis, taking turns; the first turn warms up."""
    setting_of_first = {name: getattr(options, name)[0] for name in AXES}
    settings = [setting_of_first | {axis: value} for value in getattr(options, axis)]
    work = [epoch_of(options, setting) for setting in settings]
    device = pick_device(options.device)
    turns = [[seconds_of(call, device) for call in work] for _ in range(options.rounds + 1)][1:]
    rows: list[Row] = []
    for place, setting in enumerate(settings):
        own = [1000 * turn[place] / options.steps for turn in turns]
        cost = [turn[place] / turn[0] for turn in turns]
        print(
            f"{axis:10} {setting[axis]:>11,}  {shown(own)} ms  cost to the first {shown(cost)}",
            flush=True,
        )
        speed = 1000 * options.batch_size / statistics.median(own)
        rows.append(
            {
                "name": f"{axis.replace('_', ' ')}: {setting[axis]:,}",
                "peer": f"{setting_of_first[axis]:,}",
                "model": options.model,
                "batch_size": options.batch_size,
                "device": str(device),
                "mode": f"float32, {options.variant}",
                "ours": speed,
                "theirs": speed * statistics.median(cost),
                **dearer(cost),
                "goal": None,
                "ms_per_step": statistics.median(own),
                "setting": setting,
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="youtube_dnn")
    parser.add_argument("--variant", default="full")
    parser.add_argument("--k", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument(
        "--table-rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="N"
    )
    parser.add_argument("--dims", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--features", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"{options.model} {options.variant}, k = {options.k}, batch {options.batch_size}, "
        f"{pick_device(options.device)}, {options.threads} thread(s)"
    )
    rows = [row for axis in AXES for row in measure(options, axis)]
    finish(rows, settings=vars(options))


if __name__ == "__main__":
    main()
