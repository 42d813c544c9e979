from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from workbench.config import DataConfig, PlantedConfig
from workbench.data.encode import build_dataset
from workbench.data.raw import Ragged, RawData
from workbench.data.sources.planted import SCENE_GENRE, SCHEMA, START, TASTE, read_planted
from workbench.data.sources.planted_sides import (
    DURATION,
    ITEM_BIAS,
    USER_BIAS,
    make_items,
    make_users,
)


@pytest.fixture(scope="module")
def world() -> RawData:
    return read_planted(PlantedConfig())


def _same(first: RawData, second: RawData) -> bool:
    assert first.truth is not None
    assert second.truth is not None
    columns = [
        np.array_equal(first.user_index, second.user_index),
        np.array_equal(first.item_index, second.item_index),
        np.array_equal(first.truth.probability, second.truth.probability),
        first.truth.importance.equals(second.truth.importance),
        *(np.array_equal(first.labels[name], second.labels[name]) for name in first.labels),
    ]
    for one, other in ((first.users, second.users), (first.items, second.items)):
        for name, values in one.items():
            found = other[name]
            if isinstance(values, Ragged):
                assert isinstance(found, Ragged)
                columns.append(np.array_equal(values.values, found.values))
                columns.append(np.array_equal(values.offsets, found.offsets))
            else:
                columns.append(np.array_equal(values, found))
    return all(columns)


def test_same_seed_same_bits_other_seed_other_world() -> None:
    config = PlantedConfig(rows=5_000, seed=4)
    assert _same(read_planted(config), read_planted(config))
    assert not _same(read_planted(config), read_planted(PlantedConfig(rows=5_000, seed=5)))


def test_top_five_percent_of_users_hold_eighty_percent(world: RawData) -> None:
    per_user = np.sort(np.bincount(world.user_index, minlength=8_000))
    assert len(per_user) == 8_000
    assert per_user.min() == 1
    assert per_user[-400:].sum() / len(world) == pytest.approx(0.80, abs=0.002)
    dataset = build_dataset(world, DataConfig())
    assert dataset.card["top_user_share"] == pytest.approx(0.80, abs=0.002)


def test_labels_follow_the_true_probabilities(world: RawData) -> None:
    assert world.truth is not None
    probability, finish = world.truth.probability, world.labels["finish"]
    assert 0.05 <= probability.min() <= probability.max() <= 0.95
    assert 0.80 <= roc_auc_score(finish, probability) <= 0.85
    # Calibrated in every tenth: the standard error of a mean of 20,000 is below 0.0036.
    for part in np.array_split(np.argsort(probability), 10):
        assert finish[part].mean() == pytest.approx(probability[part].mean(), abs=0.015)
    # No other probabilities do better than the true ones.
    for wrong in (probability * 0.9 + 0.05, np.clip(probability * 1.1 - 0.05, 0.01, 0.99)):
        assert log_loss(finish, wrong) > log_loss(finish, probability)


def test_flips_are_in_the_truth() -> None:
    clean = read_planted(PlantedConfig(rows=20_000, flipped=0.0))
    noisy = read_planted(PlantedConfig(rows=20_000, flipped=0.2))
    assert clean.truth is not None
    assert noisy.truth is not None
    assert noisy.truth.probability == pytest.approx(0.2 + 0.6 * clean.truth.probability, abs=1e-6)


def test_likes_and_comments_are_rare_finished_samples(world: RawData) -> None:
    finish, like, comment = (world.labels[name] for name in ("finish", "like", "comment"))
    assert not like[finish == 0].any()
    assert not comment[finish == 0].any()
    assert 0.02 < like.mean() < 0.15
    assert 0.005 < comment.mean() < like.mean()


@pytest.mark.parametrize("private_share", [0.0, 0.3, 0.5, 1.0])
def test_private_share_of_the_planted_variance(private_share: float) -> None:
    rng = np.random.default_rng(0)
    users = make_users(rng, 50_000, 2_000, 2.486, private_share)
    items, _ = make_items(rng, 50_000, 500, 1.8, private_share)
    for side, name, total in ((users, "user_id", USER_BIAS), (items, "item_id", ITEM_BIAS)):
        variances = side.bias_variances()
        assert variances[name] == pytest.approx(private_share * total)
        others = sum(v for key, v in variances.items() if key not in (name, "duration"))
        assert others == pytest.approx((1 - private_share) * total)
        traces = {key: float(np.trace(moment)) for key, moment in side.taste_moments().items()}
        assert traces[name] / sum(traces.values()) == pytest.approx(private_share)
    assert items.bias_variances()["duration"] == pytest.approx(DURATION)


def test_logit_has_the_planted_variance(world: RawData) -> None:
    planned = USER_BIAS + ITEM_BIAS + DURATION + TASTE + SCENE_GENRE
    # Parts are drawn independently, so they overlap a little by chance.
    assert world.notes["logit_variance"] == pytest.approx(planned, rel=0.1)


def test_importance_covers_every_feature_and_activity(world: RawData) -> None:
    assert world.truth is not None
    table = world.truth.importance.pivot(index="activity", columns="feature", values="importance")
    assert set(table.columns) == set(SCHEMA.names)
    assert table.sum(axis=1).to_numpy() == pytest.approx(1)
    assert table["user_id"].is_monotonic_increasing
    assert table.loc[0, "user_id"] == 0
    assert table.loc[1000, "user_id"] > 0.15
    assert table["gender"].is_monotonic_decreasing


def test_time_runs_over_the_days_and_rows_follow_it(world: RawData) -> None:
    assert world.time is not None
    assert (np.diff(world.time) >= 0).all()
    day = (world.time - START) // 86_400
    assert set(day.tolist()) == set(range(30))
    hour = (world.time - START) // 3_600 % 24
    scene = world.context["scene"]
    assert isinstance(scene, np.ndarray)
    asleep = scene == "falling asleep"
    assert asleep[hour < 6].mean() == pytest.approx(0.5, abs=0.02)
    assert asleep[(hour >= 12) & (hour < 18)].mean() == pytest.approx(0.01, abs=0.005)


def test_every_song_has_one_to_three_different_moods(world: RawData) -> None:
    moods = world.items["mood"]
    assert isinstance(moods, Ragged)
    assert set(np.diff(moods.offsets).tolist()) == {1, 2, 3}
    for start, stop in zip(moods.offsets[:50], moods.offsets[1:51], strict=True):
        one = moods.values[start:stop].tolist()
        assert len(set(one)) == len(one)


@pytest.mark.parametrize(
    "config",
    [
        PlantedConfig(rows=100),
        PlantedConfig(rows=200, rows_per_user=1, rows_per_item=1),
        PlantedConfig(rows=100, rows_per_user=100, rows_per_item=100, days=1),
        PlantedConfig(rows=300, user_tail=0, item_tail=0, flipped=0, private_share=0),
        PlantedConfig(rows=300, private_share=1),
    ],
)
def test_worlds_at_the_edges(config: PlantedConfig) -> None:
    raw = read_planted(config)
    assert len(raw) == config.rows
    assert raw.truth is not None
    assert np.isfinite(raw.truth.probability).all()
    assert np.isfinite(raw.truth.importance["importance"]).all()
    dataset = build_dataset(raw, DataConfig(planted=config))
    assert len(dataset) == config.rows
