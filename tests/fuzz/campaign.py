"""The long fuzzing campaign over every loader, one target after the other.

    python tests/fuzz/campaign.py --inputs 1000000
    WORKBENCH_RECORD=1 python tests/fuzz/campaign.py --inputs 1000000     # keeps the figures

It may be stopped and started again: corpus and counts stay under ``--state``, and a target that
has had its inputs is not run again (``--fresh`` counts from 0 and keeps the corpus). Whatever is
not one clear line is printed with its traceback at the end, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.fuzz.targets import TARGETS  # noqa: E402
from tests.fuzz.worker import folder_of, read_counts  # noqa: E402
from tests.reliability import record  # noqa: E402

MOST_AT_ONCE = 100_000
"""Inputs of one process: a leak, or a crash of the interpreter, costs no more than that."""


def shares(inputs: int) -> dict[str, int]:
    """How many of `inputs` each target gets, at least 1."""
    total = sum(target.inputs for target in TARGETS.values())
    return {name: -(-inputs * target.inputs // total) for name, target in TARGETS.items()}


def fuzz(name: str, inputs: int, state: Path, seed: int) -> None:
    """Run a target in processes of its own until it has read `inputs` inputs."""
    folder = folder_of(state, name)
    folder.mkdir(parents=True, exist_ok=True)
    while (done := read_counts(folder / "count")[0]) < inputs:
        command = [sys.executable, str(ROOT / "tests/fuzz/worker.py"), name]
        # Empty inputs, and those that stand for no file, do not count: a few more make up for them.
        command += ["--inputs", str(min(MOST_AT_ONCE, inputs - done) + 20), "--state", str(state)]
        log = folder / "log.txt"
        with log.open("w") as file:
            ended = subprocess.run(
                [*command, "--seed", str(seed + done + 1)], stdout=file, stderr=file, check=False
            )
        found, failed = read_counts(folder / "count")
        print(f"{time.strftime('%H:%M:%S')} {name}: {found:,} of {inputs:,}, {failed} failed",
              flush=True)  # fmt: skip
        if ended.returncode != 0 and not crashes(state, name):
            raise SystemExit(f"{name}: the fuzzer itself failed; see {log}")
        if found == done:
            raise SystemExit(f"{name}: no input reached the loader; see {log}")


def crashes(state: Path, name: str) -> list[Path]:
    """Inputs that ended the interpreter itself, took all memory, or never ended."""
    found = (folder_of(state, name).glob(f"{kind}-*") for kind in ("crash", "oom", "timeout"))
    return [path for paths in found for path in paths]


def main() -> int:
    """Fuzz all targets and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument(
        "--state", type=Path, default=Path(tempfile.gettempdir()) / "workbench-fuzz"
    )
    parser.add_argument("--only", nargs="*", default=list(TARGETS), metavar="TARGET")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="count from 0, keep the corpus")
    options = parser.parse_args()
    if options.fresh:
        for name in options.only:
            folder = folder_of(options.state, name)
            for path in (
                folder / "count",
                *folder.glob("tracebacks/*"),
                *crashes(options.state, name),
            ):
                path.unlink(missing_ok=True)
    planned = shares(options.inputs)
    for name in options.only:
        fuzz(name, planned[name], options.state, options.seed)
    inputs = failed = 0
    print(f"\n{'target':<24}{'inputs':>10}{'tracebacks':>12}")
    for name in options.only:
        folder = folder_of(options.state, name)
        found, bad = read_counts(folder / "count")
        bad += len(crashes(options.state, name))
        inputs, failed = inputs + found, failed + bad
        print(f"{name:<24}{found:>10,}{bad:>12,}")
        for path in sorted(folder.glob("tracebacks/*.txt")):
            print(path.read_text())
    print(f"{'all':<24}{inputs:>10,}{failed:>12,}")
    if set(options.only) == set(TARGETS):
        record(fuzz_inputs=inputs, fuzz_targets=len(TARGETS), fuzz_tracebacks=failed)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
