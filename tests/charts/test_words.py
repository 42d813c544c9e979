"""Numbers in words."""

from __future__ import annotations

import math

import pytest

from workbench.charts import words


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.number(0.41234), "0.412"),
        (words.number(math.nan), "unknown"),
        (words.signed(0.00123), "+0.0012"),
        (words.signed(-0.00001), "+0.0000"),
        (words.signed(math.inf), "unknown"),
        (words.percent(0.0053), "+0.53%"),
        (words.percent(-0.0053, 1), "-0.5%"),
        (words.percent(math.nan), "unknown"),
        (words.interval(0.4, 0.5), "95% interval 0.400 to 0.500"),
        (words.interval(-0.01, 0.02, 2, sign=True), "95% interval -0.01 to +0.02"),
        (words.interval(math.nan, math.nan), "no interval: too few users"),
        (words.count(1, "user"), "1 user"),
        (words.count(1200, "user"), "1,200 users"),
        (words.count(2, "entity", "entities"), "2 entities"),
        (words.listing([]), "none"),
        (words.listing(["a"]), "a"),
        (words.listing(["a", "b", "c"]), "a, b and c"),
        (words.listing(["a", "b", "c", "d", "e"]), "a, b, c and 2 more"),
        (words.feature_title("user_id"), "User ID"),
        (words.feature_title("play_time"), "Play time"),
        (words.feature_title("id"), "ID"),
        (words.activities(0, 0), "0"),
        (words.activities(3, 9), "3 to 9"),
        (words.activities(1000, math.inf), "1,000 and more"),
    ],
)
def test_words(said: str, expected: str) -> None:
    assert said == expected
