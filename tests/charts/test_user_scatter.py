"""The scatter of users, and what is said about it."""

from __future__ import annotations

import math

import pandas as pd

from workbench.charts import style, user_scatter

FRAME = pd.DataFrame({"code": [4, 9], "activity": [1, 400], "norm": [0.1, 0.5]})
KNOWN = pd.Series({"correlation": 0.5, "ci_low": 0.4, "ci_high": 0.6, "users": 1200})


def test_a_point_per_user_and_a_ring_around_one() -> None:
    spec = user_scatter.chart(FRAME, KNOWN, variant="mask", code=9).to_dict()
    points, ring = spec["layer"]
    assert points["mark"]["color"] == style.COLOURS["mask"]
    assert points["encoding"]["x"]["scale"]["type"] == "log"
    assert points["encoding"]["x"]["scale"]["domain"][1] >= 400
    assert points["encoding"]["y"]["scale"]["domain"] == [0, 1.05 * 0.5]
    assert ring["transform"] == [{"filter": "datum.code == 9"}]
    assert len(user_scatter.chart(FRAME, KNOWN).to_dict()["layer"]) == 1


def test_the_sentence_says_how_many_are_drawn() -> None:
    assert user_scatter.sentence(FRAME, KNOWN) == (
        "Rank correlation of activity and norm over 1,200 users: +0.50 (95% interval +0.40 to "
        "+0.60); 2 are drawn."
    )
    few = pd.Series({"correlation": math.nan, "ci_low": math.nan, "ci_high": math.nan, "users": 2})
    assert user_scatter.sentence(FRAME, few) == (
        "Rank correlation of activity and norm over 2 users: unknown (no interval: too few users); "
        "all are drawn."
    )
