"""Finished runs to figures: each cell paired with the base runs of its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.insight.paired import paired_rows
from workbench.insight.samples import check_same_samples, read_predictions
from workbench.reproduce.jobs import Outcomes
from workbench.reproduce.plan import CellPlan
from workbench.runs import Run
from workbench.statistics import paired_t

Cell = dict[str, Any]
METRICS = ("auc", "uauc")


def done_runs(plan: CellPlan, outcomes: Outcomes) -> dict[int, Run]:
    """The cell's finished runs by seed."""
    found = {c.training.seed: outcomes.runs.get(c.fingerprint()) for c in plan.configs}
    return {seed: run for seed, run in found.items() if run is not None}


def make_cell(
    plan: CellPlan, base: CellPlan, outcomes: Outcomes, *, replicates: int = 1000
) -> Cell | None:
    """One row of a table, from the seeds that are finished on both sides.

    Args:
        plan: the cell.
        base: of the same model, data and preset; the cell itself for a base.
        outcomes: of all jobs.
        replicates: of the bootstrap over users.

    Returns:
        None while no seed is finished. Else `data`, `preset`, `model`, `variant` (the method),
        `seeds`, `runs` and `epochs` (per seed), `trials`, `auc_mean`, `auc_sd` and `uauc_mean`,
        `uauc_sd` (over seeds; None for one), `command`, the plan's `about`, `devices` where a run
        was not trained on a CPU, `cpu_capability` (the kinds of CPU, as torch calls them) where
        runs tell, and for everything but a base the columns of `paired_columns`.

    Raises:
        InputError: damaged runs, or runs on different test rows.
    """
    runs, base_runs = done_runs(plan, outcomes), done_runs(base, outcomes)
    paired = plan is not base
    seeds = [seed for seed in runs if seed in base_runs] if paired else list(runs)
    if not seeds:
        return None
    own = [runs[seed] for seed in seeds]
    cell: Cell = {
        "data": plan.source,
        "preset": plan.preset,
        "model": plan.model,
        "variant": plan.method,
        **plan.about,
        "seeds": seeds,
        "runs": [run.name for run in own],
        "epochs": [epochs_of(run) for run in own],
        "trials": plan.trials,
    }
    summaries = [run.summary or {} for run in own]
    devices = sorted({str(summary.get("device", "cpu")) for summary in summaries})
    if devices != ["cpu"]:
        cell["devices"] = devices
    kinds = {str(one["cpu_capability"]) for one in summaries if "cpu_capability" in one}
    if kinds:
        cell["cpu_capability"] = sorted(kinds)
    for metric in METRICS:
        values = [float(summary[f"test_{metric}"]) for summary in summaries]
        cell |= mean_and_spread(metric, values)
    if paired:
        cell["base_trials"] = base.trials
        cell |= paired_columns([(base_runs[s], runs[s]) for s in seeds], replicates=replicates)
    return cell | {"command": plan.command}


def epochs_of(run: Run) -> int:
    """Epochs that a run trained for: where patience ended it, past its best one.

    Raises:
        InputError: a damaged log.
    """
    log = run.metrics()
    return int((log["kind"] == "epoch").sum())


def mean_and_spread(metric: str, values: Sequence[float]) -> Cell:
    """`<metric>_mean` and `<metric>_sd`; the spread is None for one value."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {f"{metric}_mean": float(np.mean(values)), f"{metric}_sd": spread}


def paired_columns(
    pairs: Sequence[tuple[Run, Run]],
    *,
    rows: NDArray[np.bool_] | None = None,
    logits: str | None = None,
    replicates: int = 1000,
) -> Cell:
    """Differences of AUC and UAUC between runs on the same test rows.

    Args:
        pairs: a base run and the other, per seed.
        rows: [test row], those that count; None takes all.
        logits: a table of the runs whose logits are used in place of the predictions'.
        replicates: of the bootstrap over users.

    Returns:
        `base_auc_mean`, `delta_auc`, `rela_impr` (a fraction), `ci_low`, `ci_high` (95%, of the
        AUC difference, over users), `p_value` (paired t over seeds; None for one),
        `seed_ci_low`, `seed_ci_high` (95%, over seeds), `smallest_effect`, `seed_deltas`,
        `users`, `rows`; and `base_uauc_mean`, `delta_uauc`, `rela_impr_uauc`, `uauc_ci_low`,
        `uauc_ci_high`, `uauc_p_value`.

    Raises:
        InputError: damaged tables, or runs on different test rows.
    """
    first = pairs[0][0]
    samples = read_predictions(first)
    scores = []
    for base, other in pairs:
        sides = []
        for run in (base, other):
            table = samples if run is first else read_predictions(run)
            check_same_samples(first, samples, run, table)
            sides.append(_logits(run, table, logits))
        scores.append((sides[0], sides[1]))
    chosen = np.arange(len(samples)) if rows is None else np.flatnonzero(rows)
    labels = torch.tensor(samples["label"].to_numpy(np.int64)[chosen])
    users = torch.tensor(samples["user"].to_numpy(np.int64)[chosen])
    user = torch.unique(users, return_inverse=True)[1]
    picked = [(torch.tensor(a[chosen]), torch.tensor(b[chosen])) for a, b in scores]
    columns: Cell = {}
    for metric in METRICS:
        draw = np.random.default_rng((0, 0))
        record, deltas = paired_rows(picked, labels, user, metric, replicates, draw)
        columns |= _columns(metric, record, deltas)
    return columns


def _columns(metric: str, record: dict[str, Any], deltas: list[float]) -> Cell:
    over_seeds = paired_t(deltas) if np.isfinite(deltas).all() else None
    several = over_seeds is not None and over_seeds.seeds > 1
    p_value = over_seeds.p_value if over_seeds is not None and several else None
    if metric == "uauc":
        return {
            "base_uauc_mean": record["base"],
            "delta_uauc": record["delta"],
            "rela_impr_uauc": record["rela_impr"],
            "uauc_ci_low": record["ci_low"],
            "uauc_ci_high": record["ci_high"],
            "uauc_p_value": p_value,
        }
    return {
        "base_auc_mean": record["base"],
        "delta_auc": record["delta"],
        "rela_impr": record["rela_impr"],
        "ci_low": record["ci_low"],
        "ci_high": record["ci_high"],
        "p_value": p_value,
        "seed_ci_low": over_seeds.ci_low if over_seeds is not None and several else None,
        "seed_ci_high": over_seeds.ci_high if over_seeds is not None and several else None,
        "smallest_effect": record["smallest_effect"],
        "seed_deltas": deltas,
        "users": record["users"],
        "rows": record["rows"],
    }


def _logits(run: Run, predictions: pd.DataFrame, table: str | None) -> NDArray[np.float32]:
    if table is None:
        return predictions["logit"].to_numpy(np.float32)
    frame = run.table(table, ["logit"])
    if len(frame) != len(predictions):
        raise InputError(
            f"{run.name}: {table}.parquet has {len(frame)} rows, "
            f"predictions.parquet {len(predictions)}"
        )
    return frame["logit"].to_numpy(np.float32)
