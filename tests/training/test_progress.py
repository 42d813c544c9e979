"""What a person sees on standard error while a model trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config import ExperimentConfig
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.training import precision
from workbench.training.progress import ProgressHooks
from workbench.training.trainer import Trainer


def said(dataset: Dataset, capsys: pytest.CaptureFixture[str], **training: object) -> str:
    config = ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 3000}},
            "model": {"name": "fm", "dim": 2},
            "framework": {"variant": "base"},
            "training": {"batch_size": 600, "epochs": 2, "device": "cpu"} | training,
        }
    )
    with ProgressHooks() as hooks:
        Trainer(model_for(config, dataset), dataset, config.training, hooks).fit()
    return capsys.readouterr().err


def test_a_line_for_each_epoch(small_world: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(small_world, capsys).splitlines()
    assert [line.split()[1] for line in lines] == ["1", "2"]
    assert "valid AUC" in lines[0]
    assert lines[0].endswith("best")


def test_a_warning_where_bfloat16_is_emulated(
    small_world: Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_UNITS", frozenset())
    monkeypatch.setattr(precision, "CPU_FLAGS", Path(__file__))
    lines = said(small_world, capsys, precision="bf16").splitlines()
    assert lines[0].startswith("warning: training.precision = 'bf16': this processor only emulates")
    assert len(lines) == 3
