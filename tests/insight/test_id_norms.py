"""ID-embedding norms by decile of activity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from tests.fake_runs import make_fake_run, make_hand_run
from workbench.errors import InputError
from workbench.insight.id_norms import deciles, head_tail_ratio, id_norms
from workbench.runs import Run, RunStore


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def hand_run(runs: RunStore, activity: list[int], norm: list[float]) -> Run:
    rows = len(activity)
    norms = pd.DataFrame(
        {
            "feature": ["user_id"] * rows + ["item_id"],
            "code": [*range(1, rows + 1), 1],
            "activity": [*activity, 1],
            "norm": [*norm, 99.0],
            "initial": [0.1] * rows + [99.0],
        }
    )
    return make_hand_run(runs, f"hand{len(runs.list())}", norms=norms)


def test_deciles_by_hand() -> None:
    assert deciles(np.array([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])).tolist() == [*range(1, 11)]
    # Five ones fill ranks 0 to 5: their middle, 2.5 of 10, lies in the third decile.
    assert deciles(np.array([1, 9, 1, 1, 8, 1, 7, 1, 6, 5])).tolist() == [
        *(3, 10, 3, 3, 9, 3, 8, 3, 7, 6)
    ]
    assert deciles(np.array([4, 4, 4])).tolist() == [6, 6, 6]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=200))
def test_deciles_keep_ties_together_and_rise_with_activity(activity: list[int]) -> None:
    values = np.array(activity)
    decile = deciles(values)
    assert decile.min() >= 1
    assert decile.max() <= 10
    for value in np.unique(values):
        assert len(set(decile[values == value])) == 1
    assert (np.diff(decile[np.argsort(values, kind="stable")]) >= 0).all()


@given(st.integers(1, 300))
def test_deciles_without_ties_are_of_equal_size(size: int) -> None:
    counts = np.bincount(deciles(np.random.default_rng(size).permutation(size)), minlength=11)[1:]
    assert counts.sum() == size
    assert counts.max() - counts.min() <= 1


def test_norms_by_hand(runs: RunStore) -> None:
    # Twenty codes, two per decile, norms 1 to 20; a code never seen in training is left out.
    run = hand_run(runs, [*range(1, 21), 0], [*map(float, range(1, 21)), 50.0])
    frame = id_norms([run], "user_id")
    assert frame.columns.tolist() == [
        *("run", "variant", "seed", "feature", "decile", "activity", "median"),
        *("p10", "p25", "p75", "p90", "entities", "initial"),
    ]
    assert frame["decile"].tolist() == [*range(1, 11)]
    assert frame["entities"].tolist() == [2] * 10
    assert frame["median"].tolist() == pytest.approx(np.arange(1.5, 20, 2))
    assert frame["activity"].tolist() == pytest.approx(np.arange(1.5, 20, 2))
    assert frame.loc[0, ["p10", "p25", "p75", "p90"]].tolist() == pytest.approx(
        [1.1, 1.25, 1.75, 1.9]
    )
    assert frame["initial"].tolist() == pytest.approx([0.1] * 10)
    assert set(frame["run"]) == {run.name}


def test_runs_stand_below_each_other(runs: RunStore) -> None:
    chosen = [make_fake_run(runs, variant=variant, seed=2) for variant in ("base", "full")]
    frame = id_norms(chosen, "item_id")
    assert frame["variant"].drop_duplicates().tolist() == ["base", "full"]
    assert set(frame["seed"]) == {2}
    for run in chosen:
        here = frame[frame["run"] == run.name]
        norms = run.table("norms")
        assert here["entities"].sum() == (norms["feature"] == "item_id").sum()
        assert here["activity"].is_monotonic_increasing


def test_ratio_by_hand(runs: RunStore) -> None:
    # Head: the 5 most active of 100; tail: the 50 least active; what lies between does not matter.
    norm = [1.5] * 50 + [77.0] * 45 + [6.0] * 5
    assert head_tail_ratio(hand_run(runs, [*range(1, 101)], norm), "user_id") == (4.0, 4.0, 4.0)


def test_ties_at_the_border_are_taken_in(runs: RunStore) -> None:
    # The 5th most active of 100 has activity 9 like nine others: the head is all ten of them.
    run = hand_run(runs, [1] * 60 + [5] * 30 + [9] * 10, [1.0] * 90 + [2.0] * 4 + [3.0] * 6)
    assert head_tail_ratio(run, "user_id").value == 3.0
    same = hand_run(runs, [4] * 100, [1.0] * 100)
    assert np.isnan(head_tail_ratio(same, "user_id")).all()


def test_ratio_interval_agrees_with_scipy(runs: RunStore) -> None:
    draw = np.random.default_rng(3)
    norm = draw.lognormal(0, 0.5, 400)
    run = hand_run(runs, [*range(1, 401)], norm.tolist())
    found = head_tail_ratio(run, "user_id", head_share=0.25, replicates=4000)
    reference = bootstrap(
        (norm[-100:], norm[:200]),
        lambda head, tail, axis: np.median(head, axis=axis) / np.median(tail, axis=axis),
        n_resamples=4000,
        method="percentile",
        rng=draw,
    ).confidence_interval
    width = reference.high - reference.low
    assert found.value == pytest.approx(np.median(norm[-100:]) / np.median(norm[:200]), rel=1e-6)
    assert found.low == pytest.approx(reference.low, abs=0.1 * width)
    assert found.high == pytest.approx(reference.high, abs=0.1 * width)


def test_small_blocks_give_the_same_kind_of_answer(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_fake_run(runs, variant="full")
    whole = head_tail_ratio(run, "user_id")
    monkeypatch.setattr("workbench.insight.id_norms._BLOCK", 1)
    single = head_tail_ratio(run, "user_id")
    assert single == whole  # the generator's stream does not depend on the block


def test_refusals(runs: RunStore) -> None:
    run = make_fake_run(runs, variant="base", name="run")
    with pytest.raises(InputError, match="no norms of 'colour'; it has user_id, item_id, artist"):
        id_norms([run], "colour")
    with pytest.raises(InputError, match="at least one run"):
        id_norms([], "user_id")
    with pytest.raises(InputError, match=r"head_share 0\.8 and tail_share 0\.5"):
        head_tail_ratio(run, "user_id", head_share=0.8)
    with pytest.raises(InputError, match=r"norms\.parquet: no such file"):
        id_norms([make_fake_run(runs, variant="base", state="running")], "user_id")
    unseen = hand_run(runs, [0, 0], [1.0, 1.0])
    with pytest.raises(InputError, match="no value of 'user_id' was seen in training"):
        id_norms([unseen], "user_id")
