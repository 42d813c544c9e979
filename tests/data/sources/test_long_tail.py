from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from workbench.data.sources.long_tail import head_share, long_tail_counts


@pytest.mark.parametrize("tail", [0.0, 1.0, 1.8, 2.486])
def test_head_share_is_that_of_a_log_normal(tail: float) -> None:
    # By simulation: the share of the sum that the top 5% of a million draws hold.
    draws = np.sort(np.exp(tail * norm.ppf((np.arange(1_000_000) + 0.5) / 1_000_000)))
    assert head_share(tail) == pytest.approx(draws[-50_000:].sum() / draws.sum(), abs=2e-3)


def test_two_and_a_half_makes_eighty_percent() -> None:
    assert head_share(2.486) == pytest.approx(0.8, abs=2e-4)


@pytest.mark.parametrize("entities", [400, 8_000, 20_000])
@pytest.mark.parametrize("tail", [0.5, 1.8, 2.486])
def test_counts_have_the_head_share_at_every_size(entities: int, tail: float) -> None:
    total = 25 * entities
    counts = long_tail_counts(total, entities, tail)
    assert counts.sum() == total
    assert counts.min() >= 1
    head = np.sort(counts)[-entities // 20 :].sum() / total
    assert head == pytest.approx(head_share(tail), abs=1e-3)


def test_nobody_holds_more_than_one_percent() -> None:
    counts = long_tail_counts(200_000, 8_000, 2.486)
    assert counts.max() <= 2_000
    # A long tail: the median user has a sample or two.
    assert np.median(counts) <= 2


@pytest.mark.parametrize(
    ("total", "entities", "tail"),
    [(100, 1, 2.0), (100, 2, 1.8), (100, 4, 2.486), (100, 100, 2.486), (50, 80, 1.0), (999, 40, 8)],
)
def test_small_worlds_still_sum_up(total: int, entities: int, tail: float) -> None:
    counts = long_tail_counts(total, entities, tail)
    assert len(counts) == entities
    assert counts.sum() == total
    assert counts.min() >= 0
