"""``workbench train`` in one of two processes, of which the second dies in the middle.

torchrun --nproc-per-node 2 -m tests.training.distributed.dying LOG train ...
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from workbench.cli import main

UNDER_WAY = 10_000
"""Bytes of the log after which steps follow each other at once: the other process then meets the
loss in its next one, before torchrun ends it."""


def die_after(log: Path) -> None:
    """Kill this process once training is under way."""
    while not (log.exists() and log.stat().st_size > UNDER_WAY):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if os.environ["RANK"] == "1":
        threading.Thread(target=die_after, args=(Path(sys.argv[1]),), daemon=True).start()
    sys.exit(main(sys.argv[2:]))
