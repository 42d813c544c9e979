"""Progress on standard error: epoch, loss, samples per second, time left, validation AUC."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from workbench.training.hooks import Hooks, Record
from workbench.training.precision import warning_of
from workbench.training.trainer import Trainer


class ProgressHooks(Hooks):
    """A live bar on a terminal; on a pipe only the line after each epoch.

    The time left assumes that every remaining epoch is used; early stopping can only shorten it.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TextColumn("{task.fields[speed]:,.0f} samples/s"),
            TextColumn("at most"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None
        self._started = 0.0
        self._samples = 0

    def __enter__(self) -> ProgressHooks:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def started(self, trainer: Trainer) -> None:
        warning = warning_of(trainer.config.precision, trainer.device)
        if warning is not None:
            self.console.print(f"warning: {warning}", soft_wrap=True)
        epochs = trainer.config.epochs
        self._task = self.bar.add_task(
            "train",
            total=epochs * trainer.steps,
            completed=trainer.epoch * trainer.steps + trainer.step,
            epoch=trainer.epoch + 1,
            epochs=epochs,
            loss=float("nan"),
            speed=0.0,
        )
        self._started, self._samples = time.perf_counter(), trainer.train_samples

    def step(self, trainer: Trainer, record: Record) -> None:
        assert self._task is not None
        now = time.perf_counter()
        speed = (trainer.train_samples - self._samples) / max(now - self._started, 1e-9)
        self._started, self._samples = now, trainer.train_samples
        self.bar.update(
            self._task,
            completed=trainer.epoch * trainer.steps + trainer.step,
            epoch=trainer.epoch + 1,
            loss=record["loss_total"],
            speed=speed,
        )

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        self.console.print(
            f"epoch {record['epoch']:>3}  loss {record['loss_total']:.4f}  "
            f"valid AUC {record['valid_auc']:.4f}  UAUC {record['valid_uauc']:.4f}  "
            f"{record['samples_per_second']:,.0f} samples/s{'  best' if improved else ''}"
        )
        self._started = time.perf_counter()

    def finished(self, trainer: Trainer) -> None:
        if self._task is not None:
            self.bar.remove_task(self._task)
