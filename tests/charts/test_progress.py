"""Training curves."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.charts import progress, style


@pytest.fixture
def log() -> pd.DataFrame:
    """Two runs of two epochs, two readings each; only the masked one has an auxiliary loss."""
    records: list[dict[str, Any]] = []
    for run, auc in (("base", (0.70, 0.74)), ("mask", (0.72, 0.71))):
        for epoch in (1, 2):
            for step in (50, 100):
                record = {"kind": "step", "epoch": epoch, "step": step, "loss_main": 0.5}
                records.append(record | {"loss_aux": 0.6 if run == "mask" else 0.0, "run": run})
            records.append(
                {"kind": "epoch", "epoch": epoch, "valid_auc": auc[epoch - 1], "run": run}
            )
    return pd.DataFrame(records).assign(group=lambda frame: frame["run"])


def test_sentence_names_the_best_epoch(log: pd.DataFrame) -> None:
    assert progress.sentence(log) == (
        "Best validation AUC: base: 0.7400 in epoch 2 and mask: 0.7200 in epoch 1."
    )


def test_sentence_before_the_first_epoch(log: pd.DataFrame) -> None:
    steps = log[log["kind"] == "step"]
    assert progress.sentence(steps) == "No epoch has ended yet."
    assert progress.sentence(steps.drop(columns="valid_auc")) == "No epoch has ended yet."


def test_losses_lie_on_one_axis_of_epochs(log: pd.DataFrame, svg: Any) -> None:
    chart = progress.loss_chart(log)
    rows = next(iter(chart.to_dict()["datasets"].values()))
    places = sorted({row["epochs"] for row in rows if row["run"] == "base"})
    assert places == [0.5, 1.0, 1.5, 2.0]
    assert {row["loss"] for row in rows} == {"main loss", "auxiliary loss"}
    svg(chart)


def test_validation_auc_has_the_variants_colours(log: pd.DataFrame, svg: Any) -> None:
    chart = progress.auc_chart(log)
    assert chart.to_dict()["encoding"]["color"]["scale"]["range"] == [
        style.COLOURS["base"],
        style.COLOURS["mask"],
    ]
    assert svg(chart).count('aria-roledescription="point"') == 4
