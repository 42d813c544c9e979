"""The nursery, one per module that needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NURSERY = Path(__file__).with_name("nursery.py")


class Nursery:
    """Runs command lines in forked children; see `tests/faults/nursery.py`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(NURSERY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        assert self._answer() == {"ready": True}

    def run(
        self,
        *arguments: object,
        kill_after: float | None = None,
        mark: Path | None = None,
        largest_file: int | None = None,
    ) -> dict[str, Any]:
        """Run ``workbench ARGUMENTS``, and kill it after so many seconds."""
        order = {
            "arguments": [str(argument) for argument in arguments],
            "kill_after": kill_after,
            "mark": None if mark is None else str(mark),
            "largest_file": largest_file,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the nursery ended with {self.process.wait(10)}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    started = Nursery()
    yield started
    started.close()
