"""Results that ship with the project, or that `workbench reproduce` has written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from components.catalogue import PROJECT
from workbench.errors import InputError
from workbench.presets import TUNED_FOLDER

RESULTS_VARIABLE = "WORKBENCH_RESULTS"
SEARCHES = "search-*.json"
MOST_FILES = 100


def folder() -> Path:
    """Where results lie; `WORKBENCH_RESULTS` names another folder than the project's own."""
    return Path(os.environ.get(RESULTS_VARIABLE) or PROJECT / "data" / "results")


def searches() -> pd.DataFrame:
    """Every trial of the recorded searches: of files with that name, of folders that
    `workbench tune` wrote, and where the project's own results are shown, of the preset "tuned".

    Returns:
        `search` (the file's name without its ending, its folder's before it), then what the file
        says of a trial: model, variant, trial, validation AUC, settings; empty where no search is
        recorded.

    Raises:
        InputError: a file that is not such a record, one line.
    """
    records: list[dict[str, Any]] = []
    top = folder()
    paths = sorted(top.glob(SEARCHES))
    if top == PROJECT / "data" / "results":
        paths += sorted(TUNED_FOLDER.glob("*.json"))
    paths += sorted(top.glob("*/*.json"))
    for path in paths[:MOST_FILES]:
        name = path.stem if path.parent == top else f"{path.parent.name}/{path.stem}"
        records += [{"search": name, **_flat(trial)} for trial in _trials(path)]
    return pd.DataFrame.from_records(records)


def _trials(path: Path) -> list[dict[str, Any]]:
    """The trials of a file: its list, or the one under ``cells``, ``trials`` or ``history``."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name}: not a record of a search ({error})") from None
    about: dict[str, Any] = {}
    if isinstance(found, dict):
        keys = ("cells", "trials", "history")
        about = {key: found[key] for key in ("model", "variant") if key in found}
        found = next((found[key] for key in keys if isinstance(found.get(key), list)), None)
    if not isinstance(found, list) or not all(isinstance(trial, dict) for trial in found):
        raise InputError(f"{path.name}: not a record of a search (no list of trials)")
    return [about | trial for trial in found]


def _flat(trial: dict[str, Any]) -> dict[str, Any]:
    """Values as a table shows them: ``{"lr": 0.001, "dim": 16}`` is ``"lr = 0.001, dim = 16"``."""
    return {
        key: ", ".join(f"{name} = {own}" for name, own in value.items())
        if isinstance(value, dict)
        else json.dumps(value)
        if isinstance(value, list)
        else value
        for key, value in trial.items()
    }
