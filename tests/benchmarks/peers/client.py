"""The parent's side of a comparison: start workers, ask them, stop them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SCRIPTS = {
    "workbench": "own_worker.py",
    "fuxictr": "fuxictr_worker.py",
    "recbole": "recbole_worker.py",
    "deepctr-torch": "deepctr_worker.py",
    "torch-rechub": "rechub_worker.py",
}
OWN = "workbench"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
)


class WorkerError(Exception):
    """A worker that cannot do what it was asked for; the message is for people."""


class Worker:
    """A process that keeps one library's model and data between requests.

    Args:
        name: of `SCRIPTS`.
        python: of the library's environment.
        export: the folder that `export.write_export` made.
        log: where everything that the library prints goes.
    """

    def __init__(self, name: str, python: Path, export: Path, log: Path) -> None:
        self.name = name
        self.log = log
        environment = {**os.environ, **ONE_THREAD, "OMP_WAIT_POLICY": "PASSIVE"}
        # With it every start would compile the library's modules anew.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if name == OWN:
            others = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
            environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *others])
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [str(python), str(HERE / SCRIPTS[name]), str(export)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
                cwd=log.parent,
            )

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            WorkerError: the library has no counterpart, failed, or ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **values}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"{self.name} ended; see {self.log}")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise WorkerError(f"{self.name}, {do} {values}: {found['error']}; see {self.log}")
        return found

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process: its input ends, and after ten seconds it is killed."""
        assert self.process.stdin is not None
        # What it was never told does not matter where it has ended already.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def python_of(name: str, environments: Path) -> Path:
    """The interpreter that runs a worker; the workbench runs in this one."""
    return Path(sys.executable) if name == OWN else environments / name / "bin" / "python"
