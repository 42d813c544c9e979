"""A short fuzzing run over every loader; `tests/fuzz/campaign.py` is the long one.

Here: every good input is read by its loader, mutated ones bring out nothing but one clear line, and
the fuzzer itself notices a loader that breaks.
"""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.campaign import shares
from tests.fuzz.mutate import mutate_json, mutate_safetensors, mutate_table
from tests.fuzz.scratch import SKIPPED
from tests.fuzz.targets import ALLOWED, TARGETS, Target
from tests.fuzz.worker import Judge, folder_of, read_counts
from workbench.errors import InputError

WORKER = Path(__file__).with_name("worker.py")
INPUTS = 3000
# Loaders that train a model or write a data set first take a second for themselves.
SLOW = ("checkpoint", "run folder", "predict CSV", "predict Parquet", "predict Parquet file")


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_are_read(name: str) -> None:
    for seed in TARGETS[name].seeds():
        assert TARGETS[name].run(seed) is not SKIPPED


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in SLOW])
def test_mutated_inputs_end_in_one_clear_line(name: str) -> None:
    target, draw = TARGETS[name], random.Random(name)
    refused = read = 0
    for seed in target.seeds():
        for _ in range(25):
            try:
                read += target.run(target.mutated(seed, draw)) is not SKIPPED
            except ALLOWED:
                refused += 1
    assert read + refused > 10


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this system"
)
def test_a_bounded_coverage_guided_run(tmp_path: Path, project_root: Path) -> None:
    command = [sys.executable, str(WORKER), "all", "--inputs", str(INPUTS), "--state", tmp_path]
    done = subprocess.run(
        command, cwd=project_root, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = "".join(path.read_text() for path in tmp_path.glob("*/tracebacks/*.txt"))
    assert found == ""
    counts = [read_counts(folder_of(tmp_path, name) / "count") for name in TARGETS]
    assert sum(failed for _, failed in counts) == 0
    assert sum(inputs for inputs, _ in counts) > INPUTS / 2


def test_a_loader_that_breaks_is_noticed(tmp_path: Path) -> None:
    def breaks(data: bytes) -> None:
        if data == b"bad":
            raise InputError("one clear line")
        if data == b"worse":
            raise KeyError("a traceback")

    target = Target(breaks, lambda: [b""], mutate_json, 1)
    judge = Judge("breaks", target, ALLOWED, tmp_path)
    for data in (b"good", b"bad", b"worse", b"worse"):
        judge(data)
    assert read_counts(tmp_path / "breaks" / "count") == (4, 2)
    (kept,) = judge.tracebacks.glob("*.input")
    assert kept.read_bytes() == b"worse"
    assert "KeyError" in kept.with_suffix(".txt").read_text()


def test_every_target_gets_its_share() -> None:
    planned = shares(1_000_000)
    assert planned.keys() == TARGETS.keys()
    assert 1_000_000 <= sum(planned.values()) < 1_000_000 + len(TARGETS)
    assert min(shares(10).values()) == 1


def test_mutations_change_values_and_keep_the_format() -> None:
    draw = random.Random(0)
    seeds = TARGETS["config.json"].seeds()
    changed = {mutate_json(seeds[0], draw) for _ in range(50)}
    assert len(changed) > 40
    assert mutate_json(b"not JSON", draw) == b"not JSON"
    rows = {mutate_table(b",")(b"a,b\n1,2\n", draw) for _ in range(50)}
    assert len(rows) > 30
    (weights,) = TARGETS["weights"].seeds()
    forged = [mutate_safetensors(weights, draw) for _ in range(100)]
    assert sum(b"sha256" not in one for one in forged) > 80
