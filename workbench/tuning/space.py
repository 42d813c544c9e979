"""What is searched: the paper's grid, weight decay, and what a method adds of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from workbench.errors import InputError, first_problem
from workbench.presets import RIVAL_NAMES, Settings, merged

if TYPE_CHECKING:
    from optuna.trial import Trial

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]

STRENGTHS: Final = {
    "dropoutnet": ("share", 0.05, 0.9, False),
    "embedding_dropout": ("rate", 0.01, 0.5, True),
    "senet": ("reduction", 1.0, 8.0, False),
    "ssl": ("weight", 0.001, 0.3, True),
}
"""Rival -> its own setting that is searched, from, to, on a log scale."""
SEARCHED: Final = (
    "training.lr",
    "training.weight_decay",
    "model.dim",
    "framework.alpha",
    "framework.k",
    "framework.mask_range",
    "framework.weight_scale",
)
"""Keys of the config that have a range of their own in `Space`."""
CHOSEN_SECTIONS: Final = ("model", "framework", "training")
WEIGHED_RIVALS: Final = ("senet", "gate")
"""Rivals whose weights framework.weight_scale multiplies, as it does the adapter's."""


class Space(BaseModel):
    """Lists are grids, pairs are ranges; every method is searched over the shared part.

    The paper's grid is that of `lrs` and `dims`. It names no range for the rest: weight decay
    follows published results on the same data, the others reach around the paper's one setting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lrs: tuple[Positive, ...] = Field(default=(0.001, 0.005, 0.01, 0.02, 0.1), min_length=1)
    dims: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(16, 32, 64, 128, 256), min_length=1
    )
    # Log scale.
    weight_decay: tuple[Positive, Positive] = (1e-7, 1e-3)
    # Mask: weight of L_aux (log scale), copies, and the range of p by its lower end and width.
    alpha: tuple[Positive, Positive] = (0.02, 1.0)
    k: tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=64)]] = (1, 4)
    mask_low: tuple[Share, Share] = (0.0, 0.3)
    mask_width: tuple[Share, Share] = (0.0, 0.5)
    # Adapter, and gates of rivals: 1 is the paper's, 2 starts them at weight 1.
    weight_scales: tuple[Positive, ...] = Field(default=(1.0, 2.0), min_length=1)
    # A rival's own setting; None takes its range in `STRENGTHS`.
    strength: tuple[NonNegative, NonNegative] | None = None
    # Any other key of the config -> values to choose from: the switches that the paper leaves open.
    choices: dict[str, tuple[JsonValue, ...]] = {}

    @model_validator(mode="after")
    def _ordered(self) -> Space:
        for name in ("weight_decay", "alpha", "k", "mask_low", "mask_width", "strength"):
            bounds = getattr(self, name)
            if bounds is not None and bounds[0] > bounds[1]:
                raise ValueError(f"{name} = {bounds[0]} {bounds[1]}: LOW must not be above HIGH")
        for key, values in self.choices.items():
            if key in SEARCHED or key.partition(".")[0] not in CHOSEN_SECTIONS:
                allowed = ", ".join(f"{section}.*" for section in CHOSEN_SECTIONS)
                raise ValueError(f"choices = {key}: is searched already, or not of {allowed}")
            if not values:
                raise ValueError(f"choices = {key}: names no value")
        return self

    def without_framework(self) -> Space:
        """The part that the base is searched over: what only the framework reads is left out."""
        shared = {k: v for k, v in self.choices.items() if not k.startswith("framework.")}
        return self.model_copy(update={"strength": None, "choices": shared})

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Space:
        """Check narrowed ranges.

        Raises:
            InputError: an unknown name or a value that is not allowed.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise first_problem(error, "search space") from None


def suggest(trial: Trial, space: Space, method: str) -> Settings:
    """Draw a trial's settings as sections of the config.

    Args:
        trial: of Optuna.
        space: what to draw from.
        method: a variant or a rival; it decides what is searched beside the shared part.
    """
    training = {
        "lr": trial.suggest_categorical("lr", space.lrs),
        "weight_decay": trial.suggest_float("weight_decay", *space.weight_decay, log=True),
    }
    settings: Settings = {
        "training": training,
        "model": {"dim": trial.suggest_categorical("dim", space.dims)},
    }
    framework: dict[str, Any] = {}
    if method in ("mask", "full"):
        framework["alpha"] = trial.suggest_float("alpha", *space.alpha, log=True)
        framework["k"] = trial.suggest_int("k", *space.k)
        low = trial.suggest_float("mask_low", *space.mask_low)
        width = trial.suggest_float("mask_width", *space.mask_width)
        framework["mask_range"] = [low, min(1.0, low + width)]
    if method in ("adapter", "full", *WEIGHED_RIVALS):
        framework["weight_scale"] = trial.suggest_categorical("weight_scale", space.weight_scales)
    if method in STRENGTHS:
        key, low, high, log = STRENGTHS[method]
        low, high = space.strength or (low, high)
        settings["rival"] = {method: {key: trial.suggest_float("strength", low, high, log=log)}}
    settings = merged(settings, {"framework": framework})
    for key, values in space.choices.items():
        # As JSON, since the study's database keeps only plain values apart.
        chosen = trial.suggest_categorical(key, [json.dumps(value) for value in values])
        settings = merged(settings, _nested(key, json.loads(chosen)))
    return settings


def first_guess(space: Space, method: str, settings: Settings) -> dict[str, Any]:
    """The parameters nearest to given settings, and the first of every choice: every search starts
    from them.

    Args:
        space: decides what is allowed.
        method: as in `suggest`.
        settings: sections of the config, such as the preset's.
    """
    training, framework = settings.get("training", {}), settings.get("framework", {})
    guess: dict[str, Any] = {
        "lr": _nearest(space.lrs, training.get("lr", space.lrs[0])),
        "dim": _nearest(space.dims, settings.get("model", {}).get("dim", space.dims[0])),
        "weight_decay": _within(space.weight_decay, training.get("weight_decay", 1e-5)),
    }
    if method in ("mask", "full"):
        low, high = framework.get("mask_range", (0.1, 0.5))
        guess["alpha"] = _within(space.alpha, framework.get("alpha", 0.2))
        guess["k"] = int(_within(space.k, framework.get("k", 2)))
        guess["mask_low"] = _within(space.mask_low, low)
        guess["mask_width"] = _within(space.mask_width, high - low)
    if method in ("adapter", "full", *WEIGHED_RIVALS):
        scale = framework.get("weight_scale", 1.0)
        guess["weight_scale"] = _nearest(space.weight_scales, scale)
    return guess | {key: json.dumps(values[0]) for key, values in space.choices.items()}


def check_method(method: str, space: Space) -> None:
    """Refuse ranges that the method cannot use.

    Raises:
        InputError: a strength for a method that has none.
    """
    if space.strength is not None and method not in STRENGTHS:
        having = ", ".join(name for name in RIVAL_NAMES if name in STRENGTHS)
        raise InputError(f"--strength: {method} has none; allowed with {having}")


def _nested(key: str, value: Any) -> Settings:
    for part in reversed(key.split(".")):
        value = {part: value}
    nested: Settings = value
    return nested


def _nearest(grid: tuple[Any, ...], value: float) -> Any:
    return min(grid, key=lambda item: abs(item - value))


def _within(bounds: tuple[float, float], value: float) -> float:
    return min(max(value, bounds[0]), bounds[1])
