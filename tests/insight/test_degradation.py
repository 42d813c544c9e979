"""Methods against the base as data get worse, on rows whose AUC is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.errors import InputError
from workbench.insight.degradation import against_base
from workbench.metrics import auc
from workbench.statistics import paired_bootstrap


def rows(seed: int = 0, users: int = 40, per_user: int = 10) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    size = users * per_user
    return pd.DataFrame(
        {
            "user": np.repeat(np.arange(users), per_user),
            "label": draw.integers(0, 2, size),
            "level": np.repeat(np.arange(users) % 2 * 5, per_user),
            "model": 0,
        }
    )


def scores(samples: pd.DataFrame, signal: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(samples))
    return (signal * samples["label"].to_numpy() + noise).astype(np.float32)


def test_two_rounds_by_hand() -> None:
    samples = pd.DataFrame(
        {
            "user": [0, 0, 1, 1, 0, 0, 1, 1],
            "label": [0, 1, 0, 1, 0, 1, 0, 1],
            "level": 0.3,
            "model": [0, 0, 0, 0, 1, 1, 1, 1],
        }
    )
    # Round 0: of the pairs (2, 3), (0, 3), (2, 1), (0, 1) three are in order; round 1: all four.
    base = np.array([2, 3, 0, 1, -102, -99, -101, -98], np.float32)
    new = np.array([0, 5, 1, 6, 103, 101, 100, 102], np.float32)
    frame = against_base({"base": base, "new": new}, samples, replicates=20)
    assert len(frame) == 1
    row = frame.iloc[0]
    # Pooled over the rounds it would be 11 of 16; within them it is 3/4 and 1.
    assert row.base == pytest.approx((0.75 + 1.0) / 2)
    # Positives 101 and 102 against negatives 103 and 100: half of the pairs.
    assert row.value == pytest.approx((1.0 + 0.5) / 2)
    assert row.delta == pytest.approx(-0.125)
    assert (row.users, row.rows, row.positives, row.level) == (4, 8, 4, 0.3)


def test_one_model_is_the_paired_bootstrap_of_the_statistics() -> None:
    samples = rows()
    base, new = scores(samples, 0.5, 1), scores(samples, 1.0, 2)
    frame = against_base({"base": base, "new": new}, samples, replicates=2000, seed=3)
    for level in (0, 5):
        here = (samples["level"] == level).to_numpy()
        part = samples[here]
        expected = paired_bootstrap(
            base[here], new[here], part["label"], part["user"], replicates=2000, seed=3
        ).iloc[0]
        row = frame[frame["level"] == level].iloc[0]
        assert row.delta == pytest.approx(expected.delta, abs=1e-6)
        # Other draws of the same users: 2,000 of them leave the bounds uncertain by about 0.003.
        assert row.ci_low == pytest.approx(expected.ci_low, abs=0.012)
        assert row.ci_high == pytest.approx(expected.ci_high, abs=0.012)
        assert row.smallest_effect == pytest.approx(expected.smallest_effect, rel=0.1)


def test_offsets_between_models_do_not_matter() -> None:
    samples = pd.concat([rows(0), rows(1).assign(model=1)], ignore_index=True)
    base, new = scores(samples, 0.5, 1), scores(samples, 1.0, 2)
    shifted = new + 100 * samples["model"].to_numpy(np.float32)
    one = against_base({"base": base, "new": new}, samples, replicates=50)
    other = against_base({"base": base, "new": shifted}, samples, replicates=50)
    pd.testing.assert_frame_equal(one, other, atol=1e-4)
    means = []
    for model in (0, 1):
        at = ((samples["model"] == model) & (samples["level"] == 5)).to_numpy()
        means.append(
            float(auc(torch.tensor(new[at]), torch.tensor(samples["label"][at].to_numpy())))
        )
    assert one[one["level"] == 5].value.item() == pytest.approx(np.mean(means), abs=1e-6)


def test_methods_keep_their_order_and_share_the_draws() -> None:
    samples = rows()
    base, new = scores(samples, 0.5, 1), scores(samples, 1.0, 2)
    frame = against_base({"z": new, "base": base, "a": new}, samples, replicates=50)
    assert frame["method"].tolist() == ["z", "z", "a", "a"]
    first, second = (frame[frame["method"] == name].drop(columns="method") for name in ("z", "a"))
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))
    same = against_base({"base": base, "copy": base}, samples, replicates=50)
    assert same[["delta", "ci_low", "ci_high"]].to_numpy().tolist() == [[0.0] * 3] * 2


def test_one_class_gives_no_number() -> None:
    samples = rows().assign(label=1)
    values = scores(samples, 0.0, 1)
    frame = against_base({"base": values, "new": values}, samples, replicates=5)
    assert frame[["base", "delta", "ci_low", "smallest_effect"]].isna().all().all()


def test_what_does_not_fit_is_refused() -> None:
    samples = rows()
    values = scores(samples, 0.0, 1)
    both = {"base": values, "new": values}
    with pytest.raises(InputError, match="base = 'none' with base, new"):
        against_base(both, samples, base="none")
    with pytest.raises(InputError, match="name it and one method more"):
        against_base({"base": values}, samples)
    with pytest.raises(InputError, match="no column 'level'"):
        against_base(both, samples.drop(columns="level"))
    with pytest.raises(InputError, match="'new' has 3 logits for 400 rows"):
        against_base(both | {"new": values[:3]}, samples)
    with pytest.raises(InputError, match="metric 'hits'"):
        against_base(both, samples, metric="hits")
    with pytest.raises(InputError, match="replicates = 0"):
        against_base(both, samples, replicates=0)
