"""What a search leaves: the best config as YAML for ``workbench train``, and a report as JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from workbench.config import ExperimentConfig
from workbench.runs.files import to_json, write_text
from workbench.tuning.search import Found


def config_yaml(config: ExperimentConfig, comment: str) -> str:
    """The config as YAML: settings that differ from the defaults, and those that were searched.

    Where the raw files lie is left out: ``--from`` says so on another machine as well.

    Args:
        config: the best trial's.
        comment: lines that stand above it.
    """
    values = config.model_dump(mode="json", exclude_defaults=True, exclude={"data": {"folder"}})
    searched = config.model_dump(
        mode="json",
        include={
            "model": {"name", "dim"},
            "framework": {"variant"},
            "training": {"lr", "weight_decay"},
        },
    )
    for section, settings in searched.items():
        values[section] = {**settings, **values.get(section, {})}
    lines = "".join(f"# {line}\n" for line in comment.splitlines())
    text: str = yaml.safe_dump(values, sort_keys=False, default_flow_style=None)
    return lines + text


def report(found: Found, command: str) -> dict[str, Any]:
    """What was found, as JSON values.

    Returns:
        `model`, `variant`, `data`, `trials`, `complete`, `pruned`, `diverged`, `failed`,
        `best_trial`, `valid_auc`, `params`, `seconds`, `command`, `history` (see `Found`).
    """
    config = found.config
    return {
        "model": config.model.name,
        "variant": config.method,
        "data": config.data.source,
        "trials": found.trials,
        "complete": found.complete,
        "pruned": found.pruned,
        "diverged": found.diverged,
        "failed": found.failed,
        "best_trial": found.number,
        "valid_auc": found.value if math.isfinite(found.value) else None,
        "params": found.params,
        "seconds": round(found.seconds, 1),
        "command": command,
        "history": list(found.history),
    }


def write_report(stem: Path, found: Found, command: str) -> tuple[Path, Path]:
    """Write ``<stem>.yaml`` and ``<stem>.json``.

    Raises:
        InputError: a file cannot be written.
    """
    yaml_path = stem.with_name(f"{stem.name}.yaml")
    json_path = stem.with_name(f"{stem.name}.json")
    comment = (
        f"Best of {found.trials} trials, validation AUC {found.value:.6f} (trial {found.number}).\n"
        f"Made by: {command}"
    )
    write_text(yaml_path, config_yaml(found.config, comment))
    write_text(json_path, to_json(report(found, command), indent=2) + "\n")
    return yaml_path, json_path
