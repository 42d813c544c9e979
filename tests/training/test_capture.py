"""Which batches are replayed and when a step is recorded again, with recording itself replaced."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from workbench.data.dataset import Batch
from workbench.training import capture
from workbench.training.capture import WARM_UP_STEPS, CapturedStep


def batch_of(size: int, value: int) -> Batch:
    rows = torch.full((size, 1), value)
    return Batch(rows, rows.float(), rows.float())


class Recording:
    """Stands in for a graph: keeps what it was recorded for, and does the work when replayed."""

    made: list[int]

    def __init__(self, work, batch, state, generators) -> None:  # type: ignore[no-untyped-def]
        self.state, self.work = state, work
        Recording.made.append(state)

    def __call__(self, batch: Batch) -> Tensor:
        self.work(batch)
        return batch.rows[0] + 1000


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first row of every batch that was worked on, in order."""
    Recording.made = []
    monkeypatch.setattr(capture, "_Recorded", Recording)
    monkeypatch.setattr(CapturedStep, "_aside", lambda self, batch: self._work(batch))
    return []


def test_every_batch_is_worked_on_once_and_rerecorded_when_something_moves(
    eager: list[int],
) -> None:
    now = [0]

    def work(batch: Batch) -> Tensor:
        eager.append(int(batch.rows[0]))
        return batch.rows[0]

    step = CapturedStep(work, lambda: now[0], 4, [])
    results = []
    for number in range(WARM_UP_STEPS + 6):
        size = 3 if number == WARM_UP_STEPS + 1 else 4  # a ragged batch in between
        now[0] = number // (WARM_UP_STEPS + 4)  # moves once
        results.append(int(step(batch_of(size, number))))
    assert eager == list(range(WARM_UP_STEPS + 6))
    replayed = [i for i, result in enumerate(results) if result >= 1000]
    first = WARM_UP_STEPS
    assert replayed == [first, first + 2, first + 3, first + 4, first + 5]
    assert Recording.made == [0, 1]
