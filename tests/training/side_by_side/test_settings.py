"""What may differ between members, what makes another shape, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.training.side_by_side.settings import (
    MAY_DIFFER,
    SHARED,
    check_side_by_side,
    shape_of,
)


def config_of(**sections: dict[str, Any]) -> ExperimentConfig:
    return ExperimentConfig.parse(sections)


@pytest.mark.parametrize(
    "sections",
    [
        {"training": {"seed": 3, "lr": 0.1, "weight_decay": 0.0, "epochs": 2, "patience": 9}},
        {"framework": {"alpha": 0.7, "mask_range": (0.2, 0.3), "mask_id_range": (0.1, 0.9)}},
        {"framework": {"weight_scale": 2.0, "adapter_start": 1.5, "alpha_schedule": "decay"}},
        {"model": {"embedding_scale": 1.0}},
    ],
)
def test_these_share_a_shape(sections: dict[str, Any]) -> None:
    config = config_of(**sections)
    check_side_by_side(config)
    assert shape_of(config) == shape_of(config_of())


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"dim": 8}},
        {"model": {"name": "fm"}},
        {"framework": {"variant": "base"}},
        {"framework": {"k": 3}},
        {"training": {"batch_size": 256}},
        {"training": {"precision": "tf32"}},
        {"training": {"capture": "off"}},
        {"training": {"compile": True}},
        {"data": {"split_seed": 1}},
    ],
)
def test_these_do_not(sections: dict[str, Any]) -> None:
    config = config_of(**sections)
    check_side_by_side(config)
    assert shape_of(config) != shape_of(config_of())


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"framework": {"variant": "base"}, "rival": {"name": "ssl"}},
            r"rival.name = 'ssl' cannot be trained side by side; allowed: 'none'",
        ),
        (
            {"framework": {"cold_states": {"share": 0.25}}},
            r"framework.cold_states.share = 0.25 cannot .* allowed: 0.0, or one model at a time",
        ),
        (
            {"training": {"changes": [{"epoch": 1, "step": 3, "lr": 0.1}]}},
            r"training.changes = .* cannot be trained side by side",
        ),
        (
            {"training": {"precision": "bf16"}},
            r"training.precision = 'bf16' cannot .* allowed: 'float32', or one model at a time",
        ),
        (
            {"training": {"compile": True}, "model": {"options": {"dropout": 0.25}}},
            r"^training.compile = true with model.options.dropout = 0.25 cannot .* no dropout, ",
        ),
        ({"model": {"options": {"hiden": [8]}}}, "hiden"),
        ({"model": {"name": "dnn"}}, "model 'dnn' is unknown"),
    ],
)
def test_what_is_refused_is_named(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_side_by_side(config_of(**sections))


def test_the_lists_name_keys_of_the_config_once() -> None:
    for section, keys in MAY_DIFFER.items():
        fields = type(getattr(ExperimentConfig(), section)).model_fields
        assert not set(keys) & set(SHARED[section])
        assert {*keys, *SHARED[section]} <= set(fields)
