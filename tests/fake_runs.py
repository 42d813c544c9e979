"""Complete run folders made of synthetic numbers, for tests that need runs but no training.

The numbers are invented but have the shapes of real ones: a few users make most rows, the base
model is weakest where a user is new and the other variants help there, the adapter trusts the user
ID more the more active the user is, and active codes have longer embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.config import ExperimentConfig
from workbench.runs import Run, RunStore, RunWriter
from workbench.schema import Feature, Kind, Schema, Side, StateCount, plan_table

SCHEMA = Schema(
    features=(
        Feature(name="gender", side=Side.USER),
        Feature(name="user_id", side=Side.USER, is_id=True),
        Feature(name="age", side=Side.USER, kind=Kind.NUMERIC, buckets=8),
        Feature(name="item_id", side=Side.ITEM, is_id=True),
        Feature(name="artist_id", side=Side.ITEM, is_id=True),
        Feature(name="genres", side=Side.ITEM, kind=Kind.MULTI, max_length=3),
    ),
    labels=("finish", "like"),
    user="user_id",
    item="item_id",
    counts=(StateCount(feature="user_id"), StateCount(feature="item_id")),
)
NOISE = {"base": 1.0, "mask": 0.9, "adapter": 0.85, "full": 0.75}
"""How much of the error each variant keeps for a user without training rows."""


@dataclass(frozen=True)
class World:
    """What all runs on one data set share: entities and test rows."""

    activity: dict[str, NDArray[np.int64]]
    rows: pd.DataFrame
    affinity: NDArray[np.float64]
    error: NDArray[np.float64]


def make_world(*, users: int = 300, rows: int = 2000, split_seed: int = 0) -> World:
    """Draw entities with long-tailed activity and the test rows of one split."""
    draw = np.random.default_rng([split_seed, users, rows])
    activity = {
        "user_id": _activity(draw, users, 2.2, 2.0),
        "item_id": _activity(draw, 200, 3.0, 1.5),
        "artist_id": _activity(draw, 60, 4.0, 1.3),
    }
    user = _pick(draw, activity["user_id"], rows)
    item = _pick(draw, activity["item_id"], rows)
    affinity = draw.normal(0, 1.2, rows)
    label = draw.random(rows) < 1 / (1 + np.exp(-affinity))
    frame = pd.DataFrame(
        {
            "sample": np.sort(draw.choice(5 * rows, rows, replace=False)).astype(np.int32),
            "user": user.astype(np.int32),
            "item": item.astype(np.int32),
            "user_activity": activity["user_id"][user].astype(np.int32),
            "item_activity": activity["item_id"][item].astype(np.int32),
            "label": label.astype(np.int8),
        }
    )
    return World(activity, frame, affinity, draw.normal(0, 1, rows))


def make_fake_run(
    store: RunStore,
    *,
    variant: str,
    seed: int = 0,
    name: str | None = None,
    users: int = 300,
    rows: int = 2000,
    split_seed: int = 0,
    state: str = "finished",
    overrides: dict[str, Any] | None = None,
) -> Run:
    """Write a run through the store's own writer.

    Args:
        store: where.
        variant: base, mask, adapter or full; the last two have adapter weights.
        seed: the training seed; runs that differ only by it share their group.
        name: default: the store's own.
        users, rows, split_seed: decide the test rows; equal values make runs that can be paired.
        state: "finished" writes everything; "running", "stopped" and "failed" write the log and a
            status only, as a run does that never reached its evaluation.
        overrides: further config sections, merged over the defaults, for example
            ``{"framework": {"k": 3}}``.
    """
    config = fake_config(variant, seed, split_seed, overrides)
    world = make_world(users=users, rows=rows, split_seed=split_seed)
    draw = np.random.default_rng([seed, list(NOISE).index(variant), 7])
    with store.create(config, name) as writer:
        sizes = {"gender": 3, "age": 9, "genres": 20}
        sizes |= {feature: len(codes) + 1 for feature, codes in world.activity.items()}
        writer.save_layout(SCHEMA, plan_table(SCHEMA, sizes))
        writer.save_card({"name": "fake", "rows": 5 * rows, "users": users, "dropped": {}})
        _write_log(writer, draw)
        if state != "finished":
            message = "loss is not finite at step 120" if state == "failed" else ""
            writer.status(state, epoch=1, step=20, steps=100, message=message)  # type: ignore[arg-type]
            return store.open(writer.name)
        predictions = fake_predictions(world, variant, draw)
        writer.save_table("predictions", predictions)
        if config.framework.variant.has_adapter:
            writer.save_table("weights", fake_weights(predictions, draw))
        writer.save_table("norms", fake_norms(world, variant, draw))
        writer.save_table("importance", fake_importance())
        writer.save_summary(_summary(config, predictions, rows))
        writer.status("running", epoch=3, step=100, steps=100)
        writer.finish()
    return store.open(writer.name)


def make_hand_run(
    store: RunStore,
    name: str,
    *,
    variant: str = "full",
    seed: int = 0,
    overrides: dict[str, Any] | None = None,
    **tables: pd.DataFrame,
) -> Run:
    """Write a finished run with the given tables and nothing else, for cases worked out by hand."""
    with store.create(fake_config(variant, seed, 0, overrides), name) as writer:
        sizes = dict.fromkeys(SCHEMA.names, 10)
        writer.save_layout(SCHEMA, plan_table(SCHEMA, sizes))
        for table, frame in tables.items():
            writer.save_table(table, frame)
        writer.finish()
    return store.open(name)


def fake_config(
    variant: str, seed: int = 0, split_seed: int = 0, overrides: dict[str, Any] | None = None
) -> ExperimentConfig:
    """A config on the planted world."""
    values: dict[str, dict[str, Any]] = {
        "data": {"split_seed": split_seed},
        "model": {"name": "youtube_dnn"},
        "framework": {"variant": variant},
        "training": {"seed": seed, "epochs": 3},
    }
    for section, changes in (overrides or {}).items():
        values[section] = {**values.get(section, {}), **changes}
    return ExperimentConfig.parse(values)


def fake_predictions(world: World, variant: str, draw: np.random.Generator) -> pd.DataFrame:
    """The world's rows with logits whose error shrinks with activity."""
    size = 1.6 * (0.4 + 0.6 * np.exp(-world.rows["user_activity"].to_numpy() / 30) * NOISE[variant])
    error = 0.95 * world.error + 0.3 * draw.normal(0, 1, len(world.rows))
    return world.rows.assign(logit=(world.affinity + size * error).astype(np.float32))


def fake_weights(predictions: pd.DataFrame, draw: np.random.Generator) -> pd.DataFrame:
    """Weights near 0.5; those of the user and the item ID rise with activity."""
    users = np.log1p(predictions["user_activity"].to_numpy())
    items = np.log1p(predictions["item_activity"].to_numpy())
    slopes = {
        "gender": 0 * users,
        "user_id": 0.35 * users,
        "age": -0.1 * users,
        "item_id": 0.2 * (items - 3),
        "artist_id": 0.1 * (items - 3),
        "genres": -0.05 * users,
    }
    columns = {}
    for feature, slope in slopes.items():
        weight = 1 / (1 + np.exp(-slope - draw.normal(0, 0.3, len(users))))
        norm = 0.3 + 0.1 * users * (feature == "user_id")
        columns[f"w:{feature}"] = weight.round(4).astype(np.float32)
        columns[f"c:{feature}"] = (weight * norm).round(4).astype(np.float32)
    return pd.DataFrame(columns)


def fake_norms(world: World, variant: str, draw: np.random.Generator) -> pd.DataFrame:
    """Norms of the codes seen in training, growing with activity; masking lifts the tail."""
    lift = 0.1 if variant in ("mask", "full") else 0.0
    frames = []
    for feature, activity in world.activity.items():
        codes = np.flatnonzero(activity)
        initial = draw.normal(0.3, 0.03, len(codes)).clip(0.05)
        growth = 0.12 * np.log1p(activity[codes]) * np.exp(draw.normal(0, 0.2, len(codes)))
        frames.append(
            pd.DataFrame(
                {
                    "feature": feature,
                    "code": (codes + 1).astype(np.int32),
                    "activity": activity[codes].astype(np.int32),
                    "norm": (initial + growth + lift).astype(np.float32),
                    "initial": initial.astype(np.float32),
                }
            )
        )
    frame = pd.concat(frames, ignore_index=True)
    return frame.astype({"feature": "category"})


def fake_importance() -> pd.DataFrame:
    """The planted share of each feature's evidence at some activities; shares sum to one."""
    activity = np.array([0, 1, 3, 10, 30, 100, 300, 1000])
    evidence = {"user_id": activity / (activity + 20), "item_id": np.full(8, 0.5)}
    evidence |= {name: np.full(8, 0.2) for name in ("gender", "age", "artist_id", "genres")}
    total = np.sum(list(evidence.values()), axis=0)
    frames = [
        pd.DataFrame({"feature": name, "activity": activity, "importance": share / total})
        for name, share in evidence.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _activity(
    draw: np.random.Generator, size: int, mean: float, spread: float
) -> NDArray[np.int64]:
    return np.floor(np.exp(draw.normal(mean, spread, size))).astype(np.int64).clip(0, 5000)


def _pick(draw: np.random.Generator, activity: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    # Damped, so that 2,000 rows still reach many of the quiet users.
    chance = np.sqrt(activity + 1.0)
    return draw.choice(len(activity), rows, p=chance / chance.sum())


def _write_log(writer: RunWriter, draw: np.random.Generator) -> None:
    for epoch in range(3):
        for step in range(0, 100, 20):
            done = epoch * 100 + step
            main = 0.55 + 0.14 * np.exp(-done / 80) + draw.normal(0, 0.003)
            writer.log(
                {
                    "kind": "step",
                    "epoch": epoch,
                    "step": step,
                    "loss_main": main,
                    "loss_aux": main + 0.05,
                    "loss_total": main + 0.2 * (main + 0.05),
                    "samples_per_second": 50_000 + draw.normal(0, 1000),
                    "seconds": 0.04 * (done + 1),
                }
            )
        auc = 0.74 + 0.02 * epoch + draw.normal(0, 0.001)
        writer.log(
            {
                "kind": "epoch",
                "epoch": epoch,
                "valid_auc": auc,
                "valid_uauc": auc - 0.05,
                "valid_log_loss": 0.58 - 0.01 * epoch,
                "train_loss": 0.6 - 0.02 * epoch,
                "seconds": 4.0 * (epoch + 1),
            }
        )


def _summary(config: ExperimentConfig, predictions: pd.DataFrame, rows: int) -> dict[str, Any]:
    ranks = predictions["logit"].rank().to_numpy()
    positive = predictions["label"].to_numpy() == 1
    positives, negatives = positive.sum(), (~positive).sum()
    auc = (ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return {
        "test_auc": auc,
        "test_uauc": auc - 0.05,
        "test_uauc_macro": auc - 0.06,
        "test_log_loss": 0.56,
        "valid_auc": 0.78,
        "best_epoch": 2,
        "train_samples_per_second": 50_000.0,
        "parameters": 12_345,
        "seconds": 12.0,
        "dataset": "fake",
        "rows": {"train": 3 * rows, "valid": rows, "test": rows},
        "effective_aux_weight": config.framework.effective_aux_weight,
        "device": "cpu",
        "torch": "2.13.0",
    }
