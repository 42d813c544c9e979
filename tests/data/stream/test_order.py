"""The plan of an epoch: every row once, whatever the sizes, and every place can be found again."""

from __future__ import annotations

import itertools

import pytest

from workbench.data.stream.order import Cut, Order, Share, Window
from workbench.data.stream.parts import PartFile
from workbench.errors import InputError

FILES = tuple(PartFile(file=f"train-{i:05d}.parquet", rows=n) for i, n in enumerate((70, 7, 33)))
GROUP = 10


def rows_of(window: Window) -> list[tuple[int, int]]:
    """(file, row in the file) of a window's rows, before they are shuffled."""
    return [
        (piece.file, piece.group * GROUP + row)
        for piece in window.pieces
        for row in range(piece.start, piece.stop)
    ]


ALL = [(file, row) for file, size in enumerate((70, 7, 33)) for row in range(size)]


@pytest.mark.parametrize("seed", [None, 0, 1, 2**62])
@pytest.mark.parametrize("window_rows", [1, 10, 25, 109, 110, 10**9])
def test_every_row_once_and_windows_within_their_size(window_rows: int, seed: int | None) -> None:
    windows = [w for w, _ in Order(FILES, GROUP, window_rows, seed).windows(0, 110)]
    assert sorted(row for window in windows for row in rows_of(window)) == ALL
    assert all(window.rows == len(rows_of(window)) for window in windows)
    assert all(window.rows <= max(window_rows, GROUP) for window in windows)


def test_the_stored_order_is_that_of_the_files() -> None:
    windows = Order(FILES, GROUP, 25, None).windows(0, 110)
    assert [row for window, _ in windows for row in rows_of(window)] == ALL
    assert all(window.seed is None for window, _ in windows)


def test_a_window_mixes_row_groups_from_everywhere() -> None:
    """12 row groups in windows of three: in the stored order a window would hold neighbours."""
    first = Order(FILES, GROUP, 30, 5).windows(0, 110)[0][0]
    places = sorted((piece.file, piece.group) for piece in first.pieces)
    assert len(places) >= 3
    assert any(a[0] != b[0] or b[1] - a[1] > 1 for a, b in itertools.pairwise(places))


def test_the_order_follows_from_the_seed() -> None:
    first, again, other = (Order(FILES, GROUP, 30, seed).windows(0, 110) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    seeds = [window.seed for window, _ in first]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("seed", [None, 9])
def test_rows_left_out_at_the_beginning_leave_the_rest_as_it_was(seed: int | None) -> None:
    order = Order(FILES, GROUP, 25, seed)
    whole = order.windows(3, 101)
    for skip in range(98):
        rest = order.windows(3, 101, skip)
        assert [window for window, _ in rest] == [w for w, _ in whole][-len(rest) :]
        left = [n - left_out for (w, left_out) in rest for n in [w.rows]]
        assert sum(left) == 98 - skip
        assert all(left_out == 0 for _, left_out in rest[1:])
    assert order.windows(3, 101, 98) == []


def test_shares_by_hand() -> None:
    """Ten rows in batches of 4, 4 and 2 over three processes: 4 is cut into 1, 1, 2 rows and 2
    into 0, 1, 1.
    """
    cuts = [Cut(10, 4, Share(rank, 3)) for rank in range(3)]
    assert [cut.steps for cut in cuts] == [3, 3, 3]
    assert [[cut.until(step) for step in range(4)] for cut in cuts] == [
        [0, 1, 2, 2],
        [0, 1, 2, 3],
        [0, 2, 4, 5],
    ]
    assert [cut.begin for cut in cuts] == [0, 2, 5]


@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize(("rows", "batch_size"), [(110, 8), (110, 11), (110, 64), (5, 8), (1, 8)])
def test_shares_tile_the_epoch_and_every_batch(rows: int, batch_size: int, world: int) -> None:
    cuts = [Cut(rows, batch_size, Share(rank, world)) for rank in range(world)]
    end = 0
    for cut in cuts:
        assert cut.begin == end
        end += cut.until(cut.steps)
    assert end == rows
    for step in range(cuts[0].steps):
        own = [cut.until(step + 1) - cut.until(step) for cut in cuts]
        assert sum(own) == min(batch_size, rows - step * batch_size)
        assert max(own) - min(own) <= 1


@pytest.mark.parametrize(("rank", "world"), [(-1, 2), (2, 2), (0, 0)])
def test_a_process_that_is_not_there_is_refused(rank: int, world: int) -> None:
    with pytest.raises(InputError, match=f"rank {rank} of {world} processes"):
        Share(rank, world)


def test_a_batch_smaller_than_the_processes_is_refused() -> None:
    with pytest.raises(InputError, match="a batch of 2 rows for 3 processes"):
        Cut(10, 2, Share(0, 3))
