"""What is searched for which method, and where every search starts."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.presets import METHODS, find_preset, merged, method_settings
from workbench.tuning.space import Space, check_method, first_guess, suggest

optuna = pytest.importorskip("optuna")

SHARED = {"lr", "weight_decay", "dim"}
MASK = {"alpha", "k", "mask_low", "mask_width"}
OWN = {
    "base": set(),
    "mask": MASK,
    "adapter": {"weight_scale"},
    "full": MASK | {"weight_scale"},
    "dropoutnet": {"strength"},
    "embedding_dropout": {"strength"},
    "senet": {"strength", "weight_scale"},
    "gate": {"weight_scale"},
    "ssl": {"strength"},
}


def drawn(method: str, space: Space | None = None, seed: int = 0) -> tuple[dict[str, Any], Any]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    return suggest(trial, space or Space(), method), trial


def test_the_grid_is_the_papers() -> None:
    space = Space()
    assert space.lrs == (0.001, 0.005, 0.01, 0.02, 0.1)
    assert space.dims == (16, 32, 64, 128, 256)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_searched_over_the_shared_part_and_its_own(method: str) -> None:
    for seed in range(5):
        settings, trial = drawn(method, seed=seed)
        assert set(trial.params) == SHARED | OWN[method]
        config = ExperimentConfig.parse(merged(settings, method_settings(method)))
        assert config.method == method
        assert config.training.lr == trial.params["lr"]
        if "alpha" in trial.params:
            low, high = config.framework.mask_range
            assert low == trial.params["mask_low"]
            assert high == pytest.approx(low + trial.params["mask_width"])
        if method == "dropoutnet":
            assert config.rival.dropoutnet.share == trial.params["strength"]


@pytest.mark.parametrize("method", METHODS)
def test_every_search_starts_from_the_preset(method: str) -> None:
    preset = find_preset("paper", "movielens-1m", "fm", method).settings
    guess = first_guess(Space(), method, preset)
    study = optuna.create_study()
    study.enqueue_trial(guess)
    settings = suggest(study.ask(), Space(), method)
    assert settings["training"] == {"lr": 0.001, "weight_decay": 1e-5}
    assert settings["model"] == {"dim": 16}
    if method == "full":
        framework = settings["framework"]
        assert framework["mask_range"] == pytest.approx([0.1, 0.5])
        assert (framework["alpha"], framework["k"], framework["weight_scale"]) == (0.2, 2, 1.0)


def test_a_narrowed_space_moves_the_start_into_itself() -> None:
    space = Space.parse({"lrs": [0.01, 0.02], "dims": [64], "k": [1, 1], "alpha": [0.3, 0.4]})
    guess = first_guess(space, "mask", find_preset("paper", "planted", "fm", "mask").settings)
    assert (guess["lr"], guess["dim"], guess["k"], guess["alpha"]) == (0.01, 64, 1, 0.3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lrs": []}, "lrs"),
        ({"lrs": [0.0]}, "lrs"),
        ({"k": [3, 1]}, "k = 3 1: LOW must not be above HIGH"),
        ({"learning_rates": [0.1]}, "unknown key 'learning_rates'"),
        ({"choices": {"training.lr": [0.1]}}, "choices = training.lr: is searched already"),
        ({"choices": {"data.source": ["planted"]}}, "choices = data.source: .* allowed|not of"),
        ({"choices": {"framework.detach_state": []}}, "detach_state: names no value"),
    ],
)
def test_a_space_that_makes_no_sense_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Space.parse(values)


def test_any_other_switch_can_be_searched_and_the_first_value_starts() -> None:
    hidden = [[64], [128, 64]]
    space = Space.parse(
        {
            "choices": {
                "framework.adapter_hidden": hidden,
                "training.embedding_weight_decay": [None, 3e-5],
            }
        }
    )
    drawn_values = [drawn("full", space, seed)[0] for seed in range(20)]
    assert {len(s["framework"]["adapter_hidden"]) for s in drawn_values} == {1, 2}
    assert {s["training"]["embedding_weight_decay"] for s in drawn_values} == {None, 3e-5}
    study = optuna.create_study()
    study.enqueue_trial(first_guess(space, "full", {}))
    settings = suggest(study.ask(), space, "full")
    assert settings["framework"]["adapter_hidden"] == [64]
    assert settings["training"]["embedding_weight_decay"] is None
    config = ExperimentConfig.parse(merged(settings, method_settings("full")))
    assert config.framework.adapter_hidden == (64,)


def test_the_base_is_searched_over_what_it_shares() -> None:
    choices = {"framework.detach_state": [True], "training.embedding_eps": [1e-8, 1e-5]}
    shared = Space.parse({"choices": choices, "strength": [0.1, 0.2]}).without_framework()
    assert set(shared.choices) == {"training.embedding_eps"}
    assert shared.strength is None


def test_a_strength_needs_a_rival_that_has_one() -> None:
    space = Space(strength=(0.1, 0.2))
    check_method("ssl", space)
    for method in ("full", "gate"):
        with pytest.raises(InputError, match=f"--strength: {method} has none"):
            check_method(method, space)
