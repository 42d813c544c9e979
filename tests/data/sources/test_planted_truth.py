from __future__ import annotations

import numpy as np
import pytest

from workbench.data.sources.planted_truth import (
    ACTIVITIES,
    Parts,
    fisher_information,
    importance,
    reliability,
)


def test_reliability_is_the_shrinkage_of_a_normal_mean() -> None:
    """n observations with noise variance 1/I: the posterior mean's variance over the prior's."""
    rng = np.random.default_rng(0)
    variance, information, n = 0.7, 0.2, 10
    effect = rng.normal(0, np.sqrt(variance), 200_000)
    mean = effect + rng.normal(0, np.sqrt(1 / (information * n)), 200_000)
    known = np.corrcoef(effect, mean)[0, 1] ** 2
    assert reliability(n, information, variance) == pytest.approx(known, abs=0.01)
    assert reliability(0, information, variance) == 0


@pytest.mark.parametrize("flipped", [0.0, 0.1])
def test_fisher_information_is_the_variance_of_the_score(flipped: float) -> None:
    logit, step = 0.8, 1e-5

    def probability(at: float) -> float:
        return flipped + (1 - 2 * flipped) / (1 + np.exp(-at))

    p = probability(logit)
    slope = (probability(logit + step) - probability(logit - step)) / (2 * step)
    # Score of a 1 is slope / p, of a 0 it is -slope / (1 - p); its mean is 0.
    expected = p * (slope / p) ** 2 + (1 - p) * (slope / (1 - p)) ** 2
    assert fisher_information(np.array([logit]), flipped) == pytest.approx(expected, rel=1e-6)


def _parts() -> Parts:
    return Parts(
        user_bias={"user_id": 0.2, "age": 0.1},
        item_bias={"item_id": 0.3, "genre": 0.1},
        user_taste={"user_id": np.eye(2), "age": np.diag([1.0, 0.0])},
        item_taste={"item_id": np.eye(2), "genre": np.diag([0.5, 0.5])},
        taste=1.0,
        scene_genre=0.4,
    )


def test_pair_variances_by_hand() -> None:
    # Traces: user-item 2, user-genre 1, age-item 1, age-genre 0.5; 4.5 in all.
    assert _parts().pairs() == pytest.approx(
        {
            ("user_id", "item_id"): 2 / 4.5,
            ("user_id", "genre"): 1 / 4.5,
            ("age", "item_id"): 1 / 4.5,
            ("age", "genre"): 0.5 / 4.5,
        }
    )


def test_importance_by_hand() -> None:
    features = ("user_id", "age", "item_id", "genre", "scene", "history")
    table = importance(_parts(), 0.15, "user_id", {"item_id": 50.0}, features)
    wide = table.pivot(index="activity", columns="feature", values="importance")
    assert wide.index.tolist() == list(ACTIVITIES)
    assert wide.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (wide["history"] == 0).all()

    def known(n: float, variance: float) -> float:
        return n * 0.15 * variance / (1 + n * 0.15 * variance)

    n = 20
    # Each taste has two dimensions, which share the variance of all its pairs.
    user_taste, item_taste = known(n, 3 / 4.5 / 2), known(50, 3 / 4.5 / 2)
    credit = {
        "user_id": 0.2 * known(n, 0.2) + (2 * item_taste + 1) / 4.5 * user_taste / 2,
        "age": 0.1 + (item_taste + 0.5) / 4.5 / 2,
        "item_id": 0.3 * known(50, 0.3) + (2 * user_taste + 1) / 4.5 * item_taste / 2,
        "genre": 0.1 + (user_taste + 0.5) / 4.5 / 2 + 0.2,
        "scene": 0.2,
    }
    total = sum(credit.values())
    for name, value in credit.items():
        assert wide.loc[n, name] == pytest.approx(value / total), name


def test_a_user_never_seen_has_no_id_evidence_and_more_samples_bring_more() -> None:
    features = ("user_id", "age", "item_id", "genre", "scene")
    table = importance(_parts(), 0.15, "user_id", {"item_id": 50.0}, features)
    of_user = table[table["feature"] == "user_id"]["importance"].to_numpy()
    assert of_user[0] == 0
    assert (np.diff(of_user) > 0).all()
    of_age = table[table["feature"] == "age"]["importance"].to_numpy()
    assert (np.diff(of_age) < 0).all()


def test_a_world_without_taste() -> None:
    parts = Parts({"user_id": 1.0}, {}, {"user_id": np.zeros((2, 2))}, {}, 1.9, 0.0)
    assert parts.taste_scale == 0
    assert parts.pairs() == {}
