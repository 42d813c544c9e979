"""What can be told of training while it runs: empty methods to override."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.training.trainer import Trainer

Record = dict[str, Any]


class Hooks:
    """Called by the trainer at the moments it reads the device anyway."""

    def started(self, trainer: Trainer) -> None:
        """Before the first step; `trainer.epoch` is above 0 after a resume."""

    def step(self, trainer: Trainer, record: Record) -> None:
        """Every `log_every` steps, with the mean losses since the last call."""

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        """After each epoch's validation; `improved` says whether these are the best weights."""

    def finished(self, trainer: Trainer) -> None:
        """After the best weights were restored."""


class HookList(Hooks):
    """Several hooks, called in order."""

    def __init__(self, hooks: Sequence[Hooks]) -> None:
        self.hooks = tuple(hooks)

    def started(self, trainer: Trainer) -> None:
        for hook in self.hooks:
            hook.started(trainer)

    def step(self, trainer: Trainer, record: Record) -> None:
        for hook in self.hooks:
            hook.step(trainer, record)

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        for hook in self.hooks:
            hook.epoch(trainer, record, improved)

    def finished(self, trainer: Trainer) -> None:
        for hook in self.hooks:
            hook.finished(trainer)
