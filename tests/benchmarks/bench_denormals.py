"""What numbers below the least normal one cost: steps of a model in which a share of units is dead.

    python tests/benchmarks/bench_denormals.py --from ../shared/data/ml-1m

Weight decay shrinks the weights of a unit that is never turned on without end. Here a share of the
units of every layer is shrunk at once, to where their products with small inputs are denormal, and
the model is stepped with `training.denormals` as "flush" and as "keep", in turns within one
process, on the process's own time. The last line is JSON.
"""

from __future__ import annotations

import argparse

import torch
from timing import Row, Steps, faster, finish, in_turns, ratios, shown, spread, trainer_for
from torch import nn

from workbench.config import DataConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.training.denormals import denormals

SHRUNK = 1e-36
"""Times a weight of usual size: still a normal number, but hardly a product of it is."""


def measure(dataset: Dataset, name: str, options: argparse.Namespace) -> Row:
    """One model; prints a line."""
    values = {
        "model": {"name": name, "dim": options.dim},
        "framework": {"variant": "base"},
        "training": {"batch_size": options.batch_size, "lr": 1e-30},
    }
    steps = Steps(trainer_for(dataset, values))
    for layer in steps.trainer.model.modules():
        if isinstance(layer, nn.Linear):
            dead = torch.rand(len(layer.weight)) < options.dead
            layer.weight.data[dead] *= SHRUNK

    def seconds(how: str) -> float:
        with denormals(how):
            return steps.seconds(options.steps)

    measures = {how: lambda how=how: seconds(how) for how in ("flush", "keep")}
    seen = in_turns(measures, options.rounds)  # type: ignore[arg-type]
    ratio = ratios(seen["keep"], seen["flush"])
    print(
        f"{name:12} {options.dead:.0%} of the units dead: {shown(seen['flush'])} s a step, "
        f"{shown(seen['keep'])} s not flushed, {shown(ratio)} times as fast",
        flush=True,
    )
    return {
        "name": f"step with {options.dead:.0%} of the units dead",
        "peer": "denormals as they are",
        "model": name,
        "batch_size": options.batch_size,
        "device": "cpu",
        "mode": "float32",
        "ours": options.batch_size / spread(seen["flush"])["median"],
        "theirs": options.batch_size / spread(seen["keep"])["median"],
        **faster(ratio),
        "goal": None,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--models", nargs="+", default=["euler_net", "dcn_v2", "youtube_dnn"])
    parser.add_argument("--dead", type=float, default=0.3, help="share of the units")
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load(DataConfig(source=options.data, folder=options.folder))
    finish([measure(dataset, name, options) for name in options.models], settings=vars(options))


if __name__ == "__main__":
    main()
