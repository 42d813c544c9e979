"""Which runs there are, and what they are called.

The folders come from the environment variable ``WORKBENCH_RUNS`` (paths separated as in ``PATH``).
Without it they are ``data/demo_runs`` of the project and ``runs``, where ``workbench train``
writes. A link cannot name a folder: it must not make the server read other places.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from workbench.charts.names import METHODS, name_of
from workbench.errors import InputError
from workbench.insight.settings import flattened
from workbench.runs import Run, RunStore

PROJECT = Path(__file__).parents[2]
RUNS_VARIABLE = "WORKBENCH_RUNS"


def store_folders() -> dict[str, Path]:
    """The run folders by the name that is shown, in order; they need not exist."""
    told = os.environ.get(RUNS_VARIABLE)
    if told:
        paths = [Path(part) for part in told.split(os.pathsep) if part]
    else:
        own = [PROJECT / "runs", Path.cwd() / "runs"]
        found = [path for path in dict.fromkeys(own) if path.is_dir()]
        paths = [PROJECT / "data" / "demo_runs", *found]
    named: dict[str, Path] = {}
    for path in paths:
        inside = path.is_relative_to(PROJECT)
        name = str(path.relative_to(PROJECT)) if inside else str(path)
        named.setdefault(name, path)
    return named


@dataclass(frozen=True)
class Entry:
    """A run in the list.

    Attributes:
        key: its name, or ``folder/name`` where two folders have a run of that name.
        run: the snapshot.
        folder: the name of its run folder.
    """

    key: str
    run: Run
    folder: str

    @property
    def usable(self) -> bool:
        """True where it can be shown in the views: finished, with its numbers."""
        return self.run.state == "finished" and self.run.summary is not None

    @cached_property
    def sort_key(self) -> tuple[int, str, int, str]:
        """Variants in the paper's order, then rivals; then model, then seed."""
        run = self.run
        return METHODS.index(run.variant), run.config.model.name, run.seed, self.key

    @property
    def signature(self) -> tuple[str, int]:
        """The folder and when a file in it last changed, for caches."""
        try:
            files = [entry.stat().st_mtime_ns for entry in os.scandir(self.run.path)]
        except OSError:
            files = []
        return str(self.run.path), max(files, default=0)


@dataclass(frozen=True)
class Catalogue:
    """All runs of some folders.

    Attributes:
        entries: newest first, broken ones last.
        problems: folders that cannot be read, one line each.
    """

    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()

    @cached_property
    def usable(self) -> list[Entry]:
        """Finished runs, variants in the paper's order."""
        return sorted((e for e in self.entries if e.usable), key=lambda entry: entry.sort_key)

    @cached_property
    def data_labels(self) -> dict[str, list[Entry]]:
        """Finished runs by data set; runs of one data set have the same test rows."""
        return _by_data(self.usable)

    def labels(self, entries: Sequence[Entry]) -> dict[str, str]:
        """Key -> what the pickers show: variant, model where there are several, and seed; the name
        too where that is not enough to tell runs apart."""
        models = {entry.run.config.model.name for entry in entries}
        short = {}
        for entry in entries:
            model = f", {entry.run.config.model.name}" if len(models) > 1 else ""
            short[entry.key] = f"{name_of(entry.run.variant)}{model}, seed {entry.run.seed}"
        count = Counter(short.values())
        return {k: text if count[text] == 1 else f"{text} ({k})" for k, text in short.items()}

    def seeds_of(self, entry: Entry) -> list[Entry]:
        """All finished runs that differ from this one by their seed only, one per seed."""
        found = {entry.run.seed: entry}
        for other in self._groups.get(entry.run.group, ()):
            found.setdefault(other.run.seed, other)
        return [found[seed] for seed in sorted(found)]

    @cached_property
    def _groups(self) -> dict[str, list[Entry]]:
        """Finished runs by experiment. A fingerprint takes 0.2 ms, and pages ask for each pair."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.usable:
            groups.setdefault(entry.run.group, []).append(entry)
        return groups


def read(folders: dict[str, Path]) -> Catalogue:
    """List the runs of some folders; what cannot be read becomes a line of text."""
    found: list[tuple[str, Run]] = []
    problems = []
    for name, path in folders.items():
        try:
            found += [(name, run) for run in RunStore(path).list()]
        except InputError as error:
            problems.append(str(error))
    count = Counter(run.name for _, run in found)
    entries = [
        Entry(run.name if count[run.name] == 1 else f"{folder}/{run.name}", run, folder)
        for folder, run in found
    ]
    entries.sort(key=lambda entry: entry.run.problem is not None)
    return Catalogue(tuple(entries), tuple(problems))


def features(entry: Entry) -> list[str]:
    """The names of the run's features, in the order of its vectors."""
    return list(_layout(*entry.signature)[0])


def largest_user(entry: Entry) -> int:
    """The largest code of a user that the run knows."""
    return _layout(*entry.signature)[1]


@lru_cache(maxsize=256)
def _layout(folder: str, changed: int) -> tuple[tuple[str, ...], int]:
    # What is wrong with a run is said on the page that shows it.
    try:
        schema, layout = Run.read(Path(folder)).layout()
    except InputError:
        return (), 0
    return tuple(layout.names), layout[schema.user].size - 1


def _by_data(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for entry in entries:
        values = flattened(entry.run.config.data.model_dump(mode="json", exclude={"folder"}))
        identity = repr(sorted(values.items()))
        settings[identity] = values
        groups.setdefault(identity, []).append(entry)
    labelled = {}
    for identity, members in groups.items():
        own = settings[identity]
        rivals = [other for other in settings.values() if other["source"] == own["source"]]
        # Only the settings that tell data sets of one source apart are named.
        keys = [key for key in own if any(other.get(key) != own[key] for other in rivals)]
        what = ", ".join(f"{key} = {own[key]}" for key in keys)
        labelled[f"{own['source']} ({what})" if what else own["source"]] = members
    return labelled
