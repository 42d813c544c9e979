"""Every loader as a function of bytes: what a user's file may hold goes in at the usual door.

A target may end quietly, with an `InputError` or with a `TrainingError`: the command line turns
both into one line. Everything else is a traceback that reaches the user.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz import data_targets, run_targets, table_targets, text_targets
from tests.fuzz.mutate import Mutator, mutate_bytes
from tests.fuzz.scratch import SKIPPED
from workbench.errors import InputError, TrainingError

ALLOWED = (InputError, TrainingError)


@dataclass(frozen=True)
class Target:
    """One loader.

    Attributes:
        run: reads an input; `SKIPPED` where the input never reached the loader.
        seeds: good inputs to start from.
        mutate: changes an input with an eye to its format.
        inputs: of a campaign of a million.
        described: an input describes a file that the target makes, so bytes are not changed singly.
    """

    run: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    mutate: Mutator
    inputs: int
    described: bool = False

    def mutated(self, data: bytes, draw: random.Random) -> bytes:
        """A changed input: of three, two are changed in their format and one byte by byte."""
        if self.described:
            return self.mutate(data, draw)
        changed = self.mutate(data, draw) if draw.random() < 2 / 3 else mutate_bytes(data, draw)
        return changed if changed != data else mutate_bytes(data, draw)


TARGETS: dict[str, Target] = {
    name: Target(*parts)
    for module in (text_targets, data_targets, run_targets, table_targets)
    for name, parts in module.TARGETS.items()
}

__all__ = ["ALLOWED", "SKIPPED", "TARGETS", "Target"]
