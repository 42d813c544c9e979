"""Settings by name: "paper", its neighbour "tuned", and what `workbench tune` found.

A preset says what model and training are set to for a model and a method; data, seed and device
stay with whoever asks. Where a preset deviates from the paper, `deviations` says so in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import yaml

from workbench.config import ExperimentConfig, RivalConfig, Variant
from workbench.errors import InputError

Settings = dict[str, dict[str, Any]]
"""Section of the config -> key -> value."""

NAMES: Final = ("paper", "tuned")
TUNED_FOLDER: Final = Path(__file__).parent / "tuned"
"""What `workbench tune` found: ``<data>-<model>-<method>.yaml``, and the search as ``.json``."""
RIVAL_NAMES: Final = tuple(
    name for name in get_args(RivalConfig.model_fields["name"].annotation) if name != "none"
)
METHODS: Final = (*(variant.value for variant in Variant), *RIVAL_NAMES)
"""What can be trained: the four variants, then the rivals."""

_PAPER: Final[Settings] = {
    "model": {"dim": 16, "embedding_scale": 0.1},
    "framework": {
        "k": 2,
        "alpha": 0.2,
        "mask_range": [0.1, 0.5],
        "aux_reduction": "sum",
        "signals": ["id", "norm", "count"],
        "detach_state": True,
        "weight_scale": 1.0,
        "main_grad_to_embeddings": True,
    },
    "training": {"lr": 0.001, "weight_decay": 1e-5, "batch_size": 2048},
}

_SECTIONS: Final = ("model", "framework", "rival", "training")


@dataclass(frozen=True)
class Deviation:
    """A setting that the paper has otherwise, or does not name, and why it is what it is."""

    key: str
    value: Any
    why: str


PAPER_DEVIATIONS: Final = (
    Deviation("training.batch_size", 2048, "the paper's 256 takes several times as long a run"),
    Deviation("model.dim", 16, "the paper searches 16 to 256 and does not say what it found"),
    Deviation("training.lr", 0.001, "of the paper's grid, which does not say what was found"),
    Deviation("training.weight_decay", 1e-5, "not named; unregularised embeddings overfit"),
    Deviation("model.embedding_scale", 0.1, "not named; small new embeddings help every base"),
    Deviation("framework.k", 2, "never given in the paper"),
    Deviation("framework.detach_state", True, "not said; the adapter only reads the state"),
)

_WHY: Final = {
    "framework.weight_scale": "the paper's weights lie in (0, 1) and start at 0.5; twice that "
    "starts the adapter where it changes nothing",
    "framework.alpha": "weight of the masked copies; the paper's is 0.2",
    "framework.k": "masked copies a sample; the paper gives no number",
    "framework.mask_range": "the paper masks with a probability of 0.1 to 0.5",
    "framework.aux_reduction": "the paper sums the losses of the copies",
    "framework.counts": "counts that the adapter reads; the paper also has comments and likes",
    "framework.signals": "the paper reads IDs, norms and counts",
    "framework.detach_state": "whether the adapter's input trains the embeddings; not said",
    "framework.main_grad_to_embeddings": "section 3.4 has it, section 3.3 does not",
    "framework.adapter_hidden": "width of the weight generator; not said",
    "framework.mask_id_range": "the paper masks all features alike",
    "framework.alpha_schedule": "the paper's alpha is constant",
    "framework.alpha_epochs": "the paper's alpha is constant",
    "framework.adapter_start": "the paper names no weight that the adapter starts from",
    "training.embedding_lr": "the paper has one learning rate for all parameters",
    "training.embedding_weight_decay": "the paper names no weight decay",
    "training.embedding_eps": "an epsilon of Adam that lets rare values move less; not named",
    "training.adapter_lr": "the paper has one learning rate for all parameters",
    "training.adapter_weight_decay": "the paper names no weight decay",
    "training.average_decay": "a moving average of the weights is kept; the paper names none",
    "training.epochs": "an upper bound; the paper names none",
    "training.patience": "epochs without a better validation AUC; the paper names none",
    "training.lr": "chosen on validation AUC",
    "training.weight_decay": "chosen on validation AUC; the paper names none",
    "training.batch_size": "the paper's is 256",
    "model.dim": "chosen on validation AUC",
    "model.embedding_scale": "chosen on validation AUC; the paper names none",
}
_BEYOND: Final = "an extension: the paper has nothing of it"


@dataclass(frozen=True)
class Preset:
    """What a preset has for one model and method.

    Attributes:
        name: "paper", "tuned" or the folder of a search.
        settings: sections of the config, method included.
        trials: configurations that were compared on validation to find it; 0 without a search.
    """

    name: str
    settings: Settings
    trials: int


def method_settings(method: str) -> Settings:
    """The config's sections that make a run of `method`: a variant, or a rival's name.

    Raises:
        InputError: neither.
    """
    if method in RIVAL_NAMES:
        return {"framework": {"variant": "base"}, "rival": {"name": method}}
    if method not in METHODS:
        raise InputError(f"variant '{method}': must be one of {', '.join(METHODS)}")
    return {"framework": {"variant": method}}


def find_preset(name: str, source: str, model: str, method: str) -> Preset:
    """Settings of a preset for a model and a method on a data set.

    Args:
        name: "paper", "tuned", or a folder that `workbench tune` wrote its results to. Where
            "tuned" has no search for mask or adapter alone, it takes them out of the tuned whole.
        source: of the data, as in `DataConfig.source`; a search holds for the data it was made on.
        model: as in `ModelConfig.name`.
        method: of `METHODS`.

    Raises:
        InputError: an unknown preset or method, or a search that does not cover the three.
    """
    chosen = method_settings(method)
    if name == "paper":
        return Preset(name, merged(_PAPER, chosen), 0)
    if name == "tuned":
        known = tuned_methods(source)
        # Parts of the framework are taken out of the whole, as an ablation does.
        whole = "full" if method in ("mask", "adapter") else method
        if (model, method) not in known and (model, whole) not in known:
            there = ", ".join(f"{m} {v}" for m, v in sorted(known)) or "nothing"
            raise InputError(
                f"preset 'tuned' has no {model} {method} on {source} (there: {there}); search with "
                "`workbench tune` and name the folder of its results instead"
            )
        searched = method if (model, method) in known else whole
        found = _searched(TUNED_FOLDER, source, model, searched)
        return Preset(name, merged(found.settings, chosen), found.trials)
    if Path(name).is_dir():
        found = _searched(Path(name), source, model, method)
        return Preset(str(Path(name)), merged(found.settings, chosen), found.trials)
    raise InputError(
        f"preset '{name}': must be {', '.join(NAMES)} or the folder of results of `workbench tune`"
    )


def deviations(name: str, source: str, model: str, method: str) -> list[Deviation]:
    """Where a preset is not the paper's, one entry per setting, in words.

    Raises:
        InputError: as `find_preset`.
    """
    settings = _flat(find_preset(name, source, model, method).settings)
    known = _flat(_PAPER) | _flat(method_settings(method))
    found = [
        Deviation(key, value, _WHY.get(key, _BEYOND))
        for key, value in settings.items()
        if known.get(key) != value
    ]
    changed = {deviation.key for deviation in found}
    return [*(d for d in PAPER_DEVIATIONS if d.key not in changed), *found]


def result_stem(source: str, model: str, method: str) -> str:
    """Name without ending of the files that a search leaves: study, config and report."""
    return f"{Path(source).stem}-{model}-{method}"


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings put together; later parts win, key by key, and no part is changed."""
    result: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            old = result.get(key)
            # model.options belongs to one model: the later part's replaces the earlier one's.
            nested = isinstance(value, Mapping) and key != "options"
            if nested and isinstance(old, Mapping):
                result[key] = merged(old, value)
            else:
                result[key] = dict(value) if isinstance(value, Mapping) else value
    return result


def tuned_methods(source: str) -> set[tuple[str, str]]:
    """Model and method of every search behind the preset "tuned" on a data set."""
    stem = f"{Path(source).stem}-"
    names = [path.stem for path in TUNED_FOLDER.glob(f"{stem}*.json")]
    parts = [name.removeprefix(stem).rpartition("-") for name in names]
    return {(model, method) for model, _, method in parts}


def _searched(folder: Path, source: str, model: str, method: str) -> Preset:
    stem = result_stem(source, model, method)
    place = folder / f"{stem}.yaml"
    try:
        values = yaml.safe_load(place.read_text(encoding="utf-8"))
        report = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        trials = int(report["trials"])
    except FileNotFoundError as error:
        raise InputError(
            f"preset '{folder}': no {Path(error.filename).name}; make it with "
            f"`workbench tune --model {model} --variant {method} --out {folder}`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{place}: not the result of a search ({reason})") from None
    config = ExperimentConfig.parse(values, str(place))
    if (config.model.name, config.method) != (model, method):
        raise InputError(f"{place}: is of {config.model.name} {config.method}")
    settings = {section: dict(values.get(section) or {}) for section in _SECTIONS}
    settings["training"].pop("seed", None)
    settings["training"].pop("device", None)
    return Preset(str(folder), merged(_PAPER, settings), trials)


def _flat(values: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{place}{key}.")
        else:
            flat[f"{place}{key}"] = value
    return flat
