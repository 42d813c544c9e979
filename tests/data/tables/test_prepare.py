"""The streamed preparation against the engine's own, which has all rows at hand."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.data.tables.make import ITEMS, TRIO, balanced, schema, small, trio
from workbench.config import DataConfig
from workbench.data.dataset import Dataset
from workbench.data.encode import build_dataset
from workbench.data.raw import Ragged, RawData
from workbench.data.store import load_dataset
from workbench.data.tables.prepare import comments_of, prepare_tables
from workbench.errors import InputError

TENSORS = ("users", "items", "labels", "counts", "user_rows", "item_rows", "context_rows")
SAME_FACTS = (
    "rows", "rows_read", "users", "items", "label_rates", "vocabulary_sizes", "top_user_share",
    "top_item_share", "rows_per_split", "label_rate_by_activity", "split", "default_counts",
)  # fmt: skip


@pytest.fixture
def tiny_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a few rows, so that a small table crosses all their borders."""
    tables = "workbench.data.tables"
    for module, name, value in (
        ("staged_file", "CHUNK", 97),
        ("base", "CHUNK", 97),
        ("order", "CHUNK", 97),
        ("encode_columns", "CHUNK", 97),
        ("state_counts", "CHUNK", 97),
        ("assemble", "_CHUNK_BYTES", 1),
        ("assemble", "_SMALLEST_CHUNK", 89),
        ("assemble", "_ENTITY_CHUNK", 7),
        ("negatives", "_CHUNK", 83),
        ("order", "BUCKET_BYTES", 3000),
        ("values", "_COMPACT", 5),
        ("values", "_PER_WRITE", 3),
        ("csv_rows", "BLOCK", 1 << 12),
    ):
        monkeypatch.setattr(importlib.import_module(f"{tables}.{module}"), name, value)


def _whole(columns: dict[str, Any], by: str, got: Dataset) -> Dataset:
    """The same tables through the engine's encoder, in the order of time."""
    order = np.argsort(columns["time"], kind="stable")
    users, user_index = np.unique(columns["user"][order], return_inverse=True)
    items, item_index = np.unique(columns["item"][order], return_inverse=True)
    lists = [columns["tags"][i].split("|") if columns["tags"][i] else [] for i in items]
    lengths = [len(one) for one in lists]
    raw = RawData(
        name="trio",
        schema=got.schema,
        user_index=user_index,
        item_index=item_index,
        users={"user_id": users, "age": columns["age"][users]},
        items={
            "item_id": items,
            "price": columns["price"][items],
            "tags": Ragged(
                np.array([piece for one in lists for piece in one], object),
                np.concatenate(((0,), np.cumsum(lengths))).astype(np.int64),
            ),
        },
        context={"device": columns["device"][order].astype(object)},
        labels={"click": columns["click"][order], "like": columns["like"][order]},
        time=columns["time"][order].astype(np.int64),
        default_split=by,
        default_counts=got.default_counts,
    )
    # The random split is drawn another way, so it is taken over; the one by time is not.
    splits = {k: v.numpy() for k, v in got.splits.items()} if by == "random" else None
    return build_dataset(raw, DataConfig(source="trio", split=by), splits)  # type: ignore[arg-type]


@pytest.mark.parametrize("by", ["time", "random"])
@pytest.mark.parametrize("chunks", ["tiny", "usual"])
def test_equals_the_engine(
    by: str, chunks: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if chunks == "tiny":
        request.getfixturevalue("tiny_chunks")
    columns = trio(tmp_path)
    card = prepare_tables(schema(tmp_path, TRIO.format(split=by)), tmp_path / "out")
    got = load_dataset(tmp_path / "out")
    want = _whole(columns, by, got)
    for name in TENSORS:
        assert torch.equal(getattr(got, name), getattr(want, name)), name
    assert got.layout == want.layout
    assert got.vocabularies == want.vocabularies
    for name, index in want.splits.items():
        assert torch.equal(got.splits[name], index), name
    for fact in SAME_FACTS:
        assert card[fact] == want.card[fact], fact
    assert got.card == card
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "dataset.json",
        "tensors.safetensors",
    ]


def test_moments_longer_than_a_chunk(tmp_path: Path, tiny_chunks: None) -> None:
    """Five moments of 600 rows each: rows of one moment never see each other."""
    columns = trio(tmp_path, moments=5)
    prepare_tables(schema(tmp_path, TRIO.format(split="time")), tmp_path / "out")
    got = load_dataset(tmp_path / "out")
    want = _whole(columns, "time", got)
    for name in TENSORS:
        assert torch.equal(getattr(got, name), getattr(want, name)), name


def test_the_same_whatever_the_chunks(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Sampled negatives too: the draw depends on the seed, not on what was read when."""
    rng = np.random.default_rng(3)
    lines = [f"{rng.zipf(1.4) % 30},{rng.zipf(1.4) % 50},{t}" for t in rng.integers(0, 99, 500)]
    small(tmp_path, lines, header="user_id,item_id,ts")
    path = schema(tmp_path, IMPLICIT)
    prepare_tables(path, tmp_path / "usual")
    usual = load_dataset(tmp_path / "usual")
    monkeypatch = pytest.MonkeyPatch()
    assemble = importlib.import_module("workbench.data.tables.assemble")
    with monkeypatch.context() as patch:
        patch.setattr(assemble, "_CHUNK_BYTES", 1)
        patch.setattr(assemble, "_SMALLEST_CHUNK", 11)
        prepare_tables(path, tmp_path / "tiny")
    tiny = load_dataset(tmp_path / "tiny")
    for name in TENSORS:
        assert torch.equal(getattr(usual, name), getattr(tiny, name)), name


IMPLICIT = """
version: 1
name: implicit
log: {file: log.csv}
user: user_id
item: item_id
time: {column: ts, format: order}
labels: [{name: interaction}]
negatives: {per_positive: 3, by: uniform, seed: 5}
split: {by: time}
features:
  - {name: user_id, side: user, id: true, values: whole}
  - {name: item_id, side: item, id: true, values: whole}
  - {name: history, table: history, kind: sequence, shares: item_id, max_length: 4, id: true}
counts:
  - {feature: user_id, event: interaction}
  - {feature: item_id, event: interaction}
"""


def _implicit(tmp_path: Path, text: str = IMPLICIT) -> tuple[Any, Dataset, dict[str, Any]]:
    rng = np.random.default_rng(1)
    log = np.stack(
        (rng.zipf(1.5, 400) % 20, rng.zipf(1.5, 400) % 60, np.sort(rng.integers(0, 90, 400))), 1
    )
    small(tmp_path, [",".join(map(str, row)) for row in log], header="user_id,item_id,ts")
    card = prepare_tables(schema(tmp_path, text), tmp_path / "out")
    return log, load_dataset(tmp_path / "out"), card


@pytest.mark.parametrize("by", ["uniform", "popularity"])
def test_negatives_know_nothing_of_later_parts(by: str, tmp_path: Path) -> None:
    log, data, card = _implicit(tmp_path, IMPLICIT.replace("uniform", by))
    users = np.unique(log[:, 0])[data.users.numpy()]
    items = np.unique(log[:, 1])[data.items.numpy()]
    label = data.labels[:, 0].numpy()
    assert (users[label == 1] == log[:, 0]).all()
    assert (items[label == 1] == log[:, 1]).all()
    part = np.zeros(len(label), int)
    for place, split in enumerate(("train", "valid", "test")):
        part[data.splits[split].numpy()] = place
    positive = np.flatnonzero(label == 1)
    owner = np.cumsum(label) - 1
    for place in range(3):
        known = log[part[positive] <= place]
        pairs = {(u, i) for u, i, _ in known.tolist()}
        pool = set(known[:, 1].tolist())
        drawn = (label == 0) & (part == place)
        assert drawn.any()
        for user, item in zip(users[drawn], items[drawn], strict=True):
            assert (user, item) not in pairs
            assert item in pool
        # They stand behind the event that they were drawn for, with its user and its part.
        assert (users[drawn] == log[owner[drawn], 0]).all()
        assert (part[positive][owner[drawn]] == place).all()
    assert card["negatives"]["not_found"] == 4 * len(log) - len(label)
    assert card["rows"] == len(label)
    assert card["positives_per_split"] == {
        split: int((part[positive] == place).sum())
        for place, split in enumerate(("train", "valid", "test"))
    }


def test_counts_of_negatives_are_those_of_their_moment(tmp_path: Path) -> None:
    log, data, _ = _implicit(tmp_path)
    label = data.labels[:, 0].numpy()
    owner = np.cumsum(label) - 1
    train = len(data.splits["train"][label[data.splits["train"].numpy()] == 1])
    items = np.unique(log[:, 1])[data.items.numpy()]
    seen_items = set(log[:train, 1].tolist())
    seen_users = set(log[:train, 0].tolist())
    for sample in range(0, len(label), 7):
        user, _, moment = log[owner[sample]]
        before = log[:train][log[:train, 2] < moment]
        counts = data.counts[sample].tolist()
        assert counts[0] == ((before[:, 0] == user).sum() if user in seen_users else 0)
        item = items[sample]
        assert counts[1] == ((before[:, 1] == item).sum() if item in seen_items else 0)


def test_another_seed_draws_other_items(tmp_path: Path) -> None:
    _, first, _ = _implicit(tmp_path)
    _, again, _ = _implicit(tmp_path)
    assert torch.equal(first.items, again.items)
    _, other, _ = _implicit(tmp_path, IMPLICIT.replace("seed: 5", "seed: 6"))
    assert not torch.equal(first.items[: len(other.items)], other.items[: len(first.items)])


def test_popular_items_are_drawn_more_often_by_popularity(tmp_path: Path) -> None:
    shares = []
    for by in ("uniform", "popularity"):
        log, data, _ = _implicit(tmp_path, IMPLICIT.replace("uniform", by))
        label = data.labels[:, 0].numpy()
        items = np.unique(log[:, 1])[data.items.numpy()]
        top = np.argsort(np.bincount(log[:, 1]))[-5:]
        shares.append(np.isin(items[label == 0], top).mean())
    assert shares[1] > 1.5 * shares[0]


def test_a_negative_of_a_random_split_leaves_its_event_out(tmp_path: Path) -> None:
    text = IMPLICIT.replace("by: time", "by: random").replace(
        "  - {feature: item_id, event: interaction}\n", ""
    )
    _, data, _ = _implicit(tmp_path, text)
    label = data.labels[:, 0].numpy()
    counts = data.counts[:, 0].numpy()
    owner = np.cumsum(label) - 1
    assert (counts == counts[label == 1][owner]).all()


def test_rows_and_reasons_add_up(tmp_path: Path) -> None:
    lines = balanced()
    lines[3] = "x,1,1"  # two faults in one row count once, under the first
    lines[5] = "1,2,7"
    lines[9] = "1,2"
    lines[11] = ",,"
    small(tmp_path, lines)
    path = schema(tmp_path)
    with pytest.raises(InputError, match=r"3 problems in log\.csv"):
        prepare_tables(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    card = prepare_tables(path, tmp_path / "out", drop_bad_rows=True)
    assert card["rows_read"] == 60
    assert card["rows"] + sum(card["dropped"].values()) == 60
    assert card["dropped"] == {
        "log.csv: empty row": 1,
        "log.csv: click: not a label": 1,
        "log.csv: user_id: not a whole number": 1,
        "log.csv: wrong number of fields": 1,
    }


def test_a_side_feature_that_differs_within_its_user(tmp_path: Path) -> None:
    lines = [f"{line},{'a' if row < 59 else 'b'}" for row, line in enumerate(balanced())]
    small(tmp_path, lines, header="user_id,item_id,click,town")
    text = TOWN.replace("SIDE", "user")
    with pytest.raises(InputError, match=r"town: side 'user', but not the same .* in row 61"):
        prepare_tables(schema(tmp_path, text), tmp_path / "out")
    prepare_tables(schema(tmp_path, text.replace("side: user}\nc", "}\nc")), tmp_path / "out")
    lines[59] = lines[59][:-1] + "a"
    small(tmp_path, lines, header="user_id,item_id,click,town")
    prepare_tables(schema(tmp_path, text), tmp_path / "out")
    assert load_dataset(tmp_path / "out").user_rows.shape == (7, 2)


TOWN = """
version: 1
name: small
log: {file: log.csv}
user: user_id
item: item_id
labels: [{name: click, column: click}]
features:
  - {name: user_id, side: user, id: true, values: whole}
  - {name: item_id, side: item, id: true, values: whole}
  - {name: town, side: user}
counts: []
"""


def test_rows_without_a_key_together(tmp_path: Path) -> None:
    lines = balanced()
    lines[::10] = [f",{line.split(',', 1)[1]}" for line in lines[::10]]
    small(tmp_path, lines)
    path = schema(tmp_path)
    with pytest.raises(
        InputError, match=r"user_id: missing key in row 2, row 12, .*missing_keys: together"
    ):
        prepare_tables(path, tmp_path / "out")
    path.write_text(path.read_text() + "missing_keys: together\n")
    card = prepare_tables(path, tmp_path / "out")
    data = load_dataset(tmp_path / "out")
    assert card["users"] == len(data.user_rows) == 8
    assert card["missing"] == {"user_id": 6}
    # The one entity of all rows without a user is served by [MASK] of the feature.
    slot = data.layout["user_id"]
    keyless = data.users[torch.arange(0, 60, 10)]
    assert (keyless == 7).all()
    assert data.user_rows[7].tolist() == [slot.mask_row]


def test_one_class_in_a_split_is_said(tmp_path: Path) -> None:
    small(tmp_path, [f"{row % 7},{row % 5},1" for row in range(60)])
    with pytest.raises(InputError, match="rows have click = 1; both classes are needed"):
        prepare_tables(schema(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_comments_are_kept_for_the_card(tmp_path: Path) -> None:
    path = schema(tmp_path, TRIO.format(split="time") + 'missing_keys: refuse  # said so: "#"\n')
    assert comments_of(path) == {
        "features.user_id": "the key",
        "missing_keys": 'said so: "#"',
    }


def test_side_of_facts(tmp_path: Path) -> None:
    trio(tmp_path)
    with (tmp_path / "users.csv").open("a") as file:
        file.write("1000,20\n")
    card = prepare_tables(schema(tmp_path, TRIO.format(split="time")), tmp_path / "out")
    assert card["joins"]["users"]["never in the log"] == 61 - card["users"]
    assert card["joins"]["items"]["of the log without a row there"] == 0
    assert card["items"] <= ITEMS
    tail = card["tail"]["device"]
    assert tail["values"] == 3
    assert tail["unseen_test_share"] == 0
    assert 0 < card["tail"]["user_id"]["rare_share"] < 1
    assert card["notes"]["activity"] == "training samples with the same user_id"
