"""One line per model, data set and variant: what a results table prints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.errors import InputError
from workbench.insight.auc_by_bucket import auc_by_bucket
from workbench.presets import METHODS
from workbench.runs import Run
from workbench.statistics import paired_t


def result_cells(runs: Sequence[Run], *, replicates: int = 1000) -> list[dict[str, Any]]:
    """Average runs over their seeds and pair every variant with the base of the same seeds.

    Args:
        runs: finished runs; of each model and data set a base run and others, per seed.
        replicates: of the bootstrap over users.

    Returns:
        One dictionary per model, data set and group of runs: `data`, `model`, `variant`, `group`,
        `seeds` (a list), `runs` (names), `auc_mean`, `auc_sd` (over seeds, None for one),
        `uauc_mean`, and for everything but the base `base_auc_mean`, `delta_auc`, `rela_impr` (a
        fraction), `ci_low`, `ci_high` (95%, of the AUC difference, bootstrap over users) and
        `p_value` (paired t over seeds, None for one seed).

    Raises:
        InputError: a run that is not finished, no base run, or runs that cannot be paired.
    """
    for run in runs:
        if run.state != "finished":
            raise InputError(f"run '{run.name}' is {run.state}; only finished runs have results")
    places: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (METHODS.index(run.variant), run.seed)):
        places[run.config.data.source, run.config.model.name].append(run)
    cells = []
    for members in places.values():
        cells += _of_one_model(members, replicates)
    return cells


def _of_one_model(runs: Sequence[Run], replicates: int) -> list[dict[str, Any]]:
    bases = [run for run in runs if run.variant == "base"]
    others = [run for run in runs if run.variant != "base"]
    if not bases:
        model = runs[0].config.model.name
        raise InputError(f"no base run of {model} on {runs[0].config.data.source} to compare with")
    cells = [{"group": "base", **_about(bases)}]
    if not others:
        return cells
    frame, singles = auc_by_bucket(bases, others, replicates=replicates)
    overall = frame[frame["bucket"] == "all"]
    by_name = {run.name: run for run in others}
    for row in overall.to_dict("records"):
        own = singles[(singles["group"] == row["group"]) & (singles["bucket"] == "all")]
        test = paired_t(own["delta"].to_numpy())
        cells.append(
            {
                "group": row["group"],
                **_about([by_name[name] for name in own["run"]]),
                "base_auc_mean": row["base"],
                "delta_auc": row["delta"],
                "rela_impr": row["rela_impr"],
                "ci_low": row["ci_low"],
                "ci_high": row["ci_high"],
                "p_value": test.p_value if test.seeds > 1 else None,
            }
        )
    return cells


def _about(runs: Sequence[Run]) -> dict[str, Any]:
    aucs = [float((run.summary or {})["test_auc"]) for run in runs]
    uaucs = [float((run.summary or {})["test_uauc"]) for run in runs]
    return {
        "data": runs[0].config.data.source,
        "model": runs[0].config.model.name,
        "variant": runs[0].variant,
        "seeds": [run.seed for run in runs],
        "runs": [run.name for run in runs],
        "auc_mean": float(np.mean(aucs)),
        "auc_sd": float(np.std(aucs, ddof=1)) if len(aucs) > 1 else None,
        "uauc_mean": float(np.mean(uaucs)),
    }


def markdown(cells: Sequence[dict[str, Any]]) -> str:
    """The cells as a Markdown table, one line per cell."""
    lines = [
        "| Model | Variant | Seeds | Test AUC | Difference to base (95% interval) | RelaImpr |",
        "|---|---|---|---|---|---|",
    ]
    for cell in cells:
        spread = "" if cell["auc_sd"] is None else f" ± {cell['auc_sd']:.4f}"
        if "delta_auc" in cell:
            interval = f"{cell['ci_low']:+.4f} to {cell['ci_high']:+.4f}"
            difference = f"{cell['delta_auc']:+.4f} ({interval}) | {cell['rela_impr']:+.2%}"
        else:
            difference = " | "
        lines.append(
            f"| {cell['model']} | {cell['group']} | {', '.join(map(str, cell['seeds']))} "
            f"| {cell['auc_mean']:.4f}{spread} | {difference} |"
        )
    return "\n".join(lines) + "\n"
