"""Calibration on users and items that training has never seen, with the framework and without.

    python tests/benchmarks/bench_calibration.py --out data/results/calibration.json
    python tests/benchmarks/bench_calibration.py --data movielens-1m --from ../shared/data/ml-1m

For every seed a share of the users and of the items is held out entirely, for validation and as
many again for test; all variants train on the same rows with the same seed and budget, stop on the
same validation rows, and are measured once on the same test rows. Users of all seeds are pooled
for the intervals. Prints the table; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workbench.config import ExperimentConfig
from workbench.data.encode import build_dataset
from workbench.data.registry import SOURCES
from workbench.runs.files import to_json, write_text
from workbench.serving.calibration import calibration_by_group, held_out_users_and_items
from workbench.training.evaluation import predict
from workbench.training.experiment import train

COLUMNS = ("group", "model", "rows", "users", "predicted", "observed", "ece", "log_loss")


def samples(dataset: Any, seed: int, split: str = "test") -> pd.DataFrame:
    """User (distinct between seeds), label, and whether user and item are new, per sample."""
    index = dataset.splits[split]
    users, items = dataset.users[index].long(), dataset.items[index].long()
    return pd.DataFrame(
        {
            "user": users.numpy() + seed * 10_000_000,
            "label": dataset.labels[index, 0].numpy(),
            "new_user": (dataset.activity()[users] == 0).numpy(),
            "new_item": (dataset.popularity()[items] == 0).numpy(),
        }
    )


def one_seed(config: ExperimentConfig, raw: Any, options: argparse.Namespace, seed: int) -> Any:
    """Train every variant on one split; probabilities [sample] by variant, and the samples."""
    splits = held_out_users_and_items(raw.user_index, raw.item_index, options.share, seed)
    dataset = build_dataset(raw, config.data, splits)
    found = samples(dataset, seed, options.split)
    for variant in options.variants:
        values = config.model_dump()
        values["training"]["seed"] = seed
        name, _, rival = variant.partition(":")
        values["framework"]["variant"] = name
        if rival:
            values["rival"]["name"] = rival
        trained = train(ExperimentConfig.parse(values), dataset)
        logits = predict(trained.model, dataset, options.split)
        found[f"p:{variant}"] = torch.sigmoid(logits.double()).numpy()
        print(
            f"{config.model.name} {variant} seed {seed}: epoch {trained.best_epoch}, valid AUC "
            f"{trained.valid.auc:.4f}, test AUC {trained.test.auc:.4f}, log loss "
            f"{trained.test.log_loss:.4f}",
            file=sys.stderr,
            flush=True,
        )
    return found


def table(found: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """Calibration of every variant in every group, against the first variant."""
    user, item = found["new_user"].to_numpy(), found["new_item"].to_numpy()
    groups = {
        "unseen user, known item": user & ~item,
        "known user, unseen item": ~user & item,
        "both unseen": user & item,
        "both known": ~user & ~item,
    }
    models = {name: found[f"p:{name}"].to_numpy() for name in options.variants}
    return calibration_by_group(
        models,
        found["label"].to_numpy(),
        found["user"].to_numpy(),
        groups,
        replicates=options.replicates,
    )


def main() -> None:
    """Train, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="planted")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--rows", type=int, default=100_000, help="of the planted world")
    parser.add_argument("--model", nargs="+", default=["dcn_v2", "fm"])
    parser.add_argument("--variants", nargs="+", default=["base", "full"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=0.15)
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--set", nargs="*", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sections: dict[str, dict[str, Any]] = {"framework": {}, "training": {}, "model": {}}
    for assignment in options.set:
        key, _, text = assignment.partition("=")
        section, _, name = key.partition(".")
        sections[section][name] = json.loads(text)
    data = {"source": options.data, "folder": options.folder}
    if options.data == "planted":
        data["planted"] = {"rows": options.rows}
    frames = []
    for model in options.model:
        values = {"data": data, **sections, "model": sections["model"] | {"name": model}}
        config = ExperimentConfig.parse(values)
        raw = SOURCES[options.data].read(config.data)
        seeds = [one_seed(config, raw, options, seed) for seed in options.seeds]
        frame = table(pd.concat(seeds, ignore_index=True), options)
        frame.insert(0, "base_model", model)
        frames.append(frame)
        print(frame.to_string(float_format="%.4f", index=False), flush=True)
    result = {
        "command": " ".join(["python", *sys.argv]),
        "data": options.data,
        "share": options.share,
        "seeds": options.seeds,
        "split": options.split,
        "cells": pd.concat(frames).replace({np.nan: None}).to_dict("records"),
    }
    if options.out is not None:
        write_text(options.out, to_json(result, indent=1) + "\n")
    print(to_json(result))


if __name__ == "__main__":
    main()
