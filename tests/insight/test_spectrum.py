"""Singular values and effective rank, against tables whose rank is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fake_runs import SCHEMA, make_fake_run
from workbench.errors import InputError
from workbench.insight.spectrum import TABLE, spectrum
from workbench.runs import Run, RunStore
from workbench.runs.tensors import write_tensors

DIM = 4


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_fake_run(RunStore(tmp_path), variant="full", seed=0, name="full")


def write_table(run: Run, user_rows: torch.Tensor) -> None:
    """A table of noise in which the user ID's rows are these, repeated."""
    _, layout = run.layout()
    last = layout.slots[-1]
    table = torch.randn(last.offset + last.size, DIM)
    slot = layout["user_id"]
    rows = slot.size - 1
    repeats = -(-rows // len(user_rows))
    table[slot.offset + 1 : slot.offset + slot.size] = user_rows.repeat(repeats, 1)[:rows]
    # [MASK]_i is no direction that users take.
    table[slot.offset] = 1e6
    write_tensors(run.path / "weights.safetensors", {TABLE: table})


def test_one_direction_has_rank_one(run: Run) -> None:
    write_table(run, torch.tensor([[1.0, 2.0, 0.0, 0.0]]))
    user = spectrum([run]).query("feature == 'user_id'")
    assert user["effective_rank"].iloc[0] == pytest.approx(1.0)
    assert user["share"].iloc[0] == pytest.approx(1.0)


def test_equal_directions_have_full_rank(run: Run) -> None:
    _, layout = run.layout()
    rows = layout["user_id"].size - 1
    write_table(run, torch.eye(DIM))
    user = spectrum([run]).query("feature == 'user_id'")
    assert list(user["rank"]) == [1, 2, 3, 4]
    # Each direction occurs rows / 4 times, give or take one.
    assert user["value"].iloc[0] == pytest.approx(np.sqrt(-(-rows // DIM)))
    assert user["effective_rank"].iloc[0] == pytest.approx(4.0, abs=0.01)
    assert user["rows"].iloc[0] == rows


def test_every_feature_is_there_in_order(run: Run) -> None:
    write_table(run, torch.eye(DIM))
    frame = spectrum([run])
    assert list(frame["feature"].unique()) == list(SCHEMA.names)
    assert frame.groupby("feature")["share"].sum().to_numpy() == pytest.approx(1.0)


def test_weights_without_the_table_are_refused(run: Run) -> None:
    write_tensors(run.path / "weights.safetensors", {"other": torch.zeros(2, 2)})
    with pytest.raises(InputError, match=r"full: weights\.safetensors has no embedding table"):
        spectrum([run])
