"""Paired differences by activity bucket."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from tests.fake_runs import make_fake_run, make_hand_run
from workbench.errors import InputError
from workbench.insight.auc_by_bucket import auc_by_bucket
from workbench.insight.buckets import ACTIVITY_EDGES, assign
from workbench.insight.paired import paired_by_bucket
from workbench.runs import Run, RunStore
from workbench.statistics import paired_bootstrap, smallest_detectable_effect, user_draws

COLUMNS = [
    *("group", "variant", "runs", "seeds", "bucket", "order", "users", "rows", "positives"),
    *("base", "value", "delta", "ci_low", "ci_high", "standard_error", "smallest_effect"),
    *("users_left_out", "rela_impr"),
]


def test_one_seed_is_the_paired_bootstrap(runs: dict[tuple[str, int], Run]) -> None:
    base, full = runs["base", 0], runs["full", 0]
    rows, new = base.table("predictions"), full.table("predictions")
    for metric in ("auc", "uauc", "log_loss"):
        frame, _ = auc_by_bucket([base], [full], metric=metric, replicates=200, seed=3)
        reference = paired_bootstrap(
            rows["logit"],
            new["logit"],
            rows["label"].astype(int),
            rows["user"],
            buckets=assign(rows["user_activity"])[0],
            metric=metric,
            replicates=200,
            seed=3,
        ).rename(columns={"new": "value"})
        reference["bucket"] = frame["bucket"]
        shared = [column for column in COLUMNS if column in reference]
        assert len(shared) >= 10
        pd.testing.assert_frame_equal(frame[shared], reference[shared], rtol=1e-9)


def test_points_are_those_of_scikit_learn(runs: dict[tuple[str, int], Run]) -> None:
    seeds = (0, 1)
    base_runs, full_runs = ([runs[v, seed] for seed in seeds] for v in ("base", "full"))
    frame, singles = auc_by_bucket(base_runs, full_runs, replicates=10)
    assert frame.columns.tolist() == COLUMNS
    assert frame["bucket"].tolist() == ["all", *assign([])[1]]
    assert frame["order"].tolist() == [*range(-1, 8)]
    assert set(frame["seeds"]) == {2}
    tables = {key: run.table("predictions") for key, run in runs.items()}
    for row in frame.to_dict("records"):
        rows = tables["base", 0]
        if row["order"] >= 0:
            edges = (*ACTIVITY_EDGES, 10**9)
            low, high = edges[row["order"]], edges[row["order"] + 1]
            rows = rows[(rows["user_activity"] >= low) & (rows["user_activity"] < high)]
        score = {
            key: roc_auc_score(rows["label"], table.loc[rows.index, "logit"])
            for key, table in tables.items()
        }
        base, value = (np.mean([score[v, s] for s in seeds]) for v in ("base", "full"))
        assert row["base"] == pytest.approx(base)
        assert row["value"] == pytest.approx(value)
        assert row["delta"] == pytest.approx(value - base)
        assert row["rela_impr"] == pytest.approx(value / base - 1)
        assert (row["users"], row["rows"]) == (rows["user"].nunique(), len(rows))
        assert row["positives"] == rows["label"].sum()
        single = singles[singles["order"] == row["order"]]
        assert single["seed"].tolist() == [0, 1]
        expected = [score["full", seed] - score["base", seed] for seed in seeds]
        assert single["delta"].tolist() == pytest.approx(expected)


def test_seeds_share_their_draws_of_users() -> None:
    # Brute force: repeat every drawn user's rows, score both models of both seeds, average.
    draw = np.random.default_rng(1)
    rows = pd.DataFrame({"user": draw.integers(0, 12, 80), "label": draw.integers(0, 2, 80)})
    rows["user_activity"] = rows["item_activity"] = 5
    pairs = [(draw.normal(size=80).round(1), draw.normal(size=80).round(1)) for _ in range(2)]
    frame, _ = paired_by_bucket(pairs, rows, replicates=60, seed=4)
    index = pd.Categorical(rows["user"]).codes
    draws = np.random.default_rng((4, 0))
    counts = np.concatenate([c.numpy() for c in user_draws(rows["user"].nunique(), 60, draws)], 1)
    deltas = []
    for column in counts.T:
        weight = column[index]
        auc = [
            [roc_auc_score(rows["label"], score, sample_weight=weight) for score in pair]
            for pair in pairs
        ]
        deltas.append(np.mean([new - base for base, new in auc]))
    all_rows = frame.iloc[0]
    assert all_rows["ci_low"] == pytest.approx(np.quantile(deltas, 0.025))
    assert all_rows["ci_high"] == pytest.approx(np.quantile(deltas, 0.975))
    error = np.std(deltas, ddof=1)
    assert all_rows["standard_error"] == pytest.approx(error)
    assert all_rows["smallest_effect"] == pytest.approx(smallest_detectable_effect(error))


def test_groups_are_kept_apart_and_buckets_add_up(runs: dict[tuple[str, int], Run]) -> None:
    base = [runs["base", seed] for seed in (0, 1)]
    others = [runs[v, s] for v, s in (("full", 1), ("mask", 0), ("full", 0))]
    frame, singles = auc_by_bucket(base, others, replicates=10)
    assert frame["group"].drop_duplicates().tolist() == ["full", "mask"]
    assert frame.groupby("group")["seeds"].first().to_dict() == {"full": 2, "mask": 1}
    assert singles["run"].drop_duplicates().tolist() == [
        *(runs["full", 1].name, runs["full", 0].name, runs["mask", 0].name)
    ]
    for _, part in frame.groupby("group"):
        buckets, everyone = part[part["order"] >= 0], part[part["order"] < 0]
        assert buckets["rows"].sum() == everyone["rows"].item() == 2000
        assert buckets["users"].sum() == everyone["users"].item()
        assert buckets["positives"].sum() == everyone["positives"].item()
    alone, _ = auc_by_bucket(base, [others[1]], replicates=10)
    of_mask = frame[frame["group"] == "mask"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_mask, alone)


def test_a_run_against_itself_differs_by_nothing(runs: dict[tuple[str, int], Run]) -> None:
    frame, _ = auc_by_bucket([runs["base", 0]], [runs["base", 0]], replicates=20)
    for column in ("delta", "ci_low", "ci_high", "standard_error", "smallest_effect", "rela_impr"):
        assert (frame[column] == 0).all()


def test_other_metrics(runs: dict[tuple[str, int], Run]) -> None:
    base, full = runs["base", 0], runs["full", 0]
    rows, new = base.table("predictions"), full.table("predictions")
    loss, _ = auc_by_bucket([base], [full], metric="log_loss", replicates=10)
    chance = 1 / (1 + np.exp(-new["logit"].astype(float)))
    assert loss.loc[0, "value"] == pytest.approx(log_loss(rows["label"], chance), rel=1e-6)
    assert loss["rela_impr"].isna().all()
    assert (loss["users_left_out"] == 0).all()
    uauc, _ = auc_by_bucket([base], [full], metric="uauc", replicates=10)
    both = rows.groupby("user")["label"].transform("nunique") == 2
    scored = rows[both]
    value = sum(
        len(own) * roc_auc_score(own["label"], own["logit"]) for _, own in scored.groupby("user")
    )
    assert uauc.loc[0, "base"] == pytest.approx(value / len(scored))
    assert uauc.loc[0, "users_left_out"] == rows.loc[~both, "user"].nunique() > 0
    with pytest.raises(InputError, match="metric 'mse': allowed: auc, uauc"):
        auc_by_bucket([base], [full], metric="mse")


def test_by_item_activity(runs: dict[tuple[str, int], Run]) -> None:
    base, full = runs["base", 0], runs["full", 0]
    frame, _ = auc_by_bucket([base], [full], by="item_activity", replicates=20)
    rows = base.table("predictions")
    rows["bucket"] = assign(rows["item_activity"])[0]
    found = frame[frame["order"] >= 0].set_index("order")
    assert found["rows"].to_dict() == rows.groupby("bucket").size().to_dict()
    assert found["users"].to_dict() == rows.groupby("bucket")["user"].nunique().to_dict()
    for order, own in rows.groupby("bucket"):
        if own["label"].nunique() == 2:
            expected = roc_auc_score(own["label"], own["logit"])
            assert found.loc[order, "base"] == pytest.approx(expected)
    with pytest.raises(InputError, match="by 'age': allowed: user_activity, item_activity"):
        auc_by_bucket([base], [full], by="age")


def test_a_bucket_of_one_class_is_shown_without_numbers(store: RunStore) -> None:
    rows = pd.DataFrame(
        {
            "sample": range(4),
            "user": [0, 1, 2, 3],
            "item": 0,
            "user_activity": [0, 0, 50, 50],
            "item_activity": 3,
            "label": [1, 1, 0, 1],
            "logit": [0.1, 0.2, 0.3, 0.4],
        }
    )
    base = make_hand_run(store, "a", variant="base", predictions=rows)
    full = make_hand_run(store, "b", predictions=rows.assign(logit=[0.1, 0.2, 0.5, 0.4]))
    frame, _ = auc_by_bucket([base], [full], replicates=50)
    assert frame["bucket"].tolist() == ["all", "0", "30-99"]
    one_class = frame.iloc[1]
    assert (one_class["users"], one_class["rows"], one_class["positives"]) == (2, 2, 2)
    for column in ("base", "value", "delta", "ci_low", "ci_high", "rela_impr"):
        assert np.isnan(one_class[column])
    assert frame.loc[2, ["base", "value", "delta"]].tolist() == [1, 0, -1]


def test_equal_variants_are_told_apart_by_their_settings(store: RunStore) -> None:
    base = make_fake_run(store, variant="base")
    settings = [{"k": 2}, {"k": 3, "alpha": 0.5}]
    full = [make_fake_run(store, variant="full", overrides={"framework": s}) for s in settings]
    mask = make_fake_run(store, variant="mask")
    frame, _ = auc_by_bucket([base], [*full, mask], replicates=5)
    assert frame["group"].drop_duplicates().tolist() == [
        "full (framework.k = 2, framework.alpha = 0.2)",
        "full (framework.k = 3, framework.alpha = 0.5)",
        "mask",
    ]
    assert frame["variant"].drop_duplicates().tolist() == ["full", "mask"]
