"""From plans to files: run what is missing, compute the cells, merge them into the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError
from workbench.reproduce.cells import Cell, done_runs, make_cell
from workbench.reproduce.files import merge, read_cells, write_cells, write_chart
from workbench.reproduce.jobs import Job, Outcomes, run_jobs
from workbench.reproduce.markdown import table_markdown
from workbench.reproduce.plan import CellPlan
from workbench.reproduce.tables import Table, paper_figures
from workbench.reproduce.watch import ProgressWatcher
from workbench.runs import RunStore
from workbench.runs.files import write_text

TABLE_KEYS = ("data", "rows_made", "preset", "model", "variant")


@dataclass(frozen=True)
class Made:
    """What a command left.

    Attributes:
        cells: those of this command.
        missing: those it could not make, each with a `reason`.
        files: written.
    """

    cells: list[Cell]
    missing: list[Cell]
    files: list[Path]


def make_table(
    table: Table,
    plans: Sequence[CellPlan],
    store: RunStore,
    out: Path,
    *,
    processes: int = 1,
    replicates: int = 1000,
) -> Made:
    """Make the runs of a table's cells and write ``<out>/<table>.json``, ``.md`` and a chart.

    Cells of an earlier file stay where this command has no new ones.

    Raises:
        InputError: an earlier file that is none, a store or folder that cannot be used.
        KeyboardInterrupt: the runs were interrupted; nothing is written.
    """
    path = out / f"{table.name}.json"
    read_cells(path)  # a file that cannot be used should not cost hours first
    outcomes = run_all(plans, store, processes)
    cells, missing = collect(plans, outcomes, replicates)
    cells = [_with_paper(table.name, cell) for cell in cells]
    # Read again: another command may have written since.
    old, old_missing = read_cells(path)
    all_cells = merge(old, cells, TABLE_KEYS)
    present = {_key(cell) for cell in cells}
    all_missing = merge(
        [cell for cell in old_missing if _key(cell) not in present], missing, TABLE_KEYS
    )
    write_cells(path, all_cells, all_missing, title=table.title, note=table.note)
    text = out / f"{table.name}.md"
    write_text(text, table_markdown(table, all_cells, all_missing))
    files = [path, text]
    if any("delta_auc" in cell for cell in all_cells):
        from workbench.charts import paper_tables

        files += write_chart(out / table.name, paper_tables.chart(all_cells, table.title))
    return Made(cells, missing, files)


def run_all(plans: Sequence[CellPlan], store: RunStore, processes: int) -> Outcomes:
    """The runs of all plans, with progress on standard error."""
    jobs: list[Job] = [job for plan in plans for job in plan.jobs()]
    with ProgressWatcher(processes) as watcher:
        return run_jobs(jobs, store, processes=processes, watcher=watcher)


def collect(
    plans: Sequence[CellPlan], outcomes: Outcomes, replicates: int
) -> tuple[list[Cell], list[Cell]]:
    """Cells of the finished runs, and the missing ones with a reason each."""
    return collect_with(
        plans,
        outcomes,
        lambda plan, base: make_cell(plan, base, outcomes, replicates=replicates),
    )


def collect_with(
    plans: Sequence[CellPlan],
    outcomes: Outcomes,
    cell_of: Callable[[CellPlan, CellPlan], Cell | None],
) -> tuple[list[Cell], list[Cell]]:
    """As `collect`, with another way to make a cell of a plan and its base."""
    bases = {plan.place: plan for plan in plans if plan.is_base}
    cells, missing = [], []
    for plan in plans:
        base = bases[plan.place]
        reason = what_failed(plan, base, outcomes)
        try:
            cell = cell_of(plan, base)
        except InputError as error:
            cell, reason = None, str(error)
        if cell is not None:
            cells.append(cell | ({"rows_made": _rows(plan)} if _rows(plan) else {}))
        if reason:
            missing.append(about_plan(plan) | {"reason": reason})
    return cells, missing


def about_plan(plan: CellPlan) -> Cell:
    """The columns that say which cell it is."""
    about: Cell = {"data": plan.source, "preset": plan.preset, "model": plan.model}
    about |= {"variant": plan.method, **plan.about}
    return about | ({"rows_made": _rows(plan)} if _rows(plan) else {})


def _rows(plan: CellPlan) -> int | None:
    """Rows of a planted world, which tell it from others."""
    return plan.configs[0].data.planted.rows if plan.source == "planted" else None


def what_failed(plan: CellPlan, base: CellPlan, outcomes: Outcomes) -> str:
    """Which seeds are missing and why, ``"seed 1, 2: <reason>"``; empty where none is."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for name, side in (("", plan), (f"{base.method} ", base)):
        done = done_runs(side, outcomes)
        for config in side.configs:
            seed = config.training.seed
            if seed not in done:
                why = outcomes.failed.get(config.fingerprint(), "not run")
                seeds.setdefault((name, why), []).append(str(seed))
        if plan is base:
            break
    return "; ".join(f"{name}seed {', '.join(own)}: {why}" for (name, why), own in seeds.items())


def _with_paper(table: str, cell: Cell) -> Cell:
    """The paper's figures before the command, which is long."""
    command = cell.pop("command")
    figures = paper_figures(table, cell["data"], cell["model"], cell["variant"])
    return cell | figures | {"command": command}


def _key(cell: Cell) -> str:
    return repr([cell.get(key) for key in TABLE_KEYS])
