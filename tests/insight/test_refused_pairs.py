"""Runs that cannot be compared are refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fake_runs import make_fake_run, make_hand_run
from workbench.errors import InputError
from workbench.insight.auc_by_bucket import auc_by_bucket
from workbench.insight.compare import compare
from workbench.runs import Run, RunStore


def changed(store: RunStore, run: Run, name: str, column: str) -> Run:
    rows = run.table("predictions")
    rows[column] = 1 - rows[column] if column == "label" else rows[column] + 1
    return make_hand_run(store, name, predictions=rows)


@pytest.mark.parametrize(
    "column", ["sample", "user", "item", "user_activity", "item_activity", "label"]
)
def test_runs_on_other_samples_are_refused(
    runs: dict[tuple[str, int], Run], store: RunStore, column: str
) -> None:
    base = runs["base", 0]
    other = changed(store, base, "other", column)
    reason = f"'{base.name}' and 'other' cannot be paired.*different {column}"
    with pytest.raises(InputError, match=reason):
        auc_by_bucket([base], [other])
    with pytest.raises(InputError, match=reason):
        compare(base, [other])


def test_other_refusals(runs: dict[tuple[str, int], Run], store: RunStore) -> None:
    base, full = runs["base", 0], runs["full", 0]
    shorter = make_hand_run(store, "short", predictions=base.table("predictions")[:1999])
    with pytest.raises(InputError, match="2000 against 1999 rows"):
        auc_by_bucket([base], [shorter])
    with pytest.raises(InputError, match=r"has seed 1, the base runs have 0: runs are paired by"):
        auc_by_bucket([base], [runs["full", 1]])
    with pytest.raises(InputError, match="the base runs must differ by their seed only"):
        auc_by_bucket([base, runs["mask", 1]], [full])
    with pytest.raises(InputError, match="are one experiment with seed 0: choose one"):
        auc_by_bucket([base], [full, full])
    with pytest.raises(InputError, match="at least one run to compare"):
        auc_by_bucket([base], [])
    with pytest.raises(InputError, match="at least one base run"):
        auc_by_bucket([], [full])
    with pytest.raises(InputError, match="replicates = 0"):
        auc_by_bucket([base], [full], replicates=0)
    unfinished = make_fake_run(store, variant="full", name="unfinished", state="stopped")
    with pytest.raises(InputError, match=r"unfinished/predictions\.parquet: no such file"):
        compare(base, [unfinished])


def test_base_runs_of_other_splits_are_refused(
    runs: dict[tuple[str, int], Run], store: RunStore
) -> None:
    # The same experiment by its config, but its second seed was evaluated on other rows.
    rows = runs["base", 1].table("predictions")
    rows["sample"] += 1
    overrides = {"training": {"seed": 1, "epochs": 3}}
    base = make_hand_run(
        store, "moved", variant="base", seed=1, overrides=overrides, predictions=rows
    )
    full = make_hand_run(store, "full", seed=1, predictions=rows)
    assert base.group == runs["base", 0].group
    with pytest.raises(InputError, match="and 'moved' cannot be paired"):
        auc_by_bucket([runs["base", 0], base], [runs["full", 0], full])


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("label", 2, "labels must be 0 or 1"),
        ("user_activity", -1, "user_activity -1: must be 0 or more"),
        ("item_activity", -5, "item_activity -5: must be 0 or more"),
    ],
)
def test_impossible_values_are_refused(
    runs: dict[tuple[str, int], Run], store: RunStore, column: str, value: int, reason: str
) -> None:
    rows = runs["base", 0].table("predictions").astype({column: np.int64})
    rows.loc[3, column] = value
    bad = make_hand_run(store, "bad", predictions=rows)
    with pytest.raises(InputError, match=rf"bad/predictions\.parquet: {reason}"):
        compare(bad, [runs["base", 0]])


def test_a_user_with_two_activities_and_an_empty_table_are_refused(
    runs: dict[tuple[str, int], Run], store: RunStore
) -> None:
    rows = runs["base", 0].table("predictions")
    user = rows["user"].value_counts().index[0]
    rows.loc[rows.index[rows["user"] == user][0], "user_activity"] += 1
    bad = make_hand_run(store, "two", predictions=rows)
    with pytest.raises(InputError, match=f"user {user} has two activities"):
        compare(bad, [runs["base", 0]])
    empty = make_hand_run(store, "empty", predictions=rows[:0])
    with pytest.raises(InputError, match=r"empty/predictions\.parquet: no rows"):
        compare(empty, [runs["base", 0]])
