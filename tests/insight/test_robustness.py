"""AUC where values are missing, and where labels were wrong in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.fake_runs import make_fake_run
from tests.insight.small_models import small_dataset, small_model
from workbench.errors import InputError
from workbench.insight import reliance, robustness
from workbench.runs import Run, RunStore

DATASET = small_dataset()
ROWS = reliance.rows_of_users(DATASET)
SAMPLES = reliance.samples_of_rows(DATASET, ROWS)
MODELS = {"base": small_model("base"), "full": small_model("full")}


def test_nothing_missing_is_the_test_auc() -> None:
    logits = robustness.missing_logits(MODELS, DATASET, ROWS, shares=(0.0, 0.3))
    labels = DATASET.labels[ROWS, 0].numpy()
    frame = robustness.missing_curve(logits, SAMPLES, "base", shares=(0.0, 0.3), replicates=20)
    assert list(zip(frame["run"], frame["share"], strict=True)) == [
        ("base", 0.0),
        ("full", 0.0),
        ("base", 0.3),
        ("full", 0.3),
    ]
    for name, model in MODELS.items():
        plain = reliance.logits_without(model, DATASET, ROWS)
        np.testing.assert_array_equal(logits[name][0], plain)
        rows = frame[frame["run"] == name]
        assert rows["auc"].iloc[0] == pytest.approx(roc_auc_score(labels, plain))
        assert rows["auc"].iloc[1] == pytest.approx(roc_auc_score(labels, logits[name][1]))
        assert rows["lost"].tolist() == pytest.approx(
            [0.0, rows["auc"].iloc[0] - rows["auc"].iloc[1]]
        )
    full, base = frame[frame["run"] == "full"], frame[frame["run"] == "base"]
    np.testing.assert_allclose(full["delta"], full["auc"].to_numpy() - base["auc"].to_numpy())
    assert base["delta_low"].isna().all()
    assert (full["delta_low"] <= full["delta"]).all()


def test_a_feature_missing_everywhere_is_that_feature_masked() -> None:
    logits = robustness.missing_logits(
        {"base": MODELS["base"]}, DATASET, ROWS, features=["genre"], shares=(1.0,)
    )
    masked = reliance.logits_without(MODELS["base"], DATASET, ROWS, "genre")
    np.testing.assert_allclose(logits["base"][0], masked, atol=1e-6)


def test_progress_ends_at_one() -> None:
    told: list[float] = []
    robustness.missing_logits(MODELS, DATASET, ROWS[:50], shares=(0.0, 0.5), done=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_an_unknown_baseline_is_refused() -> None:
    logits = robustness.missing_logits(MODELS, DATASET, ROWS[:50], shares=(0.0,))
    with pytest.raises(InputError, match="baseline 'ssl': allowed: base, full"):
        robustness.missing_curve(logits, SAMPLES[:50], "ssl", shares=(0.0,))


def flipped(store: RunStore, variant: str, seed: int, share: float, **more: Any) -> Run:
    return make_fake_run(
        store,
        variant=variant,
        seed=seed,
        name=f"{variant}-s{seed}-f{share}",
        overrides={"data": {"change": {"flipped": share}}},
        **more,
    )


def test_wrong_labels_by_variant_and_share(store: RunStore) -> None:
    runs = [
        flipped(store, variant, seed, share)
        for share in (0.0, 0.2)
        for variant in ("base", "full")
        for seed in (0, 1)
    ]
    frame = robustness.flipped_curve(runs, replicates=20).set_index(["run", "share"])
    aucs = {}
    for run in runs:
        table = run.table("predictions")
        aucs[run.name] = roc_auc_score(table["label"], table["logit"])
    for (variant, share), row in frame.iterrows():
        own = [aucs[f"{variant}-s{seed}-f{share}"] for seed in (0, 1)]
        base = [aucs[f"base-s{seed}-f{share}"] for seed in (0, 1)]
        assert row["auc"] == pytest.approx(np.mean(own))
        assert row["seeds"] == 2
        assert row["delta"] == pytest.approx(np.mean(own) - np.mean(base), abs=1e-12)
        assert row["ci_low"] < row["auc"] < row["ci_high"]
    assert frame.loc[("base", 0.0), "lost"] == 0
    assert frame.loc[("full", 0.2), "delta_low"] < frame.loc[("full", 0.2), "delta_high"]


def test_without_a_base_of_the_share_there_is_no_difference(store: RunStore) -> None:
    runs = [flipped(store, "base", 0, 0.0), flipped(store, "full", 0, 0.2)]
    frame = robustness.flipped_curve(runs, replicates=20).set_index("run")
    assert np.isnan(frame.loc["full", "delta"])


def test_runs_that_cannot_be_compared_are_refused(store: RunStore) -> None:
    with pytest.raises(InputError, match="at least one run"):
        robustness.flipped_curve([])
    other = flipped(store, "full", 0, 0.2, rows=1000)
    with pytest.raises(InputError, match="cannot be paired"):
        robustness.flipped_curve([flipped(store, "base", 0, 0.0), other])
