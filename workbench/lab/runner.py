"""The process that holds a place: ``python -m workbench.lab.runner STORE PLACE``.

It takes runs out of the line, one after the other, and trains each in a `worker` of its own. The
next worker imports torch while the present one trains, so that a start never waits for that; it
also loads the data that a reader has before them (see `queue.announce`). When a worker ends without
a word (killed, out of memory) its run is marked failed, with the reason. The runner lives in a
session of its own; it ends when the server that started it is gone and nobody is in line any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from workbench.errors import InputError
from workbench.lab import queue
from workbench.lab.places import Place, is_free, lab_folder, slots

LOOKS_EVERY = 0.05
RESERVE_AFTER = 1.5
"""Seconds of training after which the next worker is prepared: the first steps go first."""
TAKES_WITHIN = 2.0
PACKAGE_ROOT = Path(__file__).parents[2]

_started: dict[tuple[str, int], subprocess.Popen[bytes]] = {}


def ensure_runners(root: Path) -> int:
    """Start a runner for every place of a store that has none; cheap enough for every look.

    Returns:
        The number of places, 0 where the lab is switched off.

    Raises:
        InputError: a bad number of places, or a store that cannot be written.
    """
    number = slots()
    root = root.absolute()
    for place in range(number):
        runner = _started.get((str(root), place))
        if runner is not None and runner.poll() is None:
            continue
        if is_free(root, place):
            _started[str(root), place] = _start_runner(root, place)
    return number


def _start_runner(root: Path, place: int) -> subprocess.Popen[bytes]:
    with (lab_folder(root) / f"place-{place}.log").open("ab") as log:
        # The pipe is the leash: it closes when this process ends, however it ends.
        return subprocess.Popen(
            [sys.executable, "-m", "workbench.lab.runner", str(root), str(place)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(PACKAGE_ROOT), os.environ.get("PYTHONPATH")]))
    threads = max(1, ((os.cpu_count() or 1) - 1) // max(1, slots()))
    # One core is left to the server; threads that wait must not burn one.
    return {
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        "PYTHONPATH": path,
    }


class Runner:
    """Trains what is in line, at one place.

    Args:
        root: the store.
        place: held by this process.
        leash: ends when the server does.
    """

    def __init__(self, root: Path, place: Place, leash: IO[bytes]) -> None:
        self.root = root
        self.place = place
        self.leash: IO[bytes] | None = leash
        self.reserve: subprocess.Popen[str] | None = None
        self.data: dict[str, Any] | None = None
        self._seen = 0

    def loop(self) -> None:
        """Until the server is gone and nobody is in line."""
        while True:
            self._prepare()
            self._follow()
            name = queue.claim(self.root)
            if name is not None:
                self._train(name)
            elif not self._wait():
                break
        if self.reserve is not None:
            self._pipe(self.reserve).close()
            self.reserve.wait()

    def _wait(self) -> bool:
        """A short while; False where nobody holds the leash any more."""
        if self.leash is None:
            return False
        ready, _, _ = select.select([self.leash], [], [], LOOKS_EVERY)
        if ready and not os.read(self.leash.fileno(), 1):
            self.leash = None
        return True

    def _prepare(self) -> None:
        """Have a worker in reserve, with the data of the last run."""
        if self.reserve is not None and self.reserve.poll() is None:
            return
        self.reserve = subprocess.Popen(
            [sys.executable, "-m", "workbench.lab.worker"],
            stdin=subprocess.PIPE,
            text=True,
            pass_fds=[self.place.file],
            start_new_session=True,
        )
        if self.data is not None:
            self._order(self.reserve, {"preload": self.data})

    def _follow(self) -> None:
        """Have the data in reserve that a reader is about to train on."""
        version = queue.announcement(self.root)
        if version == self._seen:
            return
        self._seen = version
        config = queue.announced(self.root)
        wanted = config.model_dump(mode="json") if config is not None else self.data
        if wanted != self.data and self.reserve is not None:
            self.data = wanted
            self._order(self.reserve, {"preload": wanted})

    def _train(self, name: str) -> None:
        self._prepare()
        assert self.reserve is not None
        worker, self.reserve = self.reserve, None
        self._order(worker, {"root": str(self.root), "run": name})
        self._remember(name)
        began = time.monotonic()
        while worker.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(LOOKS_EVERY)
            if time.monotonic() - began > RESERVE_AFTER:
                self._prepare()
        self._pipe(worker).close()
        if worker.returncode != 0:
            self._note_death(name, worker.returncode)

    def _remember(self, name: str) -> None:
        with contextlib.suppress(InputError, OSError, ValueError, KeyError):
            self.data = json.loads((self.root / name / "config.json").read_text())["data"]

    def _note_death(self, name: str, code: int) -> None:
        from workbench.lab.watch import mark_lost

        mark_lost(self.root, name, how_it_ended(code))

    def _order(self, worker: subprocess.Popen[str], order: dict[str, Any]) -> None:
        # A worker that has died is noticed by its exit code.
        with contextlib.suppress(OSError):
            pipe = self._pipe(worker)
            pipe.write(json.dumps(order) + "\n")
            pipe.flush()

    @staticmethod
    def _pipe(worker: subprocess.Popen[str]) -> IO[str]:
        assert worker.stdin is not None
        return worker.stdin


def how_it_ended(code: int) -> str:
    """An exit code in words: ``-9`` is ``"its process was killed (SIGKILL)"``."""
    if code < 0:
        return f"its process was killed ({signal.Signals(-code).name})"
    return f"its process ended with exit code {code}"


def main() -> int:
    """Take the place, unless another runner has it, and work."""
    root, number = Path(sys.argv[1]), int(sys.argv[2])
    deadline = time.monotonic() + TAKES_WITHIN
    # Somebody may just be looking whether the place is free.
    while (place := Place.take(root, number)) is None:
        if time.monotonic() > deadline:
            return 0
        time.sleep(LOOKS_EVERY)
    Runner(root, place, sys.stdin.buffer).loop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
