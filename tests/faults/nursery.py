"""A process that imports torch once and forks a child per experiment, to be killed or left alone.

It reads one JSON object per line and answers each with one:

    {"arguments": ["train", "--data", "planted"], "kill_after": 0.1, "mark": "FILE",
     "largest_file": 10000}

The child calls the command line's own `main` with the arguments. After `kill_after` seconds it is
killed (None: never). The answer has ``killed``, the exit ``code`` of a child that ended by itself,
its ``seconds`` and the last of what it said on standard error. A child that trains appends a byte
to ``mark`` after every epoch that is safe on disk. The system refuses to let it write a file of
more than ``largest_file`` bytes.

Forking is safe: this process has one thread, as torch is told before it is imported.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

import workbench.data.registry
import workbench.data.store
import workbench.training.progress
from workbench.cli import main
from workbench.config import DataConfig
from workbench.training import experiment
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer

TICK = 0.0005


class Mark(Hooks):
    """Says after every epoch that it is on disk; comes after the hooks that put it there."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
        os.write(self.file, b".")


class _Marking(experiment.HookList):
    mark: Mark

    def __init__(self, hooks: Any) -> None:
        super().__init__([*hooks, self.mark])


def serve() -> None:
    """Answer until standard input ends."""
    # Pays for what is imported and compiled on first use, so that no child pays again.
    workbench.data.registry.load(DataConfig.model_validate({"planted": {"rows": 100}}))
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)  # without a backward pass, which might leave a thread behind
    torch.optim.Adam([weight], fused=True).step()
    torch.set_num_threads(1)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait, kill; see the module."""
    said, path = tempfile.mkstemp(prefix="nursery-")
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(order, said)
    deadline = None if order.get("kill_after") is None else started + order["kill_after"]
    killed, status = False, 0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            break
        time.sleep(TICK)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    text = Path(path).read_text(errors="replace")
    os.close(said)
    os.unlink(path)
    code = None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    return {"killed": killed, "code": code, "seconds": seconds, "said": text[-2000:]}


def _child(order: dict[str, Any], said: int) -> None:
    code = 70
    try:
        os.dup2(said, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if order.get("mark"):
            _Marking.mark = Mark(order["mark"])
            experiment.HookList = _Marking  # type: ignore[misc]
        if order.get("largest_file") is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest_file"],) * 2)
        code = main(order["arguments"])
    finally:
        # Not `exit`: the parent's own clean-up is not the child's to do.
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
