"""What bfloat16 and compilation give: speed of the step, and the test AUC of whole trainings.

    python tests/benchmarks/bench_precision.py --from ../shared/data/ml-1m

Every mode trains the same model from the same start on the same batches. Time is the process's own,
on a GPU the clock's, of the training steps alone and without the first epoch, which includes
compiling. A difference in
AUC of more than the goal of 0.0005 is said in words; on a CPU without bfloat16 units the products
are computed in float32 from rounded numbers, which tests the numbers and gains no time.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import torch
from timing import Row, faster, finish, ratios, seconds_of, where

from workbench.config import DataConfig, ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.training.evaluation import predict, score
from workbench.training.experiment import pick_device
from workbench.training.trainer import Trainer

GOAL = 0.0005
MODES: dict[str, dict[str, Any]] = {
    "float32": {},
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "float32+compile": {"compile": True},
    "tf32+compile": {"precision": "tf32", "compile": True},
    "bf16+compile": {"precision": "bf16", "compile": True},
}


class Trained(NamedTuple):
    """One training.

    Attributes:
        rows: trained on in an epoch.
        seconds: of each epoch but the first.
        auc: of the test rows after the last one.
    """

    rows: int
    seconds: list[float]
    auc: float

    @property
    def speed(self) -> float:
        """Samples per second."""
        return self.rows * len(self.seconds) / sum(self.seconds)


def trained(dataset: Dataset, options: argparse.Namespace, mode: str) -> Trained:
    """Train in one mode."""
    training = {"batch_size": options.batch_size, "epochs": options.epochs, "seed": options.seed}
    config = ExperimentConfig.parse(
        {
            "model": {"name": options.model, "dim": options.dim},
            "framework": {"variant": options.variant},
            "training": {**training, **MODES[mode]},
        }
    )
    model = model_for(config, dataset).to(dataset.device)
    trainer = Trainer(model, dataset, config.training)
    seconds = []
    for epoch in range(options.epochs):
        trainer.epoch = epoch
        seconds.append(seconds_of(trainer._train_epoch, dataset.device))
    auc = score(predict(model, dataset, "test"), dataset, "test").auc
    return Trained(dataset.rows_in("train"), seconds[1:] or seconds, auc)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="dcn_v2")
    parser.add_argument("--variant", default="base")
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = pick_device(options.device)
    dataset = load(DataConfig(source=options.data, folder=options.folder)).to(device)
    plain = trained(dataset, options, "float32")
    print(f"float32: {plain.speed:,.0f} samples/s, test AUC {plain.auc:.5f}", flush=True)
    rows: list[Row] = []
    for mode in options.modes:
        if mode == "float32":
            continue
        own = trained(dataset, options, mode)
        difference = own.auc - plain.auc
        within = "within" if abs(difference) <= GOAL else "NOT within"
        print(
            f"{mode}: {own.speed:,.0f} samples/s, {own.speed / plain.speed:.2f} times as fast; "
            f"test AUC {own.auc:.5f}, {difference:+.5f}, {within} {GOAL}",
            flush=True,
        )
        about = where(device) | {"model": options.model, "mode": mode}
        about["batch_size"] = options.batch_size
        rows += rows_of(own, plain, about)
    finish(rows, settings=vars(options))


def rows_of(own: Trained, plain: Trained, about: Row) -> list[Row]:
    """Speed, and test AUC with the goal that none is lost."""
    speed: Row = {
        "name": "training step",
        "peer": "float32, eager",
        "goal": None,
        "unit": "samples/s",
    }
    quality: Row = {"name": "test AUC of the last epoch", "peer": "float32", "unit": "AUC"}
    quality["goal"] = 1 - GOAL / plain.auc
    speed |= {"ours": own.speed, "theirs": plain.speed}
    speed |= faster(ratios(plain.seconds, own.seconds))
    quality |= {"ours": own.auc, "theirs": plain.auc, "ratio": own.auc / plain.auc}
    return [about | speed, about | quality]


if __name__ == "__main__":
    main()
