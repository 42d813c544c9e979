"""Presets: what they set, what they deviate in, and what a search leaves for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.models import MODELS
from workbench.presets import (
    METHODS,
    TUNED_FOLDER,
    deviations,
    find_preset,
    merged,
    method_settings,
    tuned_methods,
)

SOURCES = ("movielens-1m", "kuairand-pure", "planted")
TUNED = [(source, *found) for source in SOURCES for found in sorted(tuned_methods(source))]


def test_the_paper_preset_has_the_papers_settings() -> None:
    settings = find_preset("paper", "movielens-1m", "fm", "full").settings
    config = ExperimentConfig.parse(settings)
    assert (config.framework.alpha, config.framework.mask_range) == (0.2, (0.1, 0.5))
    assert config.framework.weight_scale == 1.0
    assert config.framework.aux_reduction == "sum"
    assert config.training.lr in {0.001, 0.005, 0.01, 0.02, 0.1}
    assert config.model.dim in {16, 32, 64, 128, 256}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_what_its_config_says(method: str) -> None:
    assert ExperimentConfig.parse(method_settings(method)).method == method
    config = ExperimentConfig.parse(find_preset("paper", "planted", "fm", method).settings)
    assert config.method == method


def test_every_deviation_is_explained() -> None:
    told = {d.key: d.why for d in deviations("paper", "movielens-1m", "fm", "full")}
    assert {"training.batch_size", "framework.k", "model.dim"} <= told.keys()
    for source, model, method in TUNED:
        for deviation in deviations("tuned", source, model, method):
            assert deviation.why


def test_what_was_tuned_is_usable_and_had_equal_budgets() -> None:
    assert TUNED
    for source, model, method in TUNED:
        assert model in MODELS
        config = ExperimentConfig.parse(
            merged({"model": {"name": model}}, find_preset("tuned", source, model, method).settings)
        )
        assert config.method == method
        found = find_preset("tuned", source, model, method)
        assert find_preset("tuned", source, model, "base").trials == found.trials > 0


def test_what_was_tuned_is_the_best_trial_of_a_recorded_search() -> None:
    for source, model, method in TUNED:
        stem = TUNED_FOLDER / f"{source}-{model}-{method}"
        report = json.loads(stem.with_suffix(".json").read_text())
        best = max(report["history"], key=lambda trial: trial["valid_auc"] or 0.0)
        assert len(report["history"]) == report["trials"]
        assert (best["trial"], best["params"]) == (report["best_trial"], report["params"])
        settings = find_preset("tuned", source, model, method).settings
        assert settings["training"]["lr"] == best["params"]["lr"]
        assert settings["model"]["dim"] == best["params"]["dim"]
        assert "folder" not in stem.with_suffix(".yaml").read_text()


def test_parts_of_the_framework_come_out_of_the_tuned_whole() -> None:
    source, model, _ = next(
        found
        for found in sorted(TUNED)
        if found[2] == "full" and (*found[:2], "adapter") not in TUNED
    )
    whole = find_preset("tuned", source, model, "full")
    part = find_preset("tuned", source, model, "adapter")
    assert part.trials == whole.trials
    assert part.settings["framework"] == whole.settings["framework"] | {"variant": "adapter"}


def test_an_unknown_name_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(InputError, match="must be paper, tuned or the folder"):
        find_preset("best", "planted", "fm", "base")
    with pytest.raises(InputError, match="variant 'fancy': must be one of base, mask"):
        find_preset("paper", "planted", "fm", "fancy")
    with pytest.raises(InputError, match="preset 'tuned' has no fm base on nowhere"):
        find_preset("tuned", "nowhere", "fm", "base")


def write_search(folder: Path, text: str, trials: object = 7) -> None:
    (folder / "planted-fm-mask.yaml").write_text(text)
    (folder / "planted-fm-mask.json").write_text(json.dumps({"trials": trials}))


GOOD = (
    "model: {name: fm, dim: 8}\nframework: {variant: mask, k: 3}\ntraining: {lr: 0.02, seed: 5}\n"
)


def test_the_folder_of_a_search_is_a_preset(tmp_path: Path) -> None:
    write_search(tmp_path, GOOD)
    found = find_preset(str(tmp_path), "planted", "fm", "mask")
    config = ExperimentConfig.parse(found.settings)
    assert found.trials == 7
    assert (config.model.dim, config.framework.k, config.training.lr) == (8, 3, 0.02)
    assert config.training.seed == 0  # the search's seed is not part of what it found


@pytest.mark.parametrize(
    ("text", "trials", "message"),
    [
        ("model: [", 7, "not the result of a search"),
        (GOOD, "many", "not the result of a search"),
        ("model: {name: fm}\nframework: {variant: full}\n", 7, "is of fm full"),
        ("model: {nme: fm}\n", 7, "unknown key 'model.nme'"),
    ],
)
def test_a_broken_search_is_one_line(
    tmp_path: Path, text: str, trials: object, message: str
) -> None:
    write_search(tmp_path, text, trials)
    with pytest.raises(InputError, match=message) as caught:
        find_preset(str(tmp_path), "planted", "fm", "mask")
    assert "\n" not in str(caught.value)


def test_a_search_that_was_not_made_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workbench tune --model fm --variant base"):
        find_preset(str(tmp_path), "planted", "fm", "base")


def test_settings_merge_key_by_key_but_options_as_a_whole() -> None:
    first = {"model": {"dim": 8, "options": {"hidden": [4]}}, "training": {"lr": 0.1}}
    second = {"model": {"options": {"dropout": 0.2}}}
    both = merged(first, second)
    assert both == {"model": {"dim": 8, "options": {"dropout": 0.2}}, "training": {"lr": 0.1}}
    assert first["model"] == {"dim": 8, "options": {"hidden": [4]}}
