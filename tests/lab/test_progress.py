"""A log as progress, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from tests.lab.files import small_config
from workbench.charts import progress as charts
from workbench.lab import progress
from workbench.runs.status import Status

STATUS = Status(state="running", heartbeat=0, epoch=1, step=4, steps=10)


def log(*records: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame.from_records(list(records))


def step(epoch: int, number: int, seconds: float) -> dict[str, Any]:
    losses = {"loss_main": 0.6, "loss_aux": 1.2}
    return {"kind": "step", "epoch": epoch, "step": number, "seconds": seconds} | losses


LOG = log(
    step(1, 5, 1.0),
    {"kind": "probe", "epoch": 1, "step": 5, "valid_auc_sample": 0.55, "rows": 100},
    {"kind": "cost", "epoch": 1, "step": 5, "step_seconds": 0.03, "base_step_seconds": 0.01},
    step(1, 10, 2.0),
    {"kind": "epoch", "epoch": 1, "valid_auc": 0.61},
    {"kind": "change", "epoch": 2, "step": 2, "alpha": 0.0, "mask_low": 0.1, "mask_high": 0.2},
    step(2, 4, 2.8),
)


def test_numbers_of_a_run_under_way() -> None:
    # 2 epochs of 10 steps; 14 are done, from step 5 on 9 in 1.8 s: 5 a second, of 120 samples each.
    now = progress.progress(small_config(), STATUS, LOG)
    assert now.done == pytest.approx(0.7)
    assert now.seconds == 2.8
    assert now.samples_per_second == pytest.approx(600)
    assert now.seconds_left == pytest.approx(6 / 5)
    assert (now.best_auc, now.best_epoch) == (0.61, 1)
    assert now.cost == pytest.approx(3)


def test_before_the_first_reading_nothing_is_known() -> None:
    empty = pd.DataFrame({"kind": [], "epoch": [], "step": []})
    now = progress.progress(small_config(), STATUS, empty)
    assert (now.done, now.seconds, now.best_epoch) == (0, 0, 0)
    assert all(map(math.isnan, (now.samples_per_second, now.seconds_left, now.cost)))


def test_before_the_first_reading_curves_are_empty() -> None:
    nothing = pd.DataFrame({"kind": [], "epoch": [], "step": []})
    assert list(progress.loss_curves(STATUS, nothing)) == ["epochs", "loss", "value"]
    assert set(progress.auc_curves(STATUS, nothing)) == {"epochs", "rows", "value"}
    for curves in (progress.loss_curves, progress.auc_curves, progress.changes_made):
        assert curves(STATUS, nothing).empty


def test_a_run_that_goes_on_counts_its_seconds_anew() -> None:
    now = progress.progress(
        small_config(),
        STATUS,
        log(*(step(1, n, s) for n, s in ((2, 1.0), (4, 2.0), (6, 0.5), (8, 1.0)))),
    )
    assert now.seconds == 3.0
    assert now.samples_per_second == pytest.approx(2 / 0.5 * 120)


def test_curves_lie_on_one_axis_of_epochs() -> None:
    losses = progress.loss_curves(STATUS, LOG)
    main = losses[losses["loss"] == "main loss"]
    assert main["epochs"].tolist() == pytest.approx([0.5, 1.0, 1.4])
    aucs = progress.auc_curves(STATUS, LOG)
    assert aucs[["epochs", "value", "rows"]].to_numpy().tolist() == [
        [0.5, 0.55, "a sample of the rows"],
        [1.0, 0.61, "all rows, each epoch"],
    ]
    changes = progress.changes_made(STATUS, LOG)
    assert changes["epochs"].tolist() == pytest.approx([1.2])
    assert changes["note"].tolist() == ["α = 0, mask range = 0.1 to 0.2"]


def test_a_base_run_has_no_auxiliary_curve() -> None:
    base = log(*(step(1, n, n) | {"loss_aux": 0.0} for n in (1, 2)))
    assert set(progress.loss_curves(STATUS, base)["loss"]) == {"main loss"}


def test_long_curves_are_averaged_in_groups() -> None:
    many = log(*(step(1, n, n) for n in range(1, 1000)))
    main = progress.loss_curves(STATUS, many).query("loss == 'main loss'")
    assert len(main) == 250
    # Steps 1 to 4 of 10 are at 0.1 to 0.4 epochs.
    assert main["epochs"].iloc[0] == pytest.approx(0.25)
    assert main["value"].unique() == pytest.approx([0.6])


def test_live_charts_keep_their_specification() -> None:
    for build in (charts.live_loss_chart, charts.live_auc_chart):
        spec = build("#0072B2").to_dict()
        assert spec == build("#0072B2").to_dict()
        assert "datasets" not in spec
        names = {layer["data"]["name"] for layer in spec["layer"]}
        assert names in ({"changes", "losses"}, {"changes", "aucs", "base"})
