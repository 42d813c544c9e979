"""From the regimes' plans to ``regimes.json``, its Markdown and its chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.data.changes import WHOLE, history_groups
from workbench.errors import InputError
from workbench.insight.buckets import ACTIVITY_EDGES, assign
from workbench.insight.samples import read_predictions
from workbench.reproduce.cells import Cell, done_runs, paired_columns
from workbench.reproduce.files import merge, read_cells, write_cells, write_chart
from workbench.reproduce.jobs import Outcomes, hidden_table
from workbench.reproduce.make import Made, about_plan, run_all, what_failed
from workbench.reproduce.plan import CellPlan
from workbench.reproduce.regime_words import regimes_markdown
from workbench.runs import Run, RunStore
from workbench.runs.files import write_text

KEYS = ("part", "point", "data", "rows_made", "preset", "model", "variant")
LEAST_USERS = 10
"""A slice of fewer users has no interval worth the name; it is left out."""

Slice = tuple[str, int, NDArray[np.bool_] | None, str | None]
"""Label, order, rows that count (None: all), table of the logits (None: the predictions)."""


def make_regimes(
    plans: Sequence[CellPlan],
    store: RunStore,
    out: Path,
    *,
    processes: int = 1,
    replicates: int = 1000,
) -> Made:
    """Make the runs and write ``<out>/regimes.json``, ``.md`` and a chart.

    Raises:
        InputError, KeyboardInterrupt: as `workbench.reproduce.make.make_table`.
    """
    path = out / "regimes.json"
    read_cells(path)
    outcomes = run_all(plans, store, processes)
    bases = {plan.place: plan for plan in plans if plan.is_base}
    cells: list[Cell] = []
    missing: list[Cell] = []
    for plan in plans:
        if plan.is_base:
            continue
        base = bases[plan.place]
        reason = what_failed(plan, base, outcomes)
        try:
            cells += regime_cells(plan, base, outcomes, replicates=replicates)
        except InputError as error:
            reason = str(error)
        if reason:
            missing.append(about_plan(plan) | {"reason": reason})
    old, old_missing = read_cells(path)
    everything = merge(old, cells, KEYS)
    everything.sort(key=lambda cell: (cell["part"], cell["data"], cell["model"], cell["order"]))
    done = {tuple(about_plan(plan).items()) for plan in plans}
    kept = [cell for cell in old_missing if tuple(_without_reason(cell).items()) not in done]
    all_missing = [*kept, *missing]
    write_cells(path, everything, all_missing)
    text = out / "regimes.md"
    write_text(text, regimes_markdown(everything, all_missing))
    files = [path, text]
    if everything:
        from workbench.charts import regimes as chart

        files += write_chart(out / "regimes", chart.chart(everything))
    return Made(cells, missing, files)


def regime_cells(
    plan: CellPlan, base: CellPlan, outcomes: Outcomes, *, replicates: int = 1000
) -> list[Cell]:
    """The points that a variant's runs give, from the seeds that are finished on both sides.

    Returns:
        One cell per point: `part`, `point`, `order`, `data`, `preset`, `model`, `variant`, `base`
        (the method it is compared with), `seeds`, `runs`, `trials`, `auc_mean`, the columns of
        `workbench.reproduce.cells.paired_columns`, and `command`.
    """
    runs, base_runs = done_runs(plan, outcomes), done_runs(base, outcomes)
    seeds = [seed for seed in runs if seed in base_runs]
    if not seeds:
        return []
    pairs = [(base_runs[seed], runs[seed]) for seed in seeds]
    cells = []
    for label, order, rows, logits in slices(plan, pairs[0][0]):
        columns = paired_columns(pairs, rows=rows, logits=logits, replicates=replicates)
        about = about_plan(plan) | {"point": label, "order": order, "base": base.method}
        about |= {"seeds": seeds, "runs": [run.name for _, run in pairs], "trials": plan.trials}
        about["auc_mean"] = columns["base_auc_mean"] + columns["delta_auc"]
        cells.append(about | columns | {"command": plan.command})
    return cells


def slices(plan: CellPlan, run: Run) -> Iterator[Slice]:
    """What a plan's runs are cut into: activity buckets, lengths of history, shares of values.

    Args:
        plan: of a part of the regimes.
        run: any of its runs; all have the same test rows.
    """
    part, point = str(plan.about["part"]), str(plan.about["point"])
    if part == "a":
        yield from _by_activity(read_predictions(run))
    elif part == "b" and point == "cut":
        yield from _by_history(plan, read_predictions(run))
    elif part == "b":
        # After the lengths and the users who keep theirs.
        order = len(plan.configs[0].data.change.history) + 100 + int(plan.about["order"])
        yield point, order, None, None
    elif part == "d":
        for order, share in enumerate(plan.hidden):
            yield f"{share:.0%}", order, None, hidden_table(share) if share else None
    else:
        yield point, int(plan.about["order"]), None, None


def _by_activity(samples: pd.DataFrame) -> Iterator[Slice]:
    order, labels = assign(samples["user_activity"].to_numpy(), ACTIVITY_EDGES)
    for bucket in np.unique(order):
        rows = order == bucket
        if _enough(samples, rows):
            yield labels[bucket], int(bucket), rows, None
    yield "all users", len(labels), None, None


def _by_history(plan: CellPlan, samples: pd.DataFrame) -> Iterator[Slice]:
    change = plan.configs[0].data.change
    users = samples["user"].to_numpy()
    groups = history_groups(int(users.max()) + 1, change)[users]
    for order, length in enumerate(change.history):
        rows = groups == order
        if _enough(samples, rows):
            yield str(length), order, rows, None
    rows = groups == WHOLE
    if _enough(samples, rows):
        yield "whole", len(change.history), rows, None


def _enough(samples: pd.DataFrame, rows: NDArray[np.bool_]) -> bool:
    """Whether a slice has users and both classes."""
    labels = samples["label"].to_numpy()[rows]
    users = np.unique(samples["user"].to_numpy()[rows])
    return len(users) >= LEAST_USERS and bool(labels.any()) and not bool(labels.all())


def _without_reason(cell: Cell) -> Cell:
    return {key: value for key, value in cell.items() if key != "reason"}
