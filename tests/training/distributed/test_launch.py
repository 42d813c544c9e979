"""How a process learns that torchrun started it, and which device it takes."""

from __future__ import annotations

import pytest
import torch

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.training.distributed.draws import check_shareable
from workbench.training.distributed.group import joined, own_device
from workbench.training.distributed.launch import launched
from workbench.training.optimizers import SPARSE_ROWS


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"}, True),
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "1"}, False),
        ({"WORLD_SIZE": "2"}, False),
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "two"}, False),
        ({}, False),
    ],
)
def test_only_several_processes_of_torchrun_are_a_group(
    environment: dict[str, str], expected: bool
) -> None:
    assert launched(environment) is expected


def test_cpu_processes_share_the_cpu() -> None:
    assert own_device("cpu", 5) == torch.device("cpu")


def test_a_process_without_a_device_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match="process 3 of this machine has no CUDA device: 2 found"):
        own_device("auto", 2)
    with pytest.raises(InputError, match="device 'cuda:1': each of several processes"):
        own_device("cuda:1", 0)


def test_a_group_outside_torchrun_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match="start with torchrun"), joined():
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"updates": "sparse"}}, "training.updates = 'sparse'"),
        ({"training": {"compile": True}}, "training.compile = true"),
        ({"training": {"average_decay": 0.9}}, "training.average_decay = 0.9"),
        ({"framework": {"cold_states": {"share": 0.2}}}, "cold_states.share = 0.2"),
        (
            {
                "framework": {"variant": "base"},
                "rival": {"name": "ssl"},
                "training": {"table_sharding": "row_wise"},
            },
            "rival.name = 'ssl'",
        ),
    ],
)
def test_what_cannot_be_shared_out_is_one_line(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_shareable(ExperimentConfig.parse(change), 1000)


def test_lazy_updates_are_not_passed_off_as_dense_ones() -> None:
    """One process updates so large a table row by row, which are other numbers."""
    large = ExperimentConfig()
    check_shareable(large, SPARSE_ROWS - 1)
    with pytest.raises(InputError, match="allowed: 'dense'"):
        check_shareable(large, SPARSE_ROWS)
    check_shareable(ExperimentConfig.parse({"training": {"updates": "dense"}}), SPARSE_ROWS)


def test_where_a_run_is_computed_is_not_part_of_what_it_is() -> None:
    plain = ExperimentConfig()
    split = ExperimentConfig.parse({"training": {"table_sharding": "row_wise"}})
    assert split.fingerprint() == plain.fingerprint()
