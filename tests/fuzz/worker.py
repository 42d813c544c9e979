"""Feeds one target, or all in turn, with inputs that atheris grows by coverage of `workbench`.

    python tests/fuzz/worker.py TARGET --inputs N --state DIR [--seed S]

An input that ends in anything but the allowed errors is kept in ``DIR/<target>/tracebacks``, one
file per distinct place in the code, and the search goes on. ``DIR/<target>/count`` holds how many
inputs were read and how many of them failed, as two 8-byte numbers that survive any crash. The
corpus stays in ``DIR/<target>/corpus``, so a second start goes on from the first.
"""

from __future__ import annotations

import argparse
import hashlib
import mmap
import random
import re
import struct
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MOST_BYTES = 1 << 16
MOST_MEMORY_MIB = 3072
MOST_SECONDS = 300


def folder_of(state: Path, target: str) -> Path:
    """Where a target's corpus, counts and tracebacks lie."""
    return state / re.sub(r"[^a-z0-9.]+", "-", target.lower())


class Counter:
    """Two numbers in a file that is mapped to memory: inputs, and those that failed."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(16))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 16)

    def add(self, *, failed: bool) -> None:
        """Count one input."""
        inputs, failures = struct.unpack("<QQ", self._map[:])
        self._map[:] = struct.pack("<QQ", inputs + 1, failures + failed)


def read_counts(path: Path) -> tuple[int, int]:
    """Inputs, and those that failed; 0, 0 before the first."""
    inputs, failures = struct.unpack("<QQ", path.read_bytes()) if path.exists() else (0, 0)
    return inputs, failures


class Judge:
    """Runs a target on an input and keeps what must not come out."""

    def __init__(self, name: str, target: Any, allowed: tuple[type[Exception], ...], state: Path):
        self.target, self.allowed = target, allowed
        self.folder = folder_of(state, name)
        self.corpus = self.folder / "corpus"
        self.tracebacks = self.folder / "tracebacks"
        for made in (self.corpus, self.tracebacks):
            made.mkdir(parents=True, exist_ok=True)
        self.counter = Counter(self.folder / "count")

    def __call__(self, data: bytes) -> None:
        from tests.fuzz.scratch import SKIPPED

        failed = False
        try:
            if self.target.run(data) is SKIPPED:
                return
        except self.allowed:
            pass
        except Exception as error:
            failed = True
            self._keep(data, error)
        self.counter.add(failed=failed)

    def _keep(self, data: bytes, error: Exception) -> None:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "workbench" in f.filename]
        place = (
            f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
        )
        name = hashlib.sha256(place.encode()).hexdigest()[:12]
        if not (self.tracebacks / f"{name}.input").exists():
            (self.tracebacks / f"{name}.input").write_bytes(data)
            text = "".join(traceback.format_exception(error))
            (self.tracebacks / f"{name}.txt").write_text(text, errors="backslashreplace")


def main() -> None:
    """Fuzz until N inputs of this start are done; libFuzzer ends the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--inputs", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("ignore")
    import atheris

    # torch and pandas are imported first: only the workbench's own branches guide the search.
    import pandas
    import torch

    torch.set_num_threads(1)
    assert pandas
    with atheris.instrument_imports(include=["workbench"], enable_loader_override=False):
        from tests.fuzz.targets import ALLOWED, TARGETS

    names = list(TARGETS) if options.target == "all" else [options.target]
    judges = [Judge(name, TARGETS[name], ALLOWED, options.state) for name in names]
    corpus = folder_of(options.state, options.target) / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        for seed in TARGETS[name].seeds():
            # The first byte says which target the rest goes to.
            content = bytes([number]) + seed
            (corpus / hashlib.sha1(content).hexdigest()).write_bytes(content)

    def one_input(data: bytes) -> None:
        if data:
            judges[data[0] % len(judges)](data[1:])

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        draw = random.Random(seed)
        number = data[0] % len(judges) if data else draw.randrange(len(judges))
        content = data[1:]
        if draw.random() < 0.1 and not judges[number].target.described:
            content = atheris.Mutate(content or b"0", most - 1)
        else:
            for _ in range(draw.choice((1, 1, 1, 3))):
                content = judges[number].target.mutated(content, draw)
        return bytes([number]) + content[: most - 1]

    limits = [f"-runs={options.inputs}", f"-max_len={MOST_BYTES}", f"-seed={options.seed}"]
    limits += [f"-rss_limit_mb={MOST_MEMORY_MIB}", f"-timeout={MOST_SECONDS}", "-len_control=0"]
    limits += [
        f"-artifact_prefix={folder_of(options.state, options.target)}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], one_input, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
