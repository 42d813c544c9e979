"""Makes the demo runs that ship with the project: four variants on the planted world.

``make demo`` writes them again. They are small on purpose; the app opens on them at once.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.config import ExperimentConfig, Variant
from workbench.runs import RunStore

DEMO_FOLDER = Path("data/demo_runs")
# Three seeds per variant: enough to show how far single seeds scatter.
SEEDS = (0, 1, 2)


def demo_config(variant: Variant, seed: int) -> ExperimentConfig:
    """The experiment behind one demo run: one pass in time order, as a production model trains.

    With many shuffled epochs the embeddings of cold users memorise their few training rows; the
    adapter then learns that their IDs deserve trust, and weighs them up instead of down.
    """
    return ExperimentConfig.parse(
        {
            "data": {"source": "planted", "split": "time", "planted": {"rows": 100_000}},
            "model": {
                "name": "dcn_v2",
                "dim": 8,
                "embedding_scale": 1.0,
                "options": {"hidden": [64, 32]},
            },
            "framework": {"variant": variant.value},
            "training": {
                "order": "time",
                "epochs": 1,
                "batch_size": 256,
                "lr": 0.01,
                "weight_decay": 1e-6,
                "seed": seed,
                "device": "cpu",
            },
        }
    )


def demo_runs() -> Iterator[tuple[str, ExperimentConfig]]:
    """Name and config of every demo run."""
    for seed in SEEDS:
        for variant in Variant:
            yield f"planted-dcn_v2-{variant.value}-s{seed}", demo_config(variant, seed)


def make(folder: Path) -> None:
    """Train every demo run into a new folder and put it in place of `folder`."""
    import torch

    from workbench.data.registry import load
    from workbench.training.experiment import train_run
    from workbench.training.progress import ProgressHooks

    # One thread: sums are then added in one order, and the numbers repeat on any machine alike.
    torch.set_num_threads(1)
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    store = RunStore(fresh)
    dataset = None
    for name, config in demo_runs():
        dataset = dataset or load(config.data)
        with ProgressHooks() as progress:
            run = train_run(config, store, name=name, dataset=dataset, hooks=progress)
        print(f"{name}: test AUC {(run.summary or {})['test_auc']:.4f}", file=sys.stderr)
    for lock in fresh.glob("*/.lock"):
        lock.unlink()  # of no use to a run that nobody writes any more
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of ``make demo``."""
    parser = argparse.ArgumentParser(prog="python -m workbench.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=DEMO_FOLDER, metavar="DIR")
    make(parser.parse_args(arguments).out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
