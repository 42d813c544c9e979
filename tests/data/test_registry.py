from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.data.tiny import SPLITS, tiny_raw
from workbench.config import DataConfig, PlantedConfig
from workbench.data.encode import build_dataset
from workbench.data.registry import SOURCES, load
from workbench.data.store import save_dataset
from workbench.errors import InputError


def test_every_source_tells_what_it_is() -> None:
    assert list(SOURCES) == ["planted", "movielens-1m", "kuairand-pure"]
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.description
        assert source.licence
        assert "\n" not in source.description + source.licence + source.obtain
        assert bool(source.obtain) == source.needs_folder


def test_listing_the_sources_does_not_pay_for_torch() -> None:
    code = "import sys, workbench.data.registry; print({'torch', 'pandas'} & set(sys.modules))"
    root = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


def test_planted_is_the_default() -> None:
    dataset = load(DataConfig(planted=PlantedConfig(rows=1_000)))
    assert dataset.name == "planted"
    assert len(dataset) == 1_000


def test_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(InputError) as refusal:
        load(DataConfig(source="movielens"))
    assert str(refusal.value) == (
        "source = 'movielens': must be one of planted, movielens-1m, kuairand-pure, "
        "or the folder of a prepared data set"
    )


@pytest.mark.parametrize("source", ["movielens-1m", "kuairand-pure"])
def test_missing_folder_says_where_files_come_from(source: str) -> None:
    with pytest.raises(InputError, match="--from DIR") as refusal:
        load(DataConfig(source=source))
    assert SOURCES[source].obtain in str(refusal.value)


def test_planted_takes_no_folder() -> None:
    with pytest.raises(InputError, match="reads no files"):
        load(DataConfig(folder="somewhere"))


def test_prepared_data_set_keeps_its_split(tmp_path: Path) -> None:
    dataset = build_dataset(tiny_raw(), DataConfig(source="tiny"), SPLITS)
    save_dataset(dataset, tmp_path / "tiny")
    source = str(tmp_path / "tiny")
    assert torch.equal(load(DataConfig(source=source)).splits["test"], dataset.splits["test"])
    for changed in (
        DataConfig(source=source, split="time"),
        DataConfig(source=source, split_seed=1),
        DataConfig(source=source, ratios=(0.8, 0.1, 0.1)),
        DataConfig(source=source, folder="x"),
    ):
        with pytest.raises(InputError, match="was split when it was made"):
            load(changed)
