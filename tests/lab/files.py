"""Small experiments for the lab's tests."""

from __future__ import annotations

from typing import Any

from workbench.config import ExperimentConfig


def small_config(**framework: Any) -> ExperimentConfig:
    """A planted world of 2,000 rows; 10 steps an epoch, a reading every 2 steps."""
    return ExperimentConfig.parse(
        {
            "data": {"planted": {"rows": 2000}},
            "model": {"name": "fm", "dim": 4},
            "framework": {"variant": "full", **framework},
            "training": {
                "epochs": 2,
                "patience": 50,
                "batch_size": 120,
                "log_every": 2,
                "device": "cpu",
            },
        }
    )
