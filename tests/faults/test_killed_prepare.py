"""``kill -9`` at random moments of ``workbench data prepare``: the folder is whole or absent."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import torch

from tests.faults.conftest import Nursery
from tests.reliability import record
from workbench.config import DataConfig
from workbench.data.prepared_folder import is_prepared, replacing
from workbench.data.registry import load
from workbench.data.store import load_dataset, save_dataset
from workbench.errors import InputError

KILLS = int(os.environ.get("WORKBENCH_FAULTS", "4"))
TABLE_ROWS = 400
SCHEMA = """
version: 1
name: shop
log: {file: log.csv}
user: who
item: what
time: {column: when, format: epoch_s}
labels: [{name: bought, column: bought}]
split: {by: time}
features:
- {name: who, side: user, id: true}
- {name: what, side: item, id: true, values: whole}
- {name: price, kind: numeric, buckets: 4}
counts: [{feature: who}]
"""


def assert_same(folder: Path, expected: Path) -> None:
    """The same tensors and the same description."""
    first, second = load_dataset(folder), load_dataset(expected)
    assert (first.schema, first.layout, first.card) == (second.schema, second.layout, second.card)
    for name in ("user_rows", "item_rows", "context_rows", "users", "items", "labels", "counts"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    for split, index in second.splits.items():
        assert torch.equal(first.splits[split], index)


@pytest.fixture(scope="module", params=["planted", "own tables"])
def order(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What ``data prepare`` is given."""
    if request.param == "planted":
        return "planted"
    folder = tmp_path_factory.mktemp("tables")
    (folder / "schema.yaml").write_text(SCHEMA)
    draw = random.Random(0)
    rows = (
        f"u{draw.randrange(50)},{draw.randrange(30)},{1_700_000_000 + 60 * n},{n % 2},"
        f"{draw.random():.3f}"
        for n in range(TABLE_ROWS)
    )
    (folder / "log.csv").write_text("who,what,when,bought,price\n" + "\n".join(rows) + "\n")
    return str(folder / "schema.yaml")


def test_kills_while_preparing(nursery: Nursery, order: str, tmp_path: Path) -> None:
    """New folders, and earlier data sets that are being replaced."""
    expected = tmp_path / "expected"
    answer = nursery.run("data", "prepare", order, "--out", expected)
    assert answer["code"] == 0, answer["said"]
    seconds = answer["seconds"]
    draw = random.Random(order != "planted")
    kills = absent = 0
    while kills < KILLS:
        out = tmp_path / f"out-{kills % 2}"
        after = draw.uniform(0, seconds)
        answer = nursery.run("data", "prepare", order, "--out", out, kill_after=after)
        kills += answer["killed"]
        if out.exists():
            assert is_prepared(out)
            assert_same(out, expected)
        else:
            absent += 1
        if draw.random() < 0.5:
            again = nursery.run("data", "prepare", order, "--out", out)
            assert again["code"] == 0, again["said"]
            assert_same(out, expected)
            # A data set that was being replaced came back or was replaced; none is left aside.
            assert not list(tmp_path.glob(f".{out.name}.*.old"))
    print(f"{kills} kills of {order}: the folder was absent after {absent}, whole after the others")
    if "WORKBENCH_FAULTS" in os.environ and order == "planted":
        record(prepare_kills=kills, prepare_kills_survived=kills)


def test_what_killed_processes_left(tmp_path: Path) -> None:
    world = load(DataConfig.model_validate({"planted": {"rows": 200}}))
    alive, mine = tmp_path / f".out.{os.getppid()}.new", tmp_path / f".out.{os.getpid()}.new"
    dead, notes = tmp_path / ".out.999999999.new", tmp_path / ".out.notes.new"
    for folder in (alive, mine, dead, notes):
        folder.mkdir()
    os.utime(dead, (0, 0))
    save_dataset(world, tmp_path / ".out.999999998.old")
    # An attempt that fails puts the earlier data set back all the same.
    with pytest.raises(InputError, match="cannot be written"), replacing(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert is_prepared(tmp_path / "out")
    save_dataset(world, tmp_path / "out")
    left = {folder.name for folder in (alive, mine, dead, notes) if folder.exists()}
    assert left == {alive.name, notes.name}
    # Killed after the new data set took its place, before the one it replaced was gone.
    replaced = tmp_path / ".out.999999997.old"
    save_dataset(world, replaced)
    save_dataset(world, tmp_path / "out")
    assert not replaced.exists()
