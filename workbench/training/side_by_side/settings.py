"""Which settings may differ between models that train side by side, and what cannot train so.

Models of one *shape* are stacked into one batched model. Two experiments have the same shape where
they differ in nothing but the settings of `MAY_DIFFER`: those enter as one number per member, or
only decide where a member starts. k is part of the shape: members of another k are another batched
model, since masking copies out would make all of them pay for the largest k.
"""

from __future__ import annotations

import json
from typing import Any, Final

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.models import model_class
from workbench.models.base import ModelOptions

MAY_DIFFER: Final = {
    "model": ("embedding_scale",),
    "framework": (
        "alpha",
        "alpha_schedule",
        "alpha_epochs",
        "mask_range",
        "mask_id_range",
        "weight_scale",
        "adapter_start",
    ),
    "training": (
        "seed",
        "lr",
        "weight_decay",
        "embedding_lr",
        "embedding_weight_decay",
        "adapter_lr",
        "adapter_weight_decay",
        "embedding_eps",
        "average_decay",
        "epochs",
        "patience",
    ),
}
"""Settings by section of the config, each with a value of its own for every member."""

SHARED: Final = {
    "model": ("name", "dim", "options"),
    "framework": (
        "variant",
        "k",
        "aux_reduction",
        "signals",
        "counts",
        "detach_state",
        "main_grad_to_embeddings",
        "adapter_hidden",
    ),
    "training": (
        "batch_size",
        "order",
        "device",
        "log_every",
        "eval_batch_size",
        "precision",
        "capture",
        "compile",
        "denormals",
    ),
}
"""Settings that make the shape, with the whole of the section `data`."""


def check_side_by_side(config: ExperimentConfig) -> None:
    """Refuse what only a model of its own can do: rivals, cold states, steering by a list.

    Every setting that is in neither list must have its default: one that comes to the config later
    is refused until the stacked step knows it.

    Raises:
        InputError: names the setting.
    """
    options = model_class(config.model.name).check_options(config.model.name, config.model.options)
    if config.training.compile:
        _check_compiled(options)
    if config.rival.name != "none":
        raise _refused("rival.name", config.rival.name, "none")
    if config.training.precision == "bf16":
        raise _refused("training.precision", "bf16", "float32")
    default = ExperimentConfig()
    for section in MAY_DIFFER:
        own = getattr(config, section).model_dump(mode="json")
        usual = getattr(default, section).model_dump(mode="json")
        for key in own.keys() - {*MAY_DIFFER[section], *SHARED[section]}:
            found = _difference(own[key], usual[key], f"{section}.{key}")
            if found is not None:
                raise _refused(*found)


def _check_compiled(options: ModelOptions) -> None:
    """Refuse dropout, which members draw from generators of their own: no compiler traces that."""
    for key, rate in options.model_dump().items():
        if "dropout" in key and rate > 0:
            raise InputError(
                f"training.compile = true with model.options.{key} = {rate:g} cannot be trained "
                "side by side; allowed: no dropout, compile = false, or one model at a time"
            )


def shape_of(config: ExperimentConfig) -> str:
    """A text that experiments share where they can be stacked."""
    values = config.model_dump(mode="json")
    for section, keys in MAY_DIFFER.items():
        for key in keys:
            values[section].pop(key)
    return json.dumps(values, sort_keys=True)


def _difference(own: Any, usual: Any, place: str) -> tuple[str, Any, Any] | None:
    """The first setting in or below a key that is not its default: its name and both values."""
    if own == usual:
        return None
    if isinstance(own, dict) and isinstance(usual, dict):
        for key in own:
            found = _difference(own[key], usual.get(key), f"{place}.{key}")
            if found is not None:
                return found
    return place, own, usual


def _refused(place: str, value: Any, allowed: Any) -> InputError:
    return InputError(
        f"{place} = {value!r} cannot be trained side by side; allowed: {allowed!r}, "
        "or one model at a time"
    )
