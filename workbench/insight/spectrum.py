"""How many directions an embedding table uses: singular values and effective rank per feature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from workbench.errors import InputError
from workbench.runs import Run

TABLE = "embedding.weight"
"""Name of the one table of all features in a run's weights."""


def spectrum(runs: Sequence[Run]) -> pd.DataFrame:
    """Singular values of each feature's part of the embedding table.

    A feature's rows are taken as they are: row 0, [MASK]_i, is left out, rows that training never
    saw are not in the vocabulary. Effective rank (Roy and Vetterli 2007): exp of the entropy of the
    singular values divided by their sum; 1 where one direction holds all, `dim` where all are
    alike.

    Args:
        runs: finished.

    Returns:
        One row per run, feature and singular value: `run`, `variant`, `feature`, `is_id`, `rows`
        (of the vocabulary), `dim`, `rank` (from 1), `value`, `share` (of the sum), `effective_rank`
        (the same in all rows of a feature). Features with fewer than two values are left out.

    Raises:
        InputError: weights are missing, damaged, or do not fit the layout.
    """
    return pd.concat([_of_run(run) for run in runs], ignore_index=True)


def _of_run(run: Run) -> pd.DataFrame:
    _, layout = run.layout()
    table = run.weights().get(TABLE)
    last = layout.slots[-1]
    if table is None or table.dim() != 2 or len(table) < last.offset + last.size:
        raise InputError(f"{run.name}: weights.safetensors has no embedding table for its layout")
    frames = []
    for slot in layout.slots:
        rows = table[slot.offset + 1 : slot.offset + slot.size].double()
        if len(rows) < 2:
            continue
        values = torch.linalg.svdvals(rows).numpy()
        share = values / values.sum() if values.sum() > 0 else np.full_like(values, np.nan)
        positive = share[share > 0]
        entropy = -float((positive * np.log(positive)).sum())
        frames.append(
            pd.DataFrame(
                {
                    "run": run.name,
                    "variant": run.variant,
                    "feature": slot.name,
                    "is_id": slot.is_id,
                    "rows": len(rows),
                    "dim": rows.shape[1],
                    "rank": np.arange(1, len(values) + 1),
                    "value": values,
                    "share": share,
                    "effective_rank": float(np.exp(entropy)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
