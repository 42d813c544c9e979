"""Where a lab run starts from: a data set, and an experiment on it whose settings are kept."""

from __future__ import annotations

from pathlib import Path

from components.catalogue import PROJECT, Entry, store_folders
from components.sidebar import Picked

from workbench.config import ExperimentConfig, Variant
from workbench.demo import demo_config
from workbench.lab.sources import known_data
from workbench.presets import find_preset

NEW_WORLD = "planted world, any size"
WORLD_ROWS = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
RUN = "lab_run"
DEMO = PROJECT / "data" / "demo_runs"


def lab_root() -> Path:
    """The store that lab runs go to: the first one that is not the shipped demo runs."""
    own = [path for path in store_folders().values() if path.absolute() != DEMO]
    return own[0] if own else PROJECT / "runs"


def templates(picked: Picked) -> dict[str, ExperimentConfig]:
    """What a run can start from, by the name of its data set; the baseline's own comes first."""
    found: dict[str, ExperimentConfig] = {}
    for label, entries in picked.catalogue.data_labels.items():
        known = {entry.key for entry in entries}
        own = picked.base if picked.base is not None and picked.base.key in known else None
        found[label] = template(own or entries[0])
    if picked.base is not None:
        first = [
            label
            for label, entries in picked.catalogue.data_labels.items()
            if picked.base in entries
        ]
        found = {label: found[label] for label in [*first, *found]}
    found[NEW_WORLD] = demo_config(Variant.FULL, 0)
    for name, data in known_data().items():
        paper = find_preset("paper", data.source, "dcn_v2", "full").settings
        if all(config.data.source != data.source for config in found.values()):
            found[name] = ExperimentConfig.parse({**paper, "data": data.model_dump()})
    return found


def template(entry: Entry) -> ExperimentConfig:
    """A run's config as a start for others: what was moved by hand is not repeated, and a rival's
    place is the base model's."""
    config = entry.run.config
    values = config.model_dump()
    values["training"] |= {"changes": (), "device": "auto"}
    values["rival"]["name"] = "none"
    return ExperimentConfig.parse(values)


def base_of(picked: Picked, config: ExperimentConfig) -> Entry | None:
    """The finished unmasked base run of the same data, model and seed, if there is one."""
    data = config.data.model_dump(exclude={"folder"})
    for entry in picked.catalogue.usable:
        run = entry.run
        same = run.config.data.model_dump(exclude={"folder"}) == data
        if (
            same
            and (run.variant, run.seed) == ("base", config.training.seed)
            and run.config.model.name == config.model.name
        ):
            return entry
    return None
