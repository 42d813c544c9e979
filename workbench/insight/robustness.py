"""How does AUC hold where values are missing, or where a model was trained on wrong labels?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.data.perturb import hide_values
from workbench.errors import InputError
from workbench.insight.reliance import REPLICATES, Logits, auc_draws, logits_without
from workbench.insight.samples import check_same_samples, read_predictions
from workbench.nn.framework import AdaF2M2
from workbench.runs import Run
from workbench.statistics import percentile_interval

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def missing_logits(
    models: Mapping[str, AdaF2M2],
    dataset: Dataset,
    rows: Tensor,
    *,
    features: Sequence[str] | None = None,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    done: Callable[[float], None] | None = None,
) -> dict[str, list[Logits]]:
    """Logits [row] of each model at each share of missing values.

    All models see the same values go missing, and a larger share hides all that a smaller one
    hides: see `workbench.data.perturb.hide_values`.

    Args:
        models: by name, trained on this data set.
        rows: test samples.
        features: which may go missing; None: all but the keys of user and item.
        shares: probabilities that a value goes missing.
        seed: draws the values.
        done: is told the share of the work that is done.
    """
    found: dict[str, list[Logits]] = {name: [] for name in models}
    for place, share in enumerate(shares):
        changed = hide_values(dataset, share, seed=seed, features=features) if share else dataset
        for number, (name, model) in enumerate(models.items()):
            found[name].append(logits_without(model, changed, rows))
            if done:
                done((place * len(models) + number + 1) / (len(models) * len(shares)))
    return found


def missing_curve(
    logits: Mapping[str, Sequence[Logits]],
    samples: pd.DataFrame,
    base: str,
    *,
    shares: Sequence[float] = SHARES,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> pd.DataFrame:
    """AUC against the share of missing values, with intervals paired to a baseline.

    Args:
        logits: from `missing_logits`.
        samples: from `samples_of_rows`.
        base: the baseline's name.

    Returns:
        One row per model and share: `run`, `share`, `auc`, `ci_low`, `ci_high` (of the AUC),
        `delta` (to the baseline at the same share), `delta_low`, `delta_high` (paired; nan for the
        baseline itself), `lost` (AUC lost since share 0), `users`, `rows`.

    Raises:
        InputError: an unknown baseline.
    """
    if base not in logits:
        raise InputError(f"baseline '{base}': allowed: {', '.join(logits)}")
    names, users = list(logits), int(samples["user"].nunique())
    records: list[dict[str, Any]] = []
    complete: dict[str, float] = {}
    for place, share in enumerate(shares):
        draws, values = auc_draws(
            [logits[name][place] for name in names], samples, replicates, seed
        )
        own = names.index(base)
        for column, name in enumerate(names):
            complete.setdefault(name, float(values[column]))
            level = percentile_interval(float(values[column]), draws[:, column], users, 0.95)
            against = draws[:, column] - draws[:, own]
            delta = percentile_interval(float(values[column] - values[own]), against, users, 0.95)
            nan = float("nan")
            records.append(
                {
                    "run": name,
                    "share": share,
                    "auc": level.value,
                    "ci_low": level.low,
                    "ci_high": level.high,
                    "delta": delta.value,
                    "delta_low": nan if name == base else delta.low,
                    "delta_high": nan if name == base else delta.high,
                    "lost": complete[name] - level.value,
                    "users": users,
                    "rows": len(samples),
                }
            )
    return pd.DataFrame(records)


def flipped_curve(
    runs: Sequence[Run], *, replicates: int = REPLICATES, seed: int = 0
) -> pd.DataFrame:
    """Test AUC against the share of wrong labels that runs were trained with.

    Runs are told apart by `config.data.change.flipped` and their variant; runs of several seeds
    are averaged. The test labels are right in all of them.

    Args:
        runs: finished, on the same test rows.
        replicates, seed: of the bootstrap over users.

    Returns:
        One row per variant and share: `run` (the variant), `share`, `seeds`, `auc`, `ci_low`,
        `ci_high`, `delta` (to the base variant at the same share, over the seeds that both have;
        nan without any), `delta_low`, `delta_high` (paired), `lost` (AUC lost since the variant's
        smallest share), `users`, `rows`.

    Raises:
        InputError: no runs, or runs whose test samples differ.
    """
    if not runs:
        raise InputError("name at least one run")
    tables = [read_predictions(run) for run in runs]
    for run, table in zip(runs[1:], tables[1:], strict=True):
        check_same_samples(runs[0], tables[0], run, table)
    samples, users = tables[0], int(tables[0]["user"].nunique())
    draws, values = auc_draws(
        [table["logit"].to_numpy(np.float32) for table in tables], samples, replicates, seed
    )
    place = {
        (run.config.data.change.flipped, run.variant, run.seed): number
        for number, run in enumerate(runs)
    }
    records: list[dict[str, Any]] = []
    first: dict[str, float] = {}
    for share, variant in sorted({key[:2] for key in place}):
        mine = {key[2]: i for key, i in place.items() if key[:2] == (share, variant)}
        own = list(mine.values())
        level = percentile_interval(float(values[own].mean()), draws[:, own].mean(1), users, 0.95)
        theirs = {s: place[share, "base", s] for s in mine if (share, "base", s) in place}
        low = high = delta = float("nan")
        if theirs and variant != "base":
            new, old = [mine[s] for s in theirs], list(theirs.values())
            delta, low, high = percentile_interval(
                float((values[new] - values[old]).mean()),
                (draws[:, new] - draws[:, old]).mean(1),
                users,
                0.95,
            )
        first.setdefault(variant, level.value)
        records.append(
            {
                "run": variant,
                "share": share,
                "seeds": len(own),
                "auc": level.value,
                "ci_low": level.low,
                "ci_high": level.high,
                "delta": 0.0 if variant == "base" else delta,
                "delta_low": low,
                "delta_high": high,
                "lost": first[variant] - level.value,
                "users": users,
                "rows": len(samples),
            }
        )
    return pd.DataFrame(records)
