"""Plans and finished runs of invented numbers, for tests that need no training."""

from __future__ import annotations

from typing import Any

from tests.fake_runs import fake_config, make_fake_run
from workbench.reproduce.jobs import Outcomes
from workbench.reproduce.plan import BASE, CellPlan
from workbench.runs import RunStore


def plan_of(
    method: str, seeds: tuple[int, ...] = (0, 1), about: dict[str, Any] | None = None, **named: Any
) -> CellPlan:
    """A cell whose configs are those of `make_fake_run`."""
    return CellPlan(
        source="planted",
        model="youtube_dnn",
        method=method,
        preset="paper",
        configs=tuple(fake_config(method, seed) for seed in seeds),
        trials=3 if method == BASE else 4,
        command=f"make {method}",
        about=about or {},
        is_base=method == BASE,
        **named,
    )


def outcomes_of(store: RunStore, *finished: tuple[str, int]) -> Outcomes:
    """Make a run for each pair of a variant and a seed."""
    outcomes = Outcomes()
    for method, seed in finished:
        run = make_fake_run(store, variant=method, seed=seed)
        outcomes.runs[run.config.fingerprint()] = run
    return outcomes
