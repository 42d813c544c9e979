"""A streamed data set answers as the same data in memory does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.stream.numbered import numbered, streamed
from tests.data.tiny import SPLITS as TINY_SPLITS
from tests.data.tiny import tiny_raw
from workbench.config import DataConfig
from workbench.data.dataset import Batch, Dataset
from workbench.data.encode import build_dataset
from workbench.data.encoding import encoding_of
from workbench.data.perturb import hide_values
from workbench.data.store import load_dataset
from workbench.data.stream.dataset import StreamedDataset
from workbench.data.stream.save import save_streamed
from workbench.errors import InputError

PAIRS = ("tiny", "planted")
Pair = tuple[Dataset, StreamedDataset, StreamedDataset]


@pytest.fixture(scope="module")
def pairs(
    tmp_path_factory: pytest.TempPathFactory, small_world: Dataset
) -> dict[str, tuple[Dataset, StreamedDataset, StreamedDataset]]:
    """In memory; streamed with held-out rows in memory; streamed altogether."""
    tiny = build_dataset(tiny_raw(), DataConfig(source="tiny"), TINY_SPLITS)
    made = {}
    for name, dataset, group_rows in (("tiny", tiny, 2), ("planted", small_world, 100)):
        folder = tmp_path_factory.mktemp(name) / "out"
        save_streamed(dataset, folder, group_rows=group_rows)
        places = [load_dataset(folder, held_out=place) for place in ("memory", "disk")]
        assert all(isinstance(place, StreamedDataset) for place in places)
        made[name] = (dataset, *places)
    return made  # type: ignore[return-value]


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest, pairs: dict[str, Pair]) -> Pair:
    return pairs[request.param]


def same(first: Batch, second: Batch) -> bool:
    return all(
        torch.equal(getattr(first, name), getattr(second, name))
        and getattr(first, name).dtype == getattr(second, name).dtype
        for name in ("rows", "counts", "labels")
    )


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_batches_in_the_stored_order_are_the_same(pair: Pair, split: str) -> None:
    memory, *streams = pair
    for stream in streams:
        assert stream.rows_in(split) == memory.rows_in(split)
        assert stream.steps(split, 256) == memory.steps(split, 256)
        both = zip(memory.batches(split, 256), stream.batches(split, 256), strict=True)
        assert all(same(first, second) for first, second in both)
        assert same(memory.head(split, 3), stream.head(split, 3))
        assert same(memory.head(split, 10**6), stream.head(split, 10**6))


@pytest.mark.parametrize("split", ["valid", "test"])
def test_keys_of_held_out_rows_are_the_same(pair: Pair, split: str) -> None:
    memory, here, on_disk = pair
    for stream in (here, on_disk):
        for first, second in zip(memory.keys(split)[1:], stream.keys(split)[1:], strict=True):
            assert torch.equal(first, second)
            assert first.dtype == second.dtype
    # Numbers are those of the rows in memory, wherever the rows are.
    assert torch.equal(here.keys(split).samples, on_disk.keys(split).samples)
    assert same(here.batch(here.keys(split).samples), memory.head(split, 10**6))


def test_facts_of_the_training_rows_are_the_same(pair: Pair) -> None:
    memory, *streams = pair
    for stream in streams:
        assert torch.equal(stream.activity(), memory.activity())
        assert torch.equal(stream.popularity(), memory.popularity())
        for feature in memory.schema.id_features:
            counts = stream.training_counts(feature.name)
            assert torch.equal(counts, memory.training_counts(feature.name)), feature.name


def test_moments_are_those_of_the_training_rows(pair: Pair) -> None:
    memory, stream, _ = pair
    logs = np.log1p(memory.counts[memory.splits["train"]].numpy().astype(np.float64))
    mean, deviation = stream.log_count_moments()
    np.testing.assert_allclose(mean, logs.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, logs.std(axis=0), rtol=1e-6, atol=1e-7)


def test_a_new_row_is_encoded_the_same(pair: Pair) -> None:
    memory, *streams = pair
    expected = encoding_of(memory)
    for stream in streams:
        found = encoding_of(stream)
        assert found.schema == expected.schema
        assert found.layout == expected.layout
        assert found.vocabularies == expected.vocabularies
        for ours, theirs in ((found.totals, expected.totals), (found.recent, expected.recent)):
            assert list(ours) == list(theirs)
            for name, values in theirs.items():
                assert ours[name].dtype == values.dtype
                assert np.array_equal(ours[name], values), name


def test_histories_follow_the_last_rows_over_many_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tiny` is counted in chunks of two rows here: 10's positives among rows 0 to 5 are items 20,
    21 and 22 in this order, of which the newest two stay; 11 has item 21.
    """
    monkeypatch.setattr("workbench.data.stream.writer._GROUPS_AT_ONCE", 2)
    monkeypatch.setattr("workbench.data.stream.save._ROWS_AT_ONCE", 1)
    dataset = build_dataset(tiny_raw(), DataConfig(source="tiny"), TINY_SPLITS)
    save_streamed(dataset, tmp_path / "out", group_rows=1)
    recent = encoding_of(load_dataset(tmp_path / "out")).recent["history"]
    # Codes of users 10 and 11 are 1 and 2; those of items 20, 21, 22 are 1, 2, 3.
    assert recent.tolist() == [[0, 0], [3, 2], [2, 0]]


def test_the_truth_of_the_planted_world_covers_the_held_out_rows(pairs: dict[str, Pair]) -> None:
    memory, here, on_disk = pairs["planted"]
    assert memory.truth is not None
    assert here.truth is not None
    assert on_disk.truth is not None
    index = torch.cat([memory.splits["valid"], memory.splits["test"]]).numpy()
    assert np.array_equal(here.truth.probability, memory.truth.probability[index])
    assert len(here.truth.probability) == len(here)
    assert len(on_disk.truth.probability) == len(on_disk) == 0
    assert here.truth.importance.equals(memory.truth.importance)


def test_training_rows_cannot_be_asked_for_by_number(pairs: dict[str, Pair]) -> None:
    _, here, on_disk = pairs["tiny"]
    with pytest.raises(InputError, match="tiny: its train rows are streamed from disk"):
        here.splits["train"]
    with pytest.raises(InputError, match="tiny: its test rows are streamed from disk"):
        on_disk.splits["test"]
    with pytest.raises(KeyError):
        here.splits["tests"]
    with pytest.raises(InputError, match="keeps training counts of user, item"):
        here.training_counts("place")


def test_held_out_values_can_be_hidden(pairs: dict[str, Pair]) -> None:
    """Robustness is tested on held-out rows, which are in memory."""
    memory, here, _ = pairs["planted"]
    hidden = hide_values(here, 1.0, seed=0, split="test")
    expected = hide_values(memory, 1.0, seed=0, split="test")
    assert same(hidden.head("test", 50), expected.head("test", 50))


def test_large_held_out_parts_stay_on_disk_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed(tmp_path / "s", train=100)
    # 50 held-out rows of 4 columns of 4 bytes and a label of one take 850 bytes.
    for free, kept in ((4 * 850, ["valid", "test"]), (4 * 850 - 1, [])):
        monkeypatch.setattr("workbench.data.stream.opening.available_bytes", lambda n=free: n)
        assert list(load_dataset(tmp_path / "s").splits) == kept
        told = load_dataset(tmp_path / "s", held_out="memory")
        assert list(told.splits) == ["valid", "test"]


def test_windows_larger_than_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed(tmp_path / "s", train=1000)
    # Two windows of 500 rows of 17 bytes and 8 for their order.
    monkeypatch.setattr("workbench.memory.available_bytes", lambda: 24_999)
    with pytest.raises(InputError, match=r"data\.shuffle_rows = 500: two windows of 500 rows"):
        load_dataset(tmp_path / "s", window_rows=500, held_out="disk")
    monkeypatch.setattr("workbench.memory.available_bytes", lambda: 25_000)
    load_dataset(tmp_path / "s", window_rows=500, held_out="disk")


def test_a_copy_on_a_device_streams_to_it(tmp_path: Path) -> None:
    data = streamed(tmp_path / "s", train=100).to("cpu")
    assert isinstance(data, StreamedDataset)
    assert sum(len(batch) for batch in data.batches("train", 30, torch.Generator())) == 100
    with pytest.raises(InputError, match="numbered: its train rows are streamed"):
        data.splits["train"]


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_of_the_cpu(tmp_path: Path) -> None:
    host = streamed(tmp_path / "s")
    device = host.to("cuda")
    both = zip(
        StreamedDataset.batches(host, "train", 90),
        StreamedDataset.batches(device, "train", 90),
        strict=True,
    )
    for first, second in both:
        assert second.rows.is_cuda
        moved = Batch(second.rows.cpu(), second.counts.cpu(), second.labels.cpu())
        assert same(first, moved)


def test_the_data_in_memory_is_not_the_source_of_the_stream(tmp_path: Path) -> None:
    """What is written is a copy: the data set may go."""
    dataset = numbered(100)
    save_streamed(dataset, tmp_path / "s", group_rows=7)
    dataset.counts.fill_(-1)
    found = load_dataset(tmp_path / "s")
    assert torch.cat([b.counts for b in found.batches("train", 9)])[:, 0].tolist() == list(
        range(100)
    )
