"""Samples per second of one process against two, and of every way to split the table.

    python tests/benchmarks/bench_distributed.py --rows 20000 --steps 20 --rounds 5

Every process computes on one thread. Two processes stay alive for the whole measurement; the modes
take turns in them, round by round, and so does one process alone, while the other waits. Each
measure trains `steps` global batches of the same size. Printed are the median and range of samples
per second, the ratio to one process within the same round, and the share of the table that the
largest part has; the last line is JSON. TorchRec's modes run where it is installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from timing import Row, faster, finish, ratios, shown

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.training.distributed.build import split_model
from workbench.training.distributed.group import Group, joined
from workbench.training.distributed.launch import launched
from workbench.training.distributed.tables import SplitEmbedding
from workbench.training.distributed.trainer import DistributedTrainer
from workbench.training.trainer import Trainer

PEERS = {
    "one process": None,
    "ddp": "none",
    "row_wise": "row_wise",
    "table_wise": "table_wise",
    "column_wise": "column_wise",
}
WARM_UP = 3


def config_for(options: argparse.Namespace, sharding: str) -> ExperimentConfig:
    """The same experiment for all modes."""
    return ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": options.rows}},
            "model": {"name": options.model, "dim": options.dim},
            "framework": {"variant": options.variant},
            "training": {
                "batch_size": options.batch_size,
                "device": options.device,
                "log_every": options.steps,
                "table_sharding": sharding,
            },
        }
    )


class Measured:
    """A trainer that trains a fixed number of steps at a time."""

    def __init__(self, trainer: Trainer, steps: int) -> None:
        self.trainer, self.steps = trainer, steps
        self._train(WARM_UP)

    def seconds(self) -> float:
        """Wall seconds of the steps, the reading of the losses included."""
        started = time.perf_counter()
        self._train(self.steps)
        return time.perf_counter() - started

    def _train(self, steps: int) -> None:
        trainer = self.trainer
        trainer.model.train()
        batches = trainer.dataset.batches("train", trainer.config.batch_size, trainer.shuffle)
        for _, batch in zip(range(steps), batches, strict=False):
            loss = trainer.model.losses(batch, trainer.masks)
            trainer.optimizer.zero_grad(set_to_none=True)
            loss.total.backward()  # type: ignore[no-untyped-call]
            trainer.optimizer.step()
        float(loss.total.detach())  # waits for the device


def held(trainer: Trainer) -> float:
    """Share of the whole table that this process trains."""
    embedding = trainer.model.embedding
    if not isinstance(embedding, SplitEmbedding):
        return 1.0
    own = sum(parameter.numel() for parameter in embedding.own_parameters())
    return own / (embedding.layout.rows * embedding.dim)


def modes(options: argparse.Namespace, dataset: Dataset, group: Group) -> dict[str, Measured]:
    """All modes that can be had here, ready."""
    found = {}
    for name, sharding in PEERS.items():
        config = config_for(options, sharding or "none")
        if sharding is None:
            if group.first:
                model = model_for(config, dataset).to(dataset.device)
                found[name] = Measured(Trainer(model, dataset, config.training), options.steps)
            continue
        if sharding in ("table_wise", "column_wise") and not has_torchrec():
            continue
        split = split_model(config, dataset, group, dataset.device)
        trainer = DistributedTrainer(split, dataset, config.training, group)
        found[name] = Measured(trainer, options.steps)
    return found


def has_torchrec() -> bool:
    """Whether TorchRec's modes can be measured."""
    try:
        import torchrec  # noqa: F401
    except ImportError:
        return False
    return True


def measure(options: argparse.Namespace) -> None:
    """In each of the processes; the first one prints."""
    torch.set_num_threads(1)
    with joined() as group:
        config = config_for(options, "none")
        dataset = load(config.data)
        ready = modes(options, dataset, group)
        names = [name for name in PEERS if name in ready or name == "one process"]
        seen: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                group.agreed(False)  # all begin, and the idle one waits, together
                if name in ready:
                    seconds = ready[name].seconds()
                    seen[name].append(options.steps * options.batch_size / seconds)
        largest = {
            name: max(float(group.text(str(held(ready[name].trainer)), r)) for r in range(2))
            for name in names
            if name != "one process"
        }
        if group.first:
            report(options, seen, {"one process": 1.0} | largest)


def report(
    options: argparse.Namespace, seen: dict[str, list[float]], largest: dict[str, float]
) -> None:
    """The table, and the same as JSON."""
    print(
        f"{options.model} {options.variant}, {options.rows:,} rows, global batch "
        f"{options.batch_size}, dim {options.dim}, two gloo processes of one thread, "
        f"{options.rounds} rounds of {options.steps} steps, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}"
    )
    rows: list[Row] = []
    for name, speeds in seen.items():
        ratio = ratios(speeds, seen["one process"])
        median = statistics.median(speeds)
        print(
            f"{name:12} median {median:10,.0f} samples/s  range {min(speeds):,.0f} to "
            f"{max(speeds):,.0f}  ratio {shown(ratio)}  "
            f"largest part of the table {largest[name]:.0%}"
        )
        rows.append(
            {
                "name": "training over two processes",
                "peer": "one process",
                "model": options.model,
                "variant": options.variant,
                "batch_size": options.batch_size,
                "device": options.device,
                "mode": name,
                "clock": "wall",
                "ours": median,
                "theirs": statistics.median(seen["one process"]),
                **faster(ratio),
                "goal": None,
                "largest_part": largest[name],
            }
        )
    finish(rows, settings=vars(options), load=os.getloadavg()[0])


def main() -> int:
    """Start two processes of this file by torchrun, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--model", default="dcn_v2")
    parser.add_argument("--variant", default="full")
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=("cpu",))
    options = parser.parse_args()
    if launched():
        measure(options)
        return 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(Path(__file__).resolve()), *sys.argv[1:]]
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
