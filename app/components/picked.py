"""What the reader has picked: runs, and a slice of activity x feature x user."""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.catalogue import Catalogue, Entry


@dataclass(frozen=True)
class Slice:
    """Users with at least `low` and fewer than `high` training interactions."""

    low: float = 0.0
    high: float = math.inf

    @property
    def whole(self) -> bool:
        """True where nobody is left out."""
        return self.low <= 0 and math.isinf(self.high)

    @property
    def ends(self) -> tuple[float, float] | None:
        """First and last activity for a chart, or None for all."""
        return None if self.whole else (self.low, self.high - 1)

    def holds(self, activity: float) -> bool:
        """True where a bucket that starts at `activity` belongs to the slice."""
        return self.low <= activity < self.high


@dataclass(frozen=True)
class Picked:
    """The state of the sidebar.

    Attributes:
        catalogue: all runs.
        labels: run key -> what people read.
        base, candidates: the picked runs, as they stand in the pickers; base is None without runs.
        all_seeds: whether the views show all seeds of the picked experiments.
        slice: of user activity.
        feature: the feature that the reader looks at, None for all.
        user: the code of the user that the reader looks at, None for nobody in particular.
    """

    catalogue: Catalogue
    labels: dict[str, str]
    base: Entry | None
    candidates: tuple[Entry, ...]
    all_seeds: bool
    slice: Slice
    feature: str | None = None
    user: int | None = None

    @property
    def base_runs(self) -> list[Entry]:
        """The baseline in all seeds that are wanted."""
        return self._with_seeds([self.base] if self.base else [])

    @property
    def candidate_runs(self) -> list[Entry]:
        """The candidates in all seeds that are wanted."""
        return self._with_seeds(list(self.candidates))

    @property
    def pairs(self) -> tuple[list[Entry], list[Entry], list[Entry]]:
        """Base runs and candidates of the seeds that both have, and candidates left alone."""
        base = {entry.run.seed: entry for entry in self.base_runs}
        paired = [entry for entry in self.candidate_runs if entry.run.seed in base]
        alone = [entry for entry in self.candidate_runs if entry.run.seed not in base]
        seeds = {entry.run.seed for entry in paired}
        return [base[seed] for seed in base if seed in seeds], paired, alone

    def _with_seeds(self, entries: list[Entry]) -> list[Entry]:
        if not self.all_seeds:
            return entries
        found = {e.key: e for entry in entries for e in self.catalogue.seeds_of(entry)}
        return list(found.values())
