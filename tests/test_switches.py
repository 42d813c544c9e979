"""Switches beyond the paper's settings: off by default, checked, and part of a run's identity."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.config import ExperimentConfig
from workbench.errors import InputError

SWITCHES: list[tuple[str, str, Any]] = [
    ("framework", "mask_id_range", [0.3, 0.7]),
    ("framework", "alpha_schedule", "decay"),
    ("framework", "adapter_start", 0.75),
    ("framework", "cold_states", {"share": 0.2}),
    ("data", "shuffle_rows", 1000),
    ("training", "embedding_lr", 0.002),
    ("training", "embedding_weight_decay", 0.0),
    ("training", "embedding_eps", 1e-5),
    ("training", "adapter_lr", 0.002),
    ("training", "adapter_weight_decay", 1e-4),
    ("training", "updates", "sparse"),
    ("training", "precision", "bf16"),
    ("training", "compile", True),
    ("training", "average_decay", 0.999),
]


def parse(**sections: Any) -> ExperimentConfig:
    return ExperimentConfig.parse(sections)


@pytest.mark.parametrize(("section", "key", "value"), SWITCHES)
def test_a_switch_changes_the_fingerprint(section: str, key: str, value: Any) -> None:
    assert parse(**{section: {key: value}}).fingerprint() != parse().fingerprint()


def test_switches_that_are_off_leave_older_fingerprints_alone() -> None:
    """As computed before there were any of these switches."""
    assert parse().fingerprint() == "6b84fcd04202"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("data", "held_out", "disk"), ("training", "checkpoint_steps", 100)],
)
def test_what_changes_no_number_leaves_the_fingerprint(section: str, key: str, value: Any) -> None:
    assert parse(**{section: {key: value}}).fingerprint() == parse().fingerprint()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"framework": {"mask_id_range": [0.7, 0.3]}}, r"mask_id_range = 0\.7 0\.3: LOW must not"),
        ({"framework": {"adapter_start": 1.0}}, "must start below weight_scale"),
        ({"framework": {"adapter_start": 0.0}}, "adapter_start"),
        ({"framework": {"cold_states": {"share": 1.5}}}, "share"),
        ({"framework": {"cold_states": {"histories": []}}}, "histories is empty"),
        ({"framework": {"cold_states": {"sides": []}}}, "name user, item or both"),
        ({"framework": {"cold_states": {"sides": ["user", "user"]}}}, "each once"),
        ({"framework": {"cold_states": {"histories": [-1]}}}, "histories"),
        (
            {"framework": {"cold_states": {"share": 0.1}, "main_grad_to_embeddings": False}},
            "needs main_grad_to_embeddings = true",
        ),
        (
            {
                "framework": {"variant": "base", "cold_states": {"share": 0.1}},
                "rival": {"name": "dropoutnet"},
            },
            "only the framework's own variants",
        ),
        (
            {"framework": {"cold_states": {"share": 0.1}}, "training": {"order": "time"}},
            "allowed: 'shuffled'",
        ),
        ({"training": {"embedding_eps": 0.0}}, "embedding_eps"),
        ({"training": {"checkpoint_steps": 0}}, "checkpoint_steps"),
        ({"data": {"shuffle_rows": 0}}, "shuffle_rows"),
        ({"data": {"held_out": "gpu"}}, "held_out"),
        ({"training": {"adapter_lr": -1.0}}, "adapter_lr"),
    ],
)
def test_values_that_cannot_be_used_are_named(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(**sections)
