"""Data sets that the lab finds by itself, in the folder that its owner names."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.config import DataConfig

DATA_VARIABLE = "WORKBENCH_DATA"
MOST_FOLDERS = 100


def known_data() -> dict[str, DataConfig]:
    """Data sets in the folder that ``WORKBENCH_DATA`` names, or in folders directly in it, by name.

    Recognised by their files: MovieLens-1M, KuaiRand-Pure and data sets made by ``workbench data
    prepare``.
    """
    told = os.environ.get(DATA_VARIABLE)
    if not told or not Path(told).is_dir():
        return {}
    root = Path(told).absolute()
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())[:MOST_FOLDERS]]
    found: dict[str, DataConfig] = {}
    for folder in folders:
        for name, config in _in_folder(folder).items():
            found.setdefault(name, config)
    return found


def _in_folder(folder: Path) -> dict[str, DataConfig]:
    if (folder / "dataset.json").is_file():
        return {folder.name: DataConfig(source=str(folder))}
    if (folder / "ratings.dat").is_file():
        return {"movielens-1m": DataConfig(source="movielens-1m", folder=str(folder))}
    if any(next((folder / part).glob("log_*_pure.csv"), None) for part in (".", "data")):
        return {"kuairand-pure": DataConfig(source="kuairand-pure", folder=str(folder))}
    return {}
