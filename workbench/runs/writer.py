"""Writing one run: every file atomically, one writer at a time."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NoReturn, Self

import pandas as pd

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.runs.files import inside, parse_object, replacing, to_json, write_text
from workbench.runs.lock import RunLock
from workbench.runs.run import LAYOUT_VERSION
from workbench.runs.status import Status
from workbench.runs.tables import write_table
from workbench.schema import Schema, TableLayout

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.data.encoding import Encoding

STOP_FILE = "STOP"
CHECKPOINT_FILE = "checkpoint.safetensors"
SPLIT_FILE = "checkpoint.json"
"""Names the parts of a checkpoint that several processes wrote; see `split_checkpoint`."""
LINE_LIMIT = 1 << 20
"""Bytes of the longest line of the log."""


class RunWriter:
    """The one writer of a run; `workbench.runs.RunStore.create` and ``resume`` make it.

    Use it in a ``with`` block: leaving it by an exception marks the run "failed" with the
    exception's text (or "stopped" by Ctrl-C), unless the run has said how it ended.

    Attributes:
        path: the run's folder.
        config: the experiment.
    """

    def __init__(
        self, path: Path, config: ExperimentConfig, lock: RunLock, last: Status | None = None
    ) -> None:
        self.path = path
        self.config = config
        self._lock = lock
        self._log: IO[str] | None = None
        # A thread may say that the run is alive while another one trains it.
        self._saying = threading.RLock()
        self._status = last or Status(state="running", heartbeat=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is not None and self._status.state == "running":
                state = "stopped" if kind is KeyboardInterrupt else "failed"
                self.status(state, message=str(error) or type(error).__name__)
        finally:
            self.close()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    def close(self) -> None:
        """Let go of the run; its files stay as they are. May be called again."""
        try:
            self._close_log()
        except OSError:
            # What a full disk did not take was refused once already, when it was written.
            self._log = None
        finally:
            self._lock.release()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one record to the training log; a reader sees it at once.

        Args:
            record: numbers by name, and ``kind``: "step" or "epoch".

        Raises:
            InputError: the log cannot be written.
        """
        try:
            if self._log is None:
                self._log = self._open_log()
            self._log.write(to_json(dict(record)) + "\n")
            self._log.flush()
        except OSError as error:
            raise InputError(
                f"{self.path}/metrics.jsonl: cannot be written ({error.strerror or error})"
            ) from None

    def status(
        self,
        state: str = "running",
        *,
        epoch: int | None = None,
        step: int | None = None,
        steps: int | None = None,
        message: str = "",
    ) -> None:
        """Say how far the run is, and that it is alive.

        To stay "running" in a reader's eyes this must be called at least every 30 s.

        Args:
            state: "queued", "running", "finished", "failed" or "stopped".
            epoch, step, steps: see `Status`; None keeps what was said last.
            message: one line for people.

        Raises:
            InputError: another state, or the status cannot be written.
        """
        with self._saying:
            last = self._status
            values = {
                "state": state,
                "heartbeat": time.time(),
                "epoch": last.epoch if epoch is None else epoch,
                "step": last.step if step is None else step,
                "steps": last.steps if steps is None else steps,
                "message": message[:10_000],
                "pid": os.getpid(),
            }
            self._status = Status.parse(values, f"status of run '{self.name}'")
            # Not durable: it is written often, and after a power cut it is out of date anyway.
            write_text(self.path / "status.json", self._status.model_dump_json(), durable=False)

    def beat(self) -> None:
        """Say that a running run is alive, from any thread; nothing else changes."""
        with self._saying:
            if self._status.state == "running":
                self.status(message=self._status.message)

    def end(self, state: str, message: str) -> NoReturn:
        """Say how the run ended and end the process at once, from any thread.

        What a run writes survives that: every file is whole, and `resume` goes on from the last
        finished epoch.
        """
        with self._saying:
            if self._status.state == "running":
                self.status(state, message=message)
            os._exit(0)

    def stop_requested(self) -> bool:
        """True after `workbench.runs.RunStore.request_stop`; cheap enough to ask at every step."""
        return os.path.lexists(self.path / STOP_FILE)

    def _open_log(self) -> IO[str]:
        path = self.path / "metrics.jsonl"
        if os.path.lexists(path):
            _drop_cut_line(inside(self.path, path.name))
        return path.open("a", encoding="utf-8")

    def save_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Keep the best weights so far."""
        from workbench.runs.tensors import write_tensors

        write_tensors(self.path / "weights.safetensors", tensors)

    def save_checkpoint(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Keep all that is needed to go on from here, in one file, so that it is never half new.

        Args:
            tensors: weights, optimiser and generator state.
            meta: what is not a tensor; must survive JSON.
        """
        from workbench.runs.tensors import write_tensors

        write_tensors(self.path / CHECKPOINT_FILE, tensors, json.dumps(dict(meta)))
        self._drop_split_checkpoint()

    def load_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What `save_checkpoint` kept, or several processes in parts; None for no checkpoint.

        Raises:
            InputError: the file is damaged or links to elsewhere.
        """
        return read_checkpoint(self.path)

    def _drop_split_checkpoint(self) -> None:
        if os.path.lexists(self.path / SPLIT_FILE):
            from workbench.runs.split_checkpoint import drop_split

            drop_split(self.path)

    def truncate_metrics(self, after_epoch: int, after_step: int = 0) -> None:
        """Drop the log's records of what a run that goes on from a checkpoint does again, and a
        line that was cut off.

        Args:
            after_epoch: epochs that are finished; records of later ones go.
            after_step: steps of the next epoch that are finished; their records stay.
        """
        path = self.path / "metrics.jsonl"
        if not os.path.lexists(path):
            return
        self._close_log()
        place = f"{self.name}/metrics.jsonl"
        with (
            inside(self.path, "metrics.jsonl").open(encoding="utf-8") as old,
            replacing(path) as temporary,
            temporary.open("w", encoding="utf-8") as new,
        ):
            for number, line in enumerate(old, 1):
                if not line.endswith("\n"):
                    break
                record = parse_object(line, f"{place}:{number}")
                epoch, step = record.get("epoch", 0), record.get("step", 0)
                for name, value in (("epoch", epoch), ("step", step)):
                    if not isinstance(value, int):
                        raise InputError(f"{place}:{number}: {name} = {value!r}: must be a number")
                if epoch <= after_epoch or (epoch == after_epoch + 1 and 0 < step <= after_step):
                    new.write(line)

    def save_config(self, config: ExperimentConfig) -> None:
        """Replace the run's config, by one that says more exactly what is trained."""
        write_text(self.path / "config.json", config.to_json())
        self.config = config

    def save_summary(self, summary: Mapping[str, Any]) -> None:
        """Keep the run's final numbers; those that are not finite become null."""
        write_text(self.path / "summary.json", to_json(dict(summary), indent=2))

    def save_card(self, card: Mapping[str, Any]) -> None:
        """Keep the data set's card."""
        write_text(self.path / "card.json", to_json(dict(card), indent=2))

    def save_table(self, name: str, frame: pd.DataFrame) -> None:
        """Keep an evaluation table as Parquet; see `workbench.runs.TABLES`.

        Raises:
            InputError: a column is missing or of the wrong kind.
        """
        write_table(self.path, name, frame)

    def save_layout(self, schema: Schema, layout: TableLayout) -> None:
        """Keep what the embedding table means."""
        values = {
            "version": LAYOUT_VERSION,
            "schema": schema.model_dump(mode="json"),
            "layout": layout.model_dump(mode="json"),
        }
        write_text(self.path / "layout.json", to_json(values))

    def save_encoding(self, encoding: Encoding) -> None:
        """Keep what predicting new rows needs: vocabularies, state totals, latest histories."""
        from workbench.runs.encoding import write_encoding

        write_encoding(self.path, encoding)

    def finish(self) -> None:
        """The run is complete: say so, and drop the checkpoint, which nobody needs any more."""
        self.status("finished")
        (self.path / CHECKPOINT_FILE).unlink(missing_ok=True)
        self._drop_split_checkpoint()


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The latest checkpoint in a run's folder, tensors whole, or None where there is none.

    Raises:
        InputError: a file is damaged or links to elsewhere.
    """
    one = read_one_file(path)
    if os.path.lexists(path / SPLIT_FILE):
        from workbench.runs.split_checkpoint import later_split

        split = later_split(path, one[1] if one else None)
        if split is not None:
            return split.read_whole(), split.facts
    return one


def read_one_file(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The checkpoint that one process wrote to a run's folder, or None.

    Raises:
        InputError: the file is damaged or links to elsewhere.
    """
    from workbench.runs.tensors import read_tensors

    if not os.path.lexists(path / CHECKPOINT_FILE):
        return None
    tensors, meta = read_tensors(inside(path, CHECKPOINT_FILE), path.name)
    return tensors, parse_object(meta or "", f"{path.name}/{CHECKPOINT_FILE}")


def _drop_cut_line(path: Path) -> None:
    """Shorten a file to its last line break: what follows was cut off while it was written."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - LINE_LIMIT)
        file.seek(start)
        tail = file.read()
        if not tail.endswith(b"\n"):
            file.truncate(start + tail.rfind(b"\n") + 1)
