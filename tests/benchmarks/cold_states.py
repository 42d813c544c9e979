"""Is one row of history better than none? AUC of the same people with 0, 1, 2, 5 and 10 rows.

    python tests/benchmarks/cold_states.py --from ../shared/data/ml-1m --methods base gentle \
        --seeds 2 --keep /tmp/cold --out /tmp/cold/result.json


Some people are split into accounts (`workbench.data.accounts`), one for each length of history, and
every account is asked the same test rows. `METHODS` names what can be trained, once a seed (or as
often as ``NAME:SEEDS`` says; the pairs are then those of the seeds in common); `--keep` remembers
the logits of finished trainings, so that a stopped command goes on. Intervals are those of a
bootstrap over people, 1,000 draws, paired, averaged over the seeds.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.config import ExperimentConfig
from workbench.data.accounts import LENGTHS, Accounts, split_into_accounts
from workbench.data.registry import SOURCES
from workbench.insight.paired import paired_rows
from workbench.training.evaluation import predict
from workbench.training.experiment import train

REPLICATES = 1000
SPLITS = ("valid_accounts", "test_accounts", "test")

Settings = dict[str, dict[str, Any]]
_GENTLE = {"embedding_eps": 1e-3, "embedding_lr": 3e-3}
_START_1 = {"variant": "adapter", "weight_scale": 2.0}
# Method -> what differs from the config's defaults.
METHODS: dict[str, Settings] = {
    "base": {"framework": {"variant": "base"}},
    # Within the paper's definition.
    "mask": {"framework": {"variant": "mask"}},
    "full": {"framework": {"variant": "full"}},
    "adapter_from_1": {"framework": _START_1},
    # The rival.
    "dropoutnet": {"framework": {"variant": "base"}, "rival": {"name": "dropoutnet"}},
    # Regularisation and optimiser of the base model.
    "decay": {"framework": {"variant": "base"}, "training": {"weight_decay": 1e-4}},
    "gentle": {"framework": {"variant": "base"}, "training": _GENTLE},
    "gentle_full_from_1": {
        "framework": {"variant": "full", "weight_scale": 2.0},
        "training": _GENTLE,
    },
    # Simulated cold states, training everything or the adapter alone.
    "cold": {"framework": _START_1 | {"cold_states": {"share": 0.3}}},
    "cold_decay": {
        "framework": _START_1 | {"cold_states": {"share": 0.3}},
        "training": {"embedding_weight_decay": 1e-4},
    },
    "cold_user_decay": {
        "framework": _START_1
        | {"signals": ["count"], "cold_states": {"share": 0.2, "sides": ["user"]}},
        "training": {"embedding_weight_decay": 1e-4},
    },
    "gentle_cold_adapter": {
        "framework": _START_1
        | {
            "signals": ["norm", "count"],
            "cold_states": {
                "share": 0.3,
                "sides": ["user"],
                "trains": "adapter",
                "histories": [0, 1, 2, 5, 10, 20, 50],
            },
        },
        "training": _GENTLE,
    },
}


def trained(world: Accounts, config: ExperimentConfig, keep: Path | None) -> dict[str, np.ndarray]:
    """Logits of each of `SPLITS`, and the validation AUC; read again where they were kept."""
    name = f"{config.fingerprint()}.npz"
    if keep is not None and (keep / name).is_file():
        with np.load(keep / name) as kept:
            return dict(kept)
    result = train(config, world.dataset)
    found = {split: predict(result.model, world.dataset, split).numpy() for split in SPLITS}
    found["valid_auc"] = np.array(result.valid.auc)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(keep / name, **found)
    return found


def paired(
    base: list[Tensor], new: list[Tensor], labels: Tensor, person: np.ndarray
) -> dict[str, Any]:
    """AUC of both, their difference and its interval over people."""
    user = torch.from_numpy(np.unique(person, return_inverse=True)[1])
    scores = list(zip(base, new, strict=True))
    draw = np.random.default_rng(0)
    record, single = paired_rows(scores, labels, user, "auc", REPLICATES, draw)
    names = {"base": "base_auc", "value": "auc", "delta": "delta"}
    kept = {new_name: round(record[old], 6) for old, new_name in names.items()}
    kept |= {key: round(record[key], 6) for key in ("ci_low", "ci_high")}
    kept |= {"people": record["users"], "rows": record["rows"]}
    return kept | {"delta_of_seeds": [round(delta, 6) for delta in single]}


class Answers:
    """The logits of every method and seed, cut by length of history."""

    def __init__(self, world: Accounts, logits: dict[str, list[dict[str, np.ndarray]]]) -> None:
        self.world = world
        self.logits = logits

    def part(self, method: str, split: str, length: int) -> tuple[list[Tensor], Tensor, np.ndarray]:
        """Logits [row] of each seed, labels [row] and people [row] of one length."""
        samples = self.world.dataset.splits[split].numpy()
        chosen = np.flatnonzero(self.world.length[samples] == length)
        scores = [torch.from_numpy(one[split][chosen]) for one in self.logits[method]]
        labels = self.world.dataset.labels[:, 0][torch.from_numpy(samples[chosen])].long()
        return scores, labels, self.world.person[samples[chosen]]

    def cells(self, method: str, against: str) -> list[dict[str, Any]]:
        """One cell for each length, against the first method and against a history of 0 rows."""
        cells = []
        for length in (*LENGTHS, -1):
            split = "test" if length < 0 else "test_accounts"
            scores, labels, person = self.part(method, split, length)
            others, _, _ = self.part(against, split, length)
            seeds = min(len(scores), len(others))
            cell = {"method": method, "history": "warm" if length < 0 else length, "seeds": seeds}
            cell |= paired(others[:seeds], scores[:seeds], labels, person)
            if length > 0:
                none, _, _ = self.part(method, split, 0)
                cell["over_no_history"] = paired(none, scores, labels, person)
            cells.append(cell)
        return cells


def main() -> None:
    """Train, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--model", default="youtube_dnn")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), metavar="NAME[:SEEDS]")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = {"source": options.data, "folder": options.folder}
    config = ExperimentConfig.parse({"data": data, "model": {"name": options.model}})
    world = split_into_accounts(SOURCES[options.data].read(config.data), config.data)
    logits: dict[str, list[dict[str, np.ndarray]]] = {}
    seeds = seeds_of(options.methods, options.seeds)
    for seed in range(max(seeds.values())):
        for method in (name for name, most in seeds.items() if seed < most):
            settings = {section: dict(values) for section, values in METHODS[method].items()}
            settings["data"] = data
            settings["model"] = {"name": options.model, **settings.get("model", {})}
            settings["training"] = {"seed": seed, "device": "cpu", **settings.get("training", {})}
            one = trained(world, ExperimentConfig.parse(settings), options.keep)
            logits.setdefault(method, []).append(one)
            print(f"{method} seed {seed}: validation AUC {one['valid_auc']:.4f}", file=sys.stderr)
    answers = Answers(world, logits)
    against = next(iter(seeds))
    cells = [cell for method in seeds for cell in answers.cells(method, against)]
    show(cells)
    if options.out is not None:
        head = {"data": options.data, "model": options.model, "command": command_of(options)}
        head["seeds"] = seeds
        write(options.out, head, cells)


def command_of(options: argparse.Namespace) -> str:
    """What makes the same figures again, wherever finished trainings were kept."""
    words = ["python", "tests/benchmarks/cold_states.py", "--data", options.data]
    words += ["--from", options.folder] if options.folder else []
    words += ["--model", options.model, "--seeds", str(options.seeds)]
    return shlex.join(
        [*words, "--methods", *options.methods, "--out", "data/results/cold_states.json"]
    )


def seeds_of(methods: list[str], default: int) -> dict[str, int]:
    """Method -> how many seeds, from ``NAME`` and ``NAME:SEEDS``."""
    found = {}
    for text in methods:
        name, _, seeds = text.partition(":")
        if name not in METHODS:
            raise SystemExit(f"method '{name}': must be one of {', '.join(METHODS)}")
        found[name] = int(seeds or default)
    return found


def show(cells: list[dict[str, Any]]) -> None:
    """One line a cell."""
    for cell in cells:
        line = f"{cell['method']:24} {cell['history']!s:>5}  AUC {cell['auc']:.4f}"
        line += f"  over {cell['delta']:+.4f} ({cell['ci_low']:+.4f} to {cell['ci_high']:+.4f})"
        none = cell.get("over_no_history")
        if none:
            line += f"  over no history {none['delta']:+.4f}"
            line += f" ({none['ci_low']:+.4f} to {none['ci_high']:+.4f})"
        print(line)


def write(path: Path, head: dict[str, Any], cells: list[dict[str, Any]]) -> None:
    """The aggregates as JSON; no row of the data is in it."""
    methods = list(head["seeds"])
    document = {
        "question": "AUC of the same people's test rows, by rows of history their account has",
        **head,
        "paired_with": methods[0],
        "replicates": REPLICATES,
        "settings": {method: METHODS[method] for method in methods},
        "cells": cells,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
