"""Every data source by name, and the one door to a ready data set.

Importing this module is cheap: torch and pandas come in when data is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import DataConfig
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.data.dataset import Dataset
    from workbench.data.raw import RawData


@dataclass(frozen=True)
class Source:
    """One kind of raw data.

    Attributes:
        name: as in `DataConfig.source` and on the command line.
        description: one line for people.
        needs_folder: whether raw files must be given.
        licence: one line.
        obtain: where raw files come from; empty where none are needed.
        read: reads (or makes) the raw data.
    """

    name: str
    description: str
    needs_folder: bool
    licence: str
    obtain: str
    read: Callable[[DataConfig], RawData]


def _planted(config: DataConfig) -> RawData:
    from workbench.data.sources.planted import read_planted

    return read_planted(config.planted)


def _movielens(config: DataConfig) -> RawData:
    from workbench.data.sources.movielens import read_movielens

    return read_movielens(Path(config.folder or "."))


def _kuairand(config: DataConfig) -> RawData:
    from workbench.data.sources.kuairand import read_kuairand

    return read_kuairand(Path(config.folder or "."))


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="planted",
            description="a generated music app whose true probabilities are known",
            needs_folder=False,
            licence="generated here, free to use",
            obtain="",
            read=_planted,
        ),
        Source(
            name="movielens-1m",
            description="1,000,209 movie ratings of 6,040 users; label: rating of at least 4",
            needs_folder=True,
            licence="GroupLens: research use, no redistribution",
            obtain="`workbench data fetch movielens-1m` downloads them",
            read=_movielens,
        ),
        Source(
            name="kuairand-pure",
            description="short-video logs; label: played to the end",
            needs_folder=True,
            licence="CC BY-SA 4.0",
            obtain="they are at https://zenodo.org/records/10439422",
            read=_kuairand,
        ),
    )
}


def load(config: DataConfig) -> Dataset:
    """Read, split and encode the data that a config names.

    Args:
        config: `source` is a name of `SOURCES` or the folder of a prepared data set.

    Raises:
        InputError: an unknown source, a missing folder, or files that cannot be used.
    """
    source = SOURCES.get(config.source)
    if source is None:
        return _prepared(config)
    for key, value in _of_streams(config).items():
        raise InputError(
            f"data.{key} = {value}: '{source.name}' is not streamed; leave it out, or prepare it "
            "with --stream"
        )
    if source.needs_folder and config.folder is None:
        raise InputError(
            f"source = '{source.name}': name the folder of its files with --from DIR; "
            f"{source.obtain}"
        )
    if not source.needs_folder and config.folder is not None:
        raise InputError(
            f"folder = '{config.folder}': '{source.name}' reads no files; leave the folder out"
        )
    from workbench.data.changes import change_dataset, shorten_histories
    from workbench.data.encode import build_dataset

    raw = source.read(config)
    dataset = build_dataset(raw, config, shorten_histories(raw, config))
    return change_dataset(dataset, config.change)


def fetch_source(name: str, destination: Path, folder: Path | None = None) -> Path:
    """Download a source's raw files, or check those that are here already.

    Args:
        name: of `SOURCES`.
        destination: where the download goes.
        folder: with it nothing is downloaded; its files are read through instead.

    Returns:
        What ``--from`` takes.

    Raises:
        InputError: a source that cannot be fetched, no network, or files that cannot be used.
    """
    source = SOURCES.get(name)
    if source is None:
        raise InputError(f"source = '{name}': must be one of {', '.join(SOURCES)}")
    if not source.needs_folder:
        raise InputError(f"source = '{name}': {source.description}; there is nothing to fetch")
    if folder is not None:
        source.read(DataConfig(source=name, folder=str(folder)))
        return folder
    if name != "movielens-1m":
        raise InputError(f"source = '{name}' cannot be fetched from here: {source.obtain}")
    from workbench.data.sources.fetch import fetch_movielens

    return fetch_movielens(destination)


def _prepared(config: DataConfig) -> Dataset:
    """Open a prepared data set; its split was fixed when it was made."""
    if not os.path.isdir(config.source):
        allowed = ", ".join(SOURCES)
        raise InputError(
            f"source = '{config.source}': must be one of {allowed}, "
            "or the folder of a prepared data set"
        )
    default = DataConfig()
    for key in ("folder", "split", "ratios", "split_seed", "planted"):
        if getattr(config, key) != getattr(default, key):
            raise InputError(
                f"{key} = {getattr(config, key)}: the prepared data set '{config.source}' was "
                f"split when it was made; leave '{key}' out"
            )
    if config.change.history:
        raise InputError(
            f"change.history = {config.change.history}: the prepared data set '{config.source}' "
            "has no histories to cut any more; name the source it was made from"
        )
    from workbench.data.changes import change_dataset
    from workbench.data.store import load_dataset

    streams = _of_streams(config)
    dataset = load_dataset(
        Path(config.source),
        window_rows=streams.get("shuffle_rows"),
        held_out=streams.get("held_out"),
    )
    return change_dataset(dataset, config.change)


def _of_streams(config: DataConfig) -> dict[str, Any]:
    """Settings that are for streamed data only and differ from their defaults."""
    default = DataConfig()
    found = {key: getattr(config, key) for key in ("shuffle_rows", "held_out")}
    return {key: value for key, value in found.items() if value != getattr(default, key)}
