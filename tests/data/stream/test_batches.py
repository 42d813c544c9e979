"""An epoch from disk: every row exactly once, from any place on, in any number of processes."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.stream.numbered import in_one, numbers, streamed
from workbench.data.stream.batches import StreamedBatches
from workbench.data.stream.dataset import StreamedDataset
from workbench.errors import InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> StreamedDataset:
    return streamed(tmp_path_factory.mktemp("stream") / "numbered")


def epoch(data: StreamedDataset, batch_size: int = 90, seed: int = 0, **more: Any) -> Any:
    """The batches of an epoch drawn from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    return data.batches("train", batch_size, generator, **more)


@pytest.mark.parametrize(
    ("group_rows", "window_rows", "batch_size"),
    [(64, 200, 90), (64, 1, 7), (64, 10**6, 333), (1000, 10, 1000), (7, 50, 200), (1, 1, 999)],
)
def test_every_row_exactly_once(
    tmp_path: Path, group_rows: int, window_rows: int, batch_size: int
) -> None:
    data = streamed(tmp_path / "s", group_rows=group_rows, window_rows=window_rows)
    for seed in (0, 1):
        found = numbers(epoch(data, batch_size, seed))
        assert [len(batch) for batch in found[:-1]] == [batch_size] * (len(found) - 1)
        assert len(found) == data.steps("train", batch_size)
        assert sorted(number for batch in found for number in batch) == list(range(1000))


def test_epochs_differ_and_the_stored_order_stays(data: StreamedDataset) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (in_one(data.batches("train", 90, generator)) for _ in range(2))
    assert first != second
    assert first != sorted(first)
    assert in_one(data.batches("train", 90)) == list(range(1000))


def test_a_batch_mixes_rows_from_all_over_the_files(data: StreamedDataset) -> None:
    """A window has three of the 16 row groups: a batch of 90 rows takes a part of each."""
    first = numbers(epoch(data))[0]
    groups = {number // 64 for number in first}
    assert len(groups) == 3
    assert max(sum(n // 64 == group for n in first) for group in groups) < 64


@pytest.mark.parametrize("start", range(13))
def test_an_epoch_goes_on_from_any_batch(data: StreamedDataset, start: int) -> None:
    assert numbers(epoch(data, start=start)) == numbers(epoch(data))[start:]


@pytest.mark.parametrize("step", range(13))
def test_a_kept_position_is_taken_up(data: StreamedDataset, step: int) -> None:
    whole = numbers(epoch(data))
    broken = epoch(data)
    seen = numbers(next(broken) for _ in range(min(step, 12)))
    kept = json.loads(json.dumps(broken.state_dict()))
    broken.close()
    fresh = epoch(data, seed=77)  # another epoch, already begun: the position replaces it
    next(fresh)
    fresh.load_state_dict(kept)
    assert len(fresh) == len(whole) - len(seen)
    assert seen + numbers(fresh) == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 91}, "batch_size = 91; here: 90"),
        ({"rows": 999}, "rows = 999; here: 1000"),
        ({"window_rows": None}, "window_rows = None; here: 200"),
        ({"world": 2}, "world = 2; here: 1"),
        ({"step": 13}, "step = 13: must be from 0 to 12"),
        ({"step": -1}, "step = -1"),
        ({"step": 1.0}, "step = 1.0"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": "x"}, "seed = x"),
    ],
)
def test_a_position_of_something_else_is_refused(
    data: StreamedDataset, change: dict[str, Any], message: str
) -> None:
    batches = epoch(data)
    with pytest.raises(InputError, match=f"position in a stream: {message}"):
        batches.load_state_dict(batches.state_dict() | change)
    batches.close()


@pytest.mark.parametrize(("world", "batch_size"), [(2, 90), (3, 100), (4, 333), (7, 1000)])
def test_processes_share_every_batch(data: StreamedDataset, world: int, batch_size: int) -> None:
    shares = [numbers(epoch(data.shared_out(rank, world), batch_size)) for rank in range(world)]
    assert {len(share) for share in shares} == {data.steps("train", batch_size)}
    for parts in zip(*shares, strict=True):
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
    assert sorted(n for share in shares for part in share for n in part) == list(range(1000))
    assert sum(len(part) for part in next(zip(*shares, strict=True))) == batch_size


def test_more_processes_than_rows_in_the_last_batch(tmp_path: Path) -> None:
    """Nine rows in batches of 8: of eight processes the last one trains on the ninth."""
    data = streamed(tmp_path / "s", train=9)
    shares = [numbers(epoch(data.shared_out(rank, 8), 8)) for rank in range(8)]
    assert [[len(part) for part in share] for share in shares] == [[1, 0]] * 7 + [[1, 1]]
    assert sorted(n for share in shares for part in share for n in part) == list(range(9))


def test_a_share_goes_on_from_any_batch(data: StreamedDataset) -> None:
    share = data.shared_out(1, 3)
    whole = numbers(epoch(share))
    assert [numbers(epoch(share, start=start)) for start in range(13)] == [
        whole[start:] for start in range(13)
    ]


def test_held_out_rows_are_whole_in_every_process(data: StreamedDataset) -> None:
    share = data.shared_out(1, 2)
    assert in_one(share.batches("valid", 16)) == list(range(1000, 1030))


def reading() -> list[str]:
    """Names of threads that read ahead."""
    return [t.name for t in threading.enumerate() if t.name.startswith("read-ahead")]


def test_the_thread_ends_with_the_iterator(data: StreamedDataset) -> None:
    for let_go in (lambda batches: batches.close(), lambda batches: list(batches)):
        batches = epoch(data)
        assert isinstance(batches, StreamedBatches)
        next(batches)
        assert reading()
        let_go(batches)
        assert not reading()
    batches = epoch(data)
    next(batches)
    del batches
    assert not reading()


def test_a_file_that_goes_away_while_training_is_named(tmp_path: Path) -> None:
    data = streamed(tmp_path / "s")
    batches = epoch(data)
    next(batches)
    (tmp_path / "s" / "train-00000.parquet").unlink()
    with pytest.raises(InputError, match=r"train-00000\.parquet: cannot be read") as refusal:
        list(batches)
    assert "\n" not in str(refusal.value)
    assert not reading()
