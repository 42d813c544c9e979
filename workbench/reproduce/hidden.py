"""Scores a finished run once more with missing values: ``python -m workbench.reproduce.hidden``.

The run's model serves the test rows while a share of their meta features is hidden; the logits
become a table of the run, so that they are computed once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from workbench.errors import InputError
from workbench.reproduce.jobs import hidden_table
from workbench.runs import Run
from workbench.runs.tables import write_table

SEED = 0
"""Draws the hidden values: all runs miss the same ones."""


def score_hidden(run: Run, shares: Sequence[float], folder: str | None = None) -> None:
    """Write the run's tables `hidden_<share in thousandths>`, with a column `logit`.

    Args:
        run: finished.
        shares: probability that a value of a test row is missing.
        folder: where the raw files are now; None where they were when the run was made.

    Raises:
        InputError: a run without weights, or data that cannot be read.
    """
    from workbench.data.perturb import hide_values
    from workbench.data.registry import load
    from workbench.nn.build import build_model
    from workbench.training.evaluation import predict

    config = run.config.data
    dataset = load(config if folder is None else config.model_copy(update={"folder": folder}))
    model = build_model(run.config, *run.layout(), dataset.default_counts)
    model.load_state_dict(run.weights())
    for share in shares:
        partly = hide_values(dataset, share, seed=SEED, split="test")
        logits = predict(model, partly, "test", run.config.training.eval_batch_size)
        frame = pd.DataFrame({"logit": logits.float().cpu().numpy()})
        write_table(run.path, hidden_table(share), frame)


def main(arguments: Sequence[str] | None = None) -> int:
    """The child process of `workbench.reproduce.jobs`."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m workbench.reproduce.hidden")
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("shares", type=float, nargs="+", metavar="SHARE")
    parser.add_argument("--from", dest="folder", metavar="DIR")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    run = Run.read(options.run)
    try:
        if run.problem is not None:
            raise InputError(run.problem)
        score_hidden(run, options.shares, options.folder)
    except InputError as error:
        print(f"workbench: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
