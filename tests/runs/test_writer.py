"""Writing a run: at once visible, never half written, one writer only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.fake_runs import fake_config
from workbench.errors import InputError
from workbench.runs import RunStore, RunWriter


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_logged_record_is_visible_at_once(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        writer.log({"kind": "step", "epoch": 0, "step": 10, "loss_main": 0.5})
        writer.log({"kind": "epoch", "epoch": 0, "valid_auc": np.float64(0.75), "loss_main": None})
        metrics = runs.open("run").metrics()
    assert metrics["kind"].tolist() == ["step", "epoch"]
    assert metrics["valid_auc"].tolist()[1] == 0.75
    assert metrics["loss_main"].isna().tolist() == [False, True]
    assert metrics["step"].dtype == np.float64


def test_a_cut_last_line_is_ignored_and_not_glued_to_the_next(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        writer.log({"kind": "step", "epoch": 0, "step": 1})
    with (runs.root / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "epoch": 0, "st')
    assert runs.open("run").metrics()["step"].tolist() == [1]
    with runs.resume("run") as writer:
        writer.log({"kind": "step", "epoch": 0, "step": 2})
    assert runs.open("run").metrics()["step"].tolist() == [1, 2]


def test_truncate_metrics_drops_later_epochs(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        writer.truncate_metrics(after_epoch=0)  # no log yet: nothing to do
        for epoch in range(3):
            writer.log({"kind": "step", "epoch": epoch, "step": 0})
            writer.log({"kind": "epoch", "epoch": epoch})
        writer.truncate_metrics(after_epoch=1)
        writer.log({"kind": "step", "epoch": 9, "step": 0})
    assert runs.open("run").metrics()["epoch"].tolist() == [0, 0, 1, 1, 9]


def test_truncate_metrics_keeps_the_steps_before_a_checkpoint(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        for epoch, step in ((1, 5), (1, 10), (2, 5), (2, 10), (2, 15), (3, 5)):
            writer.log({"kind": "step", "epoch": epoch, "step": step})
        writer.log({"kind": "epoch", "epoch": 2})
        writer.truncate_metrics(after_epoch=1, after_step=10)
    found = runs.open("run").metrics()
    assert list(zip(found["epoch"], found["step"], strict=True)) == [
        (1, 5),
        (1, 10),
        (2, 5),
        (2, 10),
    ]


def test_numbers_that_are_not_finite_become_null(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        writer.save_summary(
            {"test_auc": float("nan"), "rows": {"test": np.int64(3)}, "x": [float("inf"), 1]}
        )
        writer.save_card({"mean": torch.tensor(0.5), "name": "card"})
    run = runs.open("run")
    assert run.summary == {"test_auc": None, "rows": {"test": 3}, "x": [None, 1]}
    assert run.card() == {"mean": 0.5, "name": "card"}


def test_status_keeps_what_is_not_said_again(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        writer.status(epoch=2, step=5, steps=10)
        writer.status("stopped", message="by hand")
        status = runs.open("run").status
        with pytest.raises(InputError, match="state = 'happy'"):
            writer.status("happy")
    assert (status.state, status.epoch, status.step, status.steps) == ("stopped", 2, 5, 10)
    assert status.message == "by hand"


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("loss is nan"), "failed", "loss is nan"),
        (KeyboardInterrupt(), "stopped", "KeyboardInterrupt"),
    ],
)
def test_leaving_by_an_exception_is_recorded(
    runs: RunStore, error: BaseException, state: str, message: str
) -> None:
    with pytest.raises(type(error)), runs.create(fake_config("base"), "run"):
        raise error
    run = runs.open("run")
    assert (run.state, run.status.message) == (state, message)


def test_what_the_run_said_of_its_end_is_kept(runs: RunStore) -> None:
    def fail(writer: RunWriter) -> None:
        writer.status("failed", message="at step 3")
        raise ValueError("something else")

    with pytest.raises(ValueError, match="else"), runs.create(fake_config("base"), "run") as writer:
        fail(writer)
    assert runs.open("run").status.message == "at step 3"


def test_tensors_survive_to_the_bit(runs: RunStore) -> None:
    table = torch.randn(5, 3)
    tensors = {
        "table": table,
        "same memory": table.view(-1),
        "a column": table[:, 1],
        "bf16": torch.randn(4).bfloat16(),
        "state": torch.get_rng_state(),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 2),
    }
    with runs.create(fake_config("base"), "run") as writer:
        assert writer.load_checkpoint() is None
        writer.save_checkpoint(tensors, {"epoch": 3, "best": [0.1, None]})
        writer.save_weights(tensors)
        loaded = writer.load_checkpoint()
        assert loaded is not None
        for found in (loaded[0], runs.open("run").weights()):
            assert found.keys() == tensors.keys()
            for name, tensor in tensors.items():
                assert found[name].dtype == tensor.dtype
                assert torch.equal(found[name], tensor)
        assert loaded[1] == {"epoch": 3, "best": [0.1, None]}


def test_finish_drops_the_checkpoint(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        writer.save_checkpoint({"x": torch.ones(1)}, {})
        writer.finish()
        assert writer.load_checkpoint() is None
    assert runs.open("run").state == "finished"
    with pytest.raises(InputError, match="'run' is finished; there is nothing to resume"):
        runs.resume("run")


def test_a_damaged_checkpoint_is_named(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        writer.save_checkpoint({"x": torch.ones(1000)}, {})
        path = writer.path / "checkpoint.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InputError, match=r"run/checkpoint\.safetensors: damaged"):
            writer.load_checkpoint()


def test_a_linked_log_is_not_written_through(runs: RunStore, tmp_path: Path) -> None:
    runs.create(fake_config("base"), "run").close()
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    (runs.root / "run" / "metrics.jsonl").symlink_to(victim)
    with (
        pytest.raises(InputError, match="outside the run folder"),
        runs.resume("run") as writer,
    ):
        writer.log({"kind": "step", "epoch": 0})
    assert victim.read_text() == "precious\n"


def test_a_table_with_a_missing_column_is_not_written(runs: RunStore) -> None:
    with runs.create(fake_config("base"), "run") as writer:
        with pytest.raises(InputError, match=r"run/norms\.parquet: column 'code' is missing"):
            writer.save_table("norms", pd.DataFrame({"feature": ["user_id"]}))
        assert not runs.open("run").has("norms")
