"""Adapter weights against user activity."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.fake_runs import SCHEMA, fake_config, make_fake_run, make_hand_run
from workbench.errors import InputError
from workbench.insight.adapter_weights import (
    _start,
    adapter_heatmap,
    adapter_weight_slope,
    adapter_weights,
)
from workbench.runs import Run, RunStore

COLUMNS = [
    *("feature", "is_id", "bin", "order", "low", "high", "activity", "median", "q25", "q75"),
    *("ci_low", "ci_high", "users", "rows", "enough", "start"),
]


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def samples(
    user: list[int], activity: list[int], item_activity: list[int] | None = None
) -> pd.DataFrame:
    """Predictions of which only user and activities matter."""
    rows = len(user)
    return pd.DataFrame(
        {
            "sample": np.arange(rows),
            "user": user,
            "item": np.zeros(rows, int),
            "user_activity": activity,
            "item_activity": item_activity or [0] * rows,
            "label": np.arange(rows) % 2,
            "logit": np.zeros(rows),
        }
    )


def same_for_all(weight: list[float], contribution: float = 9.0) -> pd.DataFrame:
    """The same weights for every feature of the schema."""
    columns: dict[str, object] = {f"w:{name}": weight for name in SCHEMA.names}
    columns |= {f"c:{name}": [contribution] * len(weight) for name in SCHEMA.names}
    return pd.DataFrame(columns)


def three_users(runs: RunStore, **overrides: dict[str, object]) -> Run:
    """User 7: 0.2 and 0.4; user 5: 0.7, both new; user 6: 0.9 with 4 training rows."""
    return make_hand_run(
        runs,
        f"three{len(runs.list())}",
        overrides=overrides,
        predictions=samples([7, 5, 6, 7], [0, 0, 4, 0]),
        weights=same_for_all([0.2, 0.7, 0.9, 0.4]),
    )


def test_users_are_averaged_before_the_median(runs: RunStore) -> None:
    frame = adapter_weights(three_users(runs))
    assert frame.columns.tolist() == COLUMNS
    here = frame[frame["feature"] == "user_id"].reset_index(drop=True)
    # New users have means 0.3 and 0.7; rows alone would have the median 0.4.
    assert here["bin"].tolist() == ["0", "3-4"]
    assert here["order"].tolist() == [0, 3]
    assert here["low"].tolist() == [0, 3]
    assert here["high"].tolist() == [0, 4]
    assert here["activity"].tolist() == [0, 4]
    assert here["median"].tolist() == pytest.approx([0.5, 0.9])
    assert here["q25"].tolist() == pytest.approx([0.4, 0.9])
    assert here["q75"].tolist() == pytest.approx([0.6, 0.9])
    assert here["users"].tolist() == [2, 1]
    assert here["rows"].tolist() == [3, 1]
    assert here["enough"].tolist() == [False, False]
    assert here["start"].tolist() == [0.5, 0.5]
    # Of two users a draw has one twice or both: 0.3, 0.5 or 0.7. One user tells no spread.
    assert here.loc[0, ["ci_low", "ci_high"]].tolist() == pytest.approx([0.3, 0.7])
    assert here.loc[1, ["ci_low", "ci_high"]].isna().all()


def test_id_features_come_first_then_the_schema_order(runs: RunStore) -> None:
    frame = adapter_weights(three_users(runs))
    assert frame["feature"].drop_duplicates().tolist() == [
        *("user_id", "item_id", "artist_id"),
        *("gender", "age", "genres"),
    ]
    is_id = frame.drop_duplicates("feature").set_index("feature")["is_id"]
    assert is_id.to_dict() == {feature.name: feature.is_id for feature in SCHEMA.features}


def test_start_follows_the_weight_scale(runs: RunStore) -> None:
    run = three_users(runs, framework={"weight_scale": 2.0})
    assert set(adapter_weights(run)["start"]) == {1.0}


def test_a_gate_whose_layers_are_drawn_has_no_start() -> None:
    def start(senet: dict[str, str]) -> float:
        return _start(fake_config("base", overrides={"rival": {"name": "senet", "senet": senet}}))

    assert start({}) == 0.5
    assert math.isnan(start({"activation": "relu"}))


def test_contributions_have_their_own_columns_and_no_start(runs: RunStore) -> None:
    frame = adapter_weights(three_users(runs), quantity="contribution")
    assert set(frame["median"]) == {9.0}
    assert frame["start"].isna().all()


def test_enough_starts_at_thirty_users(runs: RunStore) -> None:
    user = list(range(59))
    run = make_hand_run(
        runs,
        "many",
        predictions=samples(user, [1] * 29 + [2] * 30),
        weights=same_for_all([0.5] * 59),
    )
    frame = adapter_weights(run)
    here = frame[frame["feature"] == "user_id"]
    assert here["users"].tolist() == [29, 30]
    assert here["enough"].tolist() == [False, True]


def test_an_activity_beyond_the_grid_has_a_bin(runs: RunStore) -> None:
    run = make_hand_run(
        runs, "far", predictions=samples([1], [3 * 10**9]), weights=same_for_all([0.5])
    )
    frame = adapter_weights(run)
    assert set(frame["bin"]) == {"1000000000+"}
    assert set(frame["high"]) == {3 * 10**9}


def test_the_order_of_the_rows_does_not_matter(runs: RunStore) -> None:
    run = make_fake_run(runs, variant="full")
    shuffle = np.random.default_rng(0).permutation(2000)
    predictions, weights = run.table("predictions"), run.table("weights")
    other = make_hand_run(
        runs,
        "shuffled",
        predictions=predictions.iloc[shuffle],
        weights=weights.iloc[shuffle],
    )
    pd.testing.assert_frame_equal(adapter_weights(run), adapter_weights(other))


def test_against_a_computation_with_pandas(runs: RunStore) -> None:
    run = make_fake_run(runs, variant="full")
    frame = adapter_weights(run)
    predictions = run.table("predictions")
    value = run.table("weights")["w:age"].astype(float)
    users = pd.DataFrame(
        {
            "value": value.groupby(predictions["user"]).mean(),
            "activity": predictions.groupby("user")["user_activity"].first(),
        }
    )
    for row in frame[frame["feature"] == "age"].to_dict("records"):
        here = users[users["activity"].between(row["low"], row["high"])]
        assert row["users"] == len(here)
        assert row["median"] == pytest.approx(here["value"].median())
        assert row["activity"] == here["activity"].median()
        if row["users"] > 1:
            assert row["ci_low"] <= row["median"] <= row["ci_high"]
    assert frame.groupby("feature")["rows"].sum().tolist() == [2000] * 6


def test_slope_of_an_exact_line(runs: RunStore) -> None:
    activity = [0, 1, 5, 40, 300, 300]
    weight = (0.2 + 0.1 * np.log1p(activity)).tolist()
    run = make_hand_run(
        runs,
        "line",
        predictions=samples([1, 2, 3, 4, 5, 5], activity),
        weights=same_for_all(weight),
    )
    slope = adapter_weight_slope(run, "user_id")
    assert slope == pytest.approx((0.1, 0.1, 0.1))


def test_slope_is_per_user_and_rises_where_it_should(runs: RunStore) -> None:
    run = make_fake_run(runs, variant="full")
    rising, flat = adapter_weight_slope(run, "user_id"), adapter_weight_slope(run, "gender")
    assert 0 < rising.low < rising.value < rising.high
    assert flat.low < 0 < flat.high
    predictions = run.table("predictions")
    mean = run.table("weights")["w:user_id"].astype(float).groupby(predictions["user"]).mean()
    activity = predictions.groupby("user")["user_activity"].first()
    assert rising.value == pytest.approx(np.polyfit(np.log1p(activity), mean, 1)[0])


def test_heatmap_by_hand(runs: RunStore) -> None:
    run = make_hand_run(
        runs,
        "heat",
        predictions=samples([1, 1, 2, 3], [0, 0, 5, 7], [5, 5, 0, 1200]),
        weights=same_for_all([0.2, 0.4, 0.6, 0.8]),
    )
    cells = adapter_heatmap(run, "item_id").to_dict("records")
    assert [list(cell.values()) for cell in cells] == [
        ["0", 0, "3-9", 2, pytest.approx(0.3), 2, 1],
        ["3-9", 2, "0", 0, pytest.approx(0.6), 1, 1],
        ["3-9", 2, "1000+", 7, pytest.approx(0.8), 1, 1],
    ]
    assert list(cells[0]) == [
        *("user_bucket", "user_order", "item_bucket", "item_order", "weight", "rows", "users")
    ]


def test_a_run_without_adapter_is_refused(runs: RunStore) -> None:
    run = make_fake_run(runs, variant="mask", name="masked")
    for ask in (adapter_weights, lambda run: adapter_heatmap(run, "age")):
        with pytest.raises(InputError, match=r"'masked' \(variant mask\) has no adapter weights"):
            ask(run)


def test_unknown_names_and_tables_that_do_not_fit_are_refused(runs: RunStore) -> None:
    run = three_users(runs)
    with pytest.raises(InputError, match="no column 'w:colour'"):
        adapter_weight_slope(run, "colour")
    with pytest.raises(InputError, match="quantity 'size': allowed: weight, contribution"):
        adapter_weights(run, quantity="size")  # type: ignore[arg-type]
    short = make_hand_run(
        runs, "short", predictions=samples([1, 2], [0, 0]), weights=same_for_all([0.5])
    )
    with pytest.raises(InputError, match=r"weights\.parquet has 1 rows, predictions\.parquet 2"):
        adapter_weights(short)
