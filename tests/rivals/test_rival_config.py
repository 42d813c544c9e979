"""The config's section of the rivals: absent, default, refused, and in the fingerprint."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.rivals.rival_models import rival_config
from workbench.config import ExperimentConfig, RivalConfig
from workbench.config.experiment import LATER_SWITCHES
from workbench.errors import InputError


def parse(**sections: Any) -> ExperimentConfig:
    return ExperimentConfig.parse({"framework": {"variant": "base"}} | sections)


def test_old_configs_mean_what_they_meant() -> None:
    old = json.loads(ExperimentConfig().to_json())
    del old["rival"]
    loaded = ExperimentConfig.from_json(json.dumps(old), "config.json")
    assert loaded == ExperimentConfig()
    assert loaded.rival == RivalConfig()
    assert loaded.rival.name == "none"


@pytest.mark.parametrize("with_seed", [True, False])
def test_without_a_rival_the_fingerprint_knows_nothing_of_the_section(with_seed: bool) -> None:
    config = parse(training={"seed": 3})
    values = config.model_dump(mode="json")
    del values["rival"]
    # Nor of where and how it is computed.
    for key in ("folder", "held_out"):
        del values["data"][key]
    computing = ("device", "log_every", "checkpoint_steps", "table_sharding", "capture")
    for key in (*computing, *(() if with_seed else ("seed",))):
        del values["training"][key]
    # Nor of switches that came later and are off.
    for section, keys in LATER_SWITCHES.items():
        for key in keys:
            del values[section][key]
    text = json.dumps(values, sort_keys=True)
    expected = hashlib.sha256(text.encode()).hexdigest()[:12]
    assert config.fingerprint(with_seed=with_seed) == expected
    # Settings of a rival that is not trained change nothing.
    idle = parse(training={"seed": 3}, rival={"ssl": {"weight": 0.7}})
    assert idle.fingerprint(with_seed=with_seed) == expected


def test_fingerprints_tell_rivals_and_their_settings_apart() -> None:
    configs = [
        parse(),
        parse(rival={"name": "dropoutnet"}),
        parse(rival={"name": "dropoutnet", "dropoutnet": {"share": 0.3}}),
        parse(rival={"name": "ssl"}),
        parse(rival={"name": "ssl", "ssl": {"weight": 0.7}}),
    ]
    assert len({config.fingerprint() for config in configs}) == len(configs)
    other = parse(rival={"name": "dropoutnet", "ssl": {"weight": 0.7}})
    assert other.fingerprint() == configs[1].fingerprint()


@pytest.mark.parametrize("variant", ["mask", "adapter", "full"])
def test_a_rival_stands_alone(variant: str) -> None:
    with pytest.raises(InputError) as caught:
        ExperimentConfig.parse({"framework": {"variant": variant}, "rival": {"name": "ssl"}})
    assert str(caught.value) == (
        f"config: rival.name = 'ssl' with framework.variant = '{variant}': "
        "a rival needs variant 'base'"
    )


@pytest.mark.parametrize(
    ("rival", "message"),
    [
        ({"name": "dropout"}, r"rival\.name = 'dropout'"),
        ({"dropoutnet": {"share": 1.5}}, r"rival\.dropoutnet\.share = 1\.5"),
        ({"dropoutnet": {"rate": 0.5}}, r"unknown key 'rival\.dropoutnet\.rate'"),
        ({"embedding_dropout": {"rate": 1.0}}, r"rival\.embedding_dropout\.rate = 1\.0"),
        ({"senet": {"reduction": 0.5}}, r"rival\.senet\.reduction = 0\.5"),
        ({"senet": {"activation": "tanh"}}, r"rival\.senet\.activation = 'tanh'"),
        ({"gate": {"hidden": [0]}}, r"rival\.gate\.hidden\.0 = 0"),
        ({"ssl": {"temperature": 0}}, r"rival\.ssl\.temperature = 0"),
        ({"ssl": {"items": 1}}, r"rival\.ssl\.items = 1"),
    ],
)
def test_values_that_are_not_allowed_are_named(rival: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(rival=rival)


def test_which_models_weigh_features() -> None:
    assert not parse().weighs_features
    for name, expected in (("senet", True), ("gate", True), ("dropoutnet", False), ("ssl", False)):
        assert rival_config(name).weighs_features == expected
    for variant, expected in (("mask", False), ("adapter", True), ("full", True)):
        config = ExperimentConfig.parse({"framework": {"variant": variant}})
        assert config.weighs_features == expected


def test_effective_weight_of_the_auxiliary_loss() -> None:
    assert rival_config("ssl", weight=0.7).effective_aux_weight == 0.7
    assert rival_config("dropoutnet").effective_aux_weight == 0
    assert ExperimentConfig.parse({"framework": {"k": 3}}).effective_aux_weight == pytest.approx(
        0.6
    )
