"""What a notebook gets from its environment: profile, data, experiments, charts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import altair as alt
import pandas as pd
import pytest
import torch

from workbench import teaching
from workbench.config import Variant
from workbench.errors import InputError

VARIABLES = (
    teaching.PROFILE_VARIABLE,
    teaching.DATA_VARIABLE,
    teaching.MOVIELENS_VARIABLE,
    teaching.KUAIRAND_VARIABLE,
    teaching.CHARTS_VARIABLE,
    teaching.WARNINGS_VARIABLE,
)


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable set; renderer, warning filters and threads are put back."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    with warnings.catch_warnings(), alt.renderers.enable("default"):
        yield
    torch.set_num_threads(threads)


def movielens(folder: Path, ratings: str) -> Path:
    folder.mkdir()
    (folder / "ratings.dat").write_text(ratings)
    return folder


def test_fast_is_the_planted_world_on_the_cpu() -> None:
    profile = teaching.profile()
    assert profile.name == "fast"
    assert profile.planted
    assert profile.data.source == "planted"
    assert (profile.data.split, profile.data_by_time.split) == ("default", "time")
    assert profile.device == "cpu"


@pytest.mark.parametrize(
    ("first_line", "by_time", "order"),
    [("1::1193::5\n", "default", "shuffled"), ("1::1193::5::978300760\n", "time", "time")],
)
def test_full_is_movielens_by_time_only_with_time_stamps(
    first_line: str, by_time: str, order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = movielens(tmp_path / "ml-1m", first_line)
    monkeypatch.setenv(teaching.PROFILE_VARIABLE, "full")
    monkeypatch.setenv(teaching.MOVIELENS_VARIABLE, str(folder))
    profile = teaching.profile()
    assert (profile.name, profile.planted, profile.device) == ("full", False, "auto")
    assert (profile.data.source, profile.data.folder) == ("movielens-1m", str(folder))
    assert profile.data_by_time.split == by_time
    stream = profile.experiment("full", schedule="single_pass", by_time=True)
    assert stream.training.order == order
    # Rows split at random lie in the order of the file.
    assert profile.experiment(schedule="single_pass").training.order == "shuffled"


def test_full_finds_the_data_next_to_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = movielens(tmp_path / "beside", "1::1193::5\n")
    monkeypatch.setattr(teaching, "_MOVIELENS_BESIDE", folder)
    monkeypatch.setenv(teaching.PROFILE_VARIABLE, "full")
    assert teaching.profile().data.folder == str(folder)


def test_full_takes_kuairand_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kuairand"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "log_standard_4_22_to_5_08_pure.csv").write_text("")
    monkeypatch.setenv(teaching.PROFILE_VARIABLE, "full")
    monkeypatch.setenv(teaching.DATA_VARIABLE, "kuairand-pure")
    monkeypatch.setenv(teaching.KUAIRAND_VARIABLE, str(folder))
    profile = teaching.profile()
    assert (profile.name, profile.planted) == ("full", False)
    assert (profile.data.source, profile.data.folder) == ("kuairand-pure", str(folder))
    assert (profile.data.split, profile.data_by_time.split) == ("random", "time")
    stream = profile.experiment("full", schedule="single_pass", by_time=True)
    assert stream.training.order == "time"
    assert profile.experiment(schedule="single_pass").training.order == "shuffled"
    monkeypatch.setattr(teaching, "_KUAIRAND_BESIDE", folder)
    monkeypatch.delenv(teaching.KUAIRAND_VARIABLE)
    assert teaching.profile().data.folder == str(folder)


def test_missing_kuairand_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(teaching.PROFILE_VARIABLE, "full")
    monkeypatch.setenv(teaching.DATA_VARIABLE, "kuairand-pure")
    monkeypatch.setenv(teaching.KUAIRAND_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"no log_standard\*\.csv in '.*nowhere'.*KUAIRAND"):
        teaching.begin()


@pytest.mark.parametrize("variant", list(Variant))
@pytest.mark.parametrize("schedule", ["epochs", "single_pass"])
def test_experiments_differ_in_what_is_asked_for_only(
    variant: Variant, schedule: teaching.Schedule
) -> None:
    profile = teaching.profile()
    config = profile.experiment(variant.value, schedule=schedule, seed=3)
    assert config.framework.variant is variant
    assert config.training.seed == 3
    assert config.training.device == "cpu"
    assert config.data == profile.data
    assert config.model == profile.experiment().model
    once = schedule == "single_pass"
    assert (config.training.epochs == 1) is once
    assert config.training.order == ("time" if once else "shuffled")


def test_framework_settings_and_the_split_by_time_are_passed_on() -> None:
    profile = teaching.profile()
    config = profile.experiment("mask", by_time=True, k=4, mask_range=(0.3, 0.3))
    assert (config.framework.k, config.framework.mask_range) == (4, (0.3, 0.3))
    assert config.data == profile.data_by_time


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "best"}, "variant = 'best'"),
        ({"schedule": "forever"}, "schedule 'forever': allowed: epochs, single_pass"),
        ({"copies": 3}, "unknown key 'framework.copies'"),
        ({"variant": "mask", "k": 0}, "k = 0 with variant mask"),
    ],
)
def test_bad_experiments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        teaching.profile().experiment(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variable", "allowed"),
    [
        (teaching.PROFILE_VARIABLE, "fast, full"),
        (teaching.DATA_VARIABLE, "movielens-1m, kuairand-pure"),
        (teaching.CHARTS_VARIABLE, "interactive, svg"),
        (teaching.WARNINGS_VARIABLE, "default, error"),
    ],
)
def test_unknown_values_are_refused_by_name(
    variable: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable == teaching.DATA_VARIABLE:
        monkeypatch.setenv(teaching.PROFILE_VARIABLE, "full")  # read for real data only
    monkeypatch.setenv(variable, "Fast!")
    with pytest.raises(InputError, match=f"{variable} = 'Fast!': allowed: {allowed}"):
        teaching.begin()


def test_missing_movielens_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(teaching.PROFILE_VARIABLE, "full")
    monkeypatch.setenv(teaching.MOVIELENS_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"no ratings\.dat in '.*nowhere'.*WORKBENCH_MOVIELENS"):
        teaching.begin()


def test_begin_fixes_one_thread_for_the_cpu() -> None:
    torch.set_num_threads(2)
    assert teaching.begin() == teaching.profile()
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("value", "renderer", "mime_type"),
    [
        ("svg", "svg", "image/svg+xml"),
        # A Jupyter widget that brings its own Vega-Lite, so no network is needed.
        ("interactive", "jupyter", "application/vnd.jupyter.widget-view+json"),
    ],
)
def test_charts_are_still_or_interactive(
    value: str, renderer: str, mime_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(teaching.CHARTS_VARIABLE, value)
    assert teaching.enable_charts() == renderer
    chart = alt.Chart(pd.DataFrame({"x": [1, 2]})).mark_point().encode(x="x:Q")
    bundle = chart._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert mime_type in data


def test_warnings_become_errors_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(teaching.WARNINGS_VARIABLE, "error")
    teaching.begin()
    with pytest.raises(FutureWarning, match="soon"):
        warnings.warn("soon", FutureWarning, stacklevel=1)
