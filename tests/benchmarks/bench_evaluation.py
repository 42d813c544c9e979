"""How many rows evaluation should take at once: the test rows predicted in passes of several sizes.

    python tests/benchmarks/bench_evaluation.py --from ../shared/data/ml-1m

The sizes take turns within one process, on the process's own time. The last line is JSON.
"""

from __future__ import annotations

import argparse
import time

import torch
from timing import Row, faster, finish, in_turns, ratios, shown, spread

from workbench.config import DataConfig, ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.data.registry import load
from workbench.nn.build import model_for
from workbench.training.evaluation import predict_batches

AGAINST = 16_384


def measure(dataset: Dataset, name: str, options: argparse.Namespace) -> list[Row]:
    """One model; prints a line for each size."""
    values = {"model": {"name": name, "dim": options.dim}, "framework": {"variant": "base"}}
    model = model_for(ExperimentConfig.parse(values), dataset)

    def seconds(rows: int) -> float:
        began = time.process_time()
        predict_batches(model, dataset.batches("test", rows))
        return time.process_time() - began

    sizes = sorted({*options.sizes, AGAINST})
    measures = {str(size): lambda size=size: seconds(size) for size in sizes}
    seen = in_turns(measures, options.rounds)  # type: ignore[arg-type]
    rows: list[Row] = []
    for size in sizes:
        ratio = ratios(seen[str(AGAINST)], seen[str(size)])
        print(
            f"{name:12} {size:6} rows at once  {shown(seen[str(size)])} s  "
            f"faster than {AGAINST} rows by {shown(ratio)}",
            flush=True,
        )
        rows.append(
            {
                "name": f"evaluation, {size} rows at once",
                "peer": f"{AGAINST} rows at once",
                "model": name,
                "batch_size": size,
                "device": "cpu",
                "mode": "float32",
                "ours": spread(seen[str(size)])["median"],
                "theirs": spread(seen[str(AGAINST)])["median"],
                **faster(ratio),
                "goal": None,
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--from", dest="folder")
    parser.add_argument("--models", nargs="+", default=["dcn_v2", "fm", "afn", "autoint"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[1024, 4096])
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dataset = load(DataConfig(source=options.data, folder=options.folder))
    rows = [row for name in options.models for row in measure(dataset, name, options)]
    finish(rows, settings=vars(options))


if __name__ == "__main__":
    main()
