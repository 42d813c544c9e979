"""The test samples of a run, as the other insight modules need them: checked, as arrays."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.runs import Run

Quantity = Literal["weight", "contribution"]
PREFIXES: dict[str, str] = {"weight": "w:", "contribution": "c:"}

SAMPLE_COLUMNS = ("sample", "user", "item", "user_activity", "item_activity", "label")


def read_predictions(run: Run) -> pd.DataFrame:
    """The run's predictions, one row per test sample; see `workbench.runs.TABLES`.

    Raises:
        InputError: no such table, no rows, a label other than 0 and 1, a negative activity, or a
            user with two activities.
    """
    frame = run.table("predictions")
    place = f"{run.name}/predictions.parquet"
    if frame.empty:
        raise InputError(f"{place}: no rows")
    if not frame["label"].isin((0, 1)).all():
        raise InputError(f"{place}: labels must be 0 or 1")
    for column in ("user_activity", "item_activity"):
        if frame[column].min() < 0:
            raise InputError(f"{place}: {column} {frame[column].min()}: must be 0 or more")
    order = np.argsort(frame["user"].to_numpy(), kind="stable")
    user = frame["user"].to_numpy()[order]
    activity = frame["user_activity"].to_numpy()[order]
    differs = (user[1:] == user[:-1]) & (activity[1:] != activity[:-1])
    if differs.any():
        raise InputError(f"{place}: user {user[1:][differs][0]} has two activities")
    return frame


def check_same_samples(
    base: Run, base_rows: pd.DataFrame, run: Run, run_rows: pd.DataFrame
) -> None:
    """Two runs can be paired only on the same test samples in the same order.

    Raises:
        InputError: names both runs and what differs.
    """
    if len(base_rows) != len(run_rows):
        what = f"{len(base_rows)} against {len(run_rows)} rows"
    else:
        different = [
            column
            for column in SAMPLE_COLUMNS
            if not np.array_equal(base_rows[column].to_numpy(), run_rows[column].to_numpy())
        ]
        if not different:
            return
        what = f"different {', '.join(different)}"
    raise InputError(
        f"runs '{base.name}' and '{run.name}' cannot be paired: their test samples differ "
        f"({what}); train both on the same data with the same split_seed"
    )


def read_weights(
    run: Run, quantity: Quantity, features: list[str] | None = None
) -> tuple[list[str], NDArray[np.float64]]:
    """The adapter's weights w, or contributions w*|v|, of the test samples.

    Args:
        run: a run whose variant has the adapter.
        quantity: "weight" or "contribution".
        features: only these; None: all, ID features first, else in the schema's order.

    Returns:
        Feature names and a float64 array [rows of predictions, feature].

    Raises:
        InputError: the run has no adapter, an unknown quantity or feature, or a damaged table.
    """
    prefix = PREFIXES.get(quantity)
    if prefix is None:
        raise InputError(f"quantity '{quantity}': allowed: {', '.join(PREFIXES)}")
    if not run.has("weights"):
        raise InputError(
            f"run '{run.name}' (variant {run.variant}) has no adapter weights; "
            "choose a finished run of variant adapter or full"
        )
    slots = sorted(run.layout()[1].slots, key=lambda slot: not slot.is_id)
    names = [slot.name for slot in slots] if features is None else features
    frame = run.table("weights", [prefix + name for name in names])
    return names, frame.to_numpy(dtype=np.float64)


def check_rows(run: Run, predictions: pd.DataFrame, weights: NDArray[np.float64]) -> None:
    """Raise an `InputError` where the two tables of a run do not describe the same samples."""
    if len(predictions) != len(weights):
        raise InputError(
            f"{run.name}: weights.parquet has {len(weights)} rows, "
            f"predictions.parquet {len(predictions)}"
        )
