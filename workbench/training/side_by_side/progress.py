"""Progress of a sweep on standard error: a line for each epoch of a stack and each run's end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from rich.console import Console

from workbench.config import ExperimentConfig
from workbench.training.hooks import Hooks, Record
from workbench.training.side_by_side.runs import Outcome
from workbench.training.trainer import Trainer


class SweepProgress:
    """Counts what is done and says so.

    Args:
        experiments: each with its settings in words.
    """

    def __init__(self, experiments: Iterable[tuple[ExperimentConfig, str]]) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._words = {config.fingerprint(): words for config, words in experiments}
        self._total = len(self._words)
        self._done = 0
        self._since = time.perf_counter()

    def epoch_done(self, trainers: Sequence[Trainer]) -> None:
        """One line for an epoch that some models have trained together."""
        samples = sum(len(trainer.dataset.splits["train"]) for trainer in trainers)
        now = time.perf_counter()
        speed, self._since = samples / max(now - self._since, 1e-9), now
        epochs = sorted({trainer.epoch for trainer in trainers})
        which = f"epoch {epochs[0]}" + (f" to {epochs[-1]}" if len(epochs) > 1 else "")
        best = max((t.best_scores.auc for t in trainers if t.best_scores), default=float("nan"))
        self.console.print(
            f"{self._done} of {self._total} done, {len(trainers)} side by side  {which}  "
            f"best valid AUC {best:.4f}  {speed:,.0f} samples/s, validation included"
        )

    def ended(self, outcome: Outcome) -> None:
        """One line for a run that has ended."""
        self._done += 1
        words = self._words[outcome.config.fingerprint()]
        self.console.print(f"{self._done} of {self._total} done  {words}  {_how(outcome)}")

    def hooks(self) -> Hooks:
        """For a model that trains alone: a line for each of its epochs, too."""
        self._since = time.perf_counter()
        return _EpochLines(self)


class _EpochLines(Hooks):
    def __init__(self, progress: SweepProgress) -> None:
        self._progress = progress

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self._progress.epoch_done([trainer])


def _how(outcome: Outcome) -> str:
    if outcome.problem is not None:
        return f"failed: {outcome.problem}"
    summary = outcome.run.summary if outcome.run is not None else None
    return "stopped on request" if summary is None else f"valid AUC {summary['valid_auc']:.4f}"
