"""What every process does for the run's folder while it trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.runs.writer import CHECKPOINT_FILE
from workbench.training.distributed.checkpoint import save
from workbench.training.distributed.group import Group
from workbench.training.hooks import Hooks, Record
from workbench.training.run_files import RunHooks
from workbench.training.trainer import Trainer


@dataclass
class RunFolder(Hooks):
    """Keeps the run's folder up to date; in every process, since all write checkpoints in parts.

    Attributes:
        path: the run's folder.
        group: of the processes.
        own: writes what the first process alone writes; None in the others.
        split: whether each process writes a part of the checkpoint.
    """

    path: Path
    group: Group
    own: RunHooks | None
    split: bool
    kept_step: int = 0

    def started(self, trainer: Trainer) -> None:
        self.kept_step = trainer.step
        if self.own is not None:
            self.own.started(trainer)

    def step(self, trainer: Trainer, record: Record) -> None:
        if self.own is not None:
            self.own.step(trainer, record)
        every = trainer.config.checkpoint_steps
        if not self.split or every is None:
            return
        stopped = self.group.agreed(trainer.stop_requested)
        if (stopped or trainer.step - self.kept_step >= every) and trainer.step < trainer.steps:
            self._save(trainer)
            self.kept_step = trainer.step

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        if not self.split:
            if self.own is not None:
                self.own.epoch(trainer, record, improved)
            return
        # Weights in one file are written at the end: they pass through one process's memory.
        if self.own is not None:
            self.own.writer.log(record)
        self._save(trainer)
        self.kept_step = 0
        if self.own is not None:
            self.own._status(trainer)

    def _save(self, trainer: Trainer) -> None:
        save(self.path, trainer, self.group)
        if self.own is not None:
            (self.path / CHECKPOINT_FILE).unlink(missing_ok=True)


class SplitRunHooks(RunHooks):
    """Leaves checkpoints to `RunFolder`, since each process holds a part."""

    def _keep_within_epoch(self, trainer: Trainer) -> None:
        pass
