"""Small frames of the charts that show answers of trained models; the message of each is known."""

from __future__ import annotations

import pandas as pd

WEIGHTS = pd.DataFrame(
    {
        "feature": ["user_id", "age"] * 2,
        "is_id": [True, False] * 2,
        "state": ["as it is"] * 2 + ["edited"] * 2,
        "weight": [0.4, 0.6, 0.7, 0.6],
        "norm": [1.0, 2.0, 1.0, 2.0],
        "contribution": [0.4, 1.2, 0.7, 1.2],
        "start": 0.5,
    }
)
PARTS = pd.DataFrame(
    {
        "part": ["nothing known", "user_id", "state counts", "logit"] * 2,
        "order": [0, 1, 2, 3] * 2,
        "state": ["as it is"] * 4 + ["edited"] * 4,
        "value": [-0.5, 1.0, 0.25, 0.75, -0.5, 0.2, 0.3, 0.0],
        "start": [0.0, -0.5, 0.5, 0.0, 0.0, -0.5, -0.3, 0.0],
        "end": [-0.5, 0.5, 0.75, 0.75, -0.5, -0.3, 0.0, 0.0],
        "standard_error": 0.0,
    }
)
RUNS = (("Base, seed 0", "base"), ("AdaF2M2, seed 0", "full"))


def by_run(frame: pd.DataFrame, column: str, shifts: tuple[float, float]) -> pd.DataFrame:
    """The frame once per run, one column moved."""
    return pd.concat(
        [
            frame.assign(**{column: frame[column] + shift}, label=label, variant=variant)
            for (label, variant), shift in zip(RUNS, shifts, strict=True)
        ],
        ignore_index=True,
    )


COLD_WEIGHTS = by_run(
    pd.DataFrame(
        {"length": [0, 1, 10], "feature": "user_id", "weight": [0.3, 0.4, 0.5], "start": 0.5}
    ),
    "weight",
    (0.0, 0.2),
)
OVERLAP = by_run(pd.DataFrame({"length": [0, 1, 10], "overlap": [2, 5, 8]}), "overlap", (0, 2))
LOSSES = by_run(
    pd.DataFrame(
        {
            "feature": ["user_id", "genre"],
            "auc": 0.75,
            "auc_without": [0.74, 0.72],
            "lost": [0.01, 0.03],
            "ci_low": [0.005, 0.02],
            "ci_high": [0.02, 0.04],
            "users": 100,
            "rows": 1000,
        }
    ),
    "lost",
    (0.0, 0.001),
)
GINIS = by_run(pd.DataFrame({"gini": [0.4], "ci_low": [0.3], "ci_high": [0.6]}), "gini", (0.0, 0.1))
BUCKETS = by_run(
    pd.DataFrame(
        {
            "bucket": ["0", "1-2", "30-99"],
            "order": [0, 1, 4],
            "users": [50, 40, 10],
            "rows": [100, 200, 300],
            "delta": [0.0, 0.02, 0.5],
            "ci_low": [0.0, 0.01, 0.4],
            "ci_high": [0.0, 0.03, 0.6],
        }
    ),
    "delta",
    (0.0, 0.001),
)
SHARES = pd.DataFrame(
    {
        "label": ["Base, seed 0", "AdaF2M2, seed 0"] * 2,
        "variant": ["base", "full"] * 2,
        "share": [0.0, 0.0, 0.5, 0.5],
        "auc": [0.75, 0.76, 0.70, 0.73],
        "ci_low": [0.74, 0.75, 0.69, 0.72],
        "ci_high": [0.76, 0.77, 0.71, 0.74],
        "delta": [0.0, 0.01, 0.0, 0.03],
        "delta_low": [float("nan"), 0.005, float("nan"), 0.02],
        "delta_high": [float("nan"), 0.015, float("nan"), 0.04],
        "lost": [0.0, 0.0, 0.05, 0.03],
        "users": 100,
        "rows": 1000,
    }
)
COPIES = pd.DataFrame(
    {
        "copy": [1, 2],
        "p": [0.2, 0.4],
        "masked": [1, 0],
        "logit": [0.0, 1.0],
        "probability": [0.5, 0.731],
    }
)
CELLS = pd.DataFrame(
    {
        "copy": [1, 1, 2, 2],
        "feature": ["user_id", "age"] * 2,
        "is_id": [True, False] * 2,
        "position": [0, 1] * 2,
        "masked": [True, False, False, False],
    }
)
DRAWS = pd.DataFrame({"probability": [0.2, 0.4, 0.4, 0.6], "p": 0.3, "masked": 1})
EFFECTS = pd.DataFrame(
    {
        "feature": ["user_id", "age"],
        "is_id": [True, False],
        "masked_copies": [40, 50],
        "delta": [-0.5, 0.01],
        "ci_low": [-0.6, -0.1],
        "ci_high": [-0.4, 0.12],
    }
)
