"""Where the gain lives: seven questions, each a curve of the lift over the base.

A part is a list of points; a point changes the data or the training of base and variant alike.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workbench.config import ChangeConfig, DataConfig, PlantedConfig
from workbench.errors import InputError
from workbench.models import model_class
from workbench.presets import METHODS, merged
from workbench.reproduce.plan import BASE, CellPlan, plan_cell
from workbench.reproduce.tables import data_words

MODELS: Final = ("youtube_dnn",)
VARIANTS: Final = (BASE, "mask", "adapter", "full")

HISTORY: Final = (0, 1, 2, 5, 10, 20, 50)
FLIPPED: Final = (0.0, 0.1, 0.2, 0.3)
HIDDEN: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
BUCKETS: Final = (None, 2000, 1000, 500, 200, 50)
TAILS: Final = (0.5, 1.0, 1.5, 2.0, PlantedConfig().user_tail, 3.0)
WEIGHT_DECAYS: Final = (0.0, 1e-6, 1e-5, 1e-4)
DROPOUTS: Final = (0.1, 0.3)
ID_DROPOUTS: Final = (0.1, 0.3, 0.5)


@dataclass(frozen=True)
class Part:
    """One question.

    Attributes:
        letter: on the command line.
        title: the question, for people.
        axis: what the points are.
        note: how it is measured.
    """

    letter: str
    title: str
    axis: str
    note: str


PARTS: Final = {
    part.letter: part
    for part in (
        Part(
            "a",
            "For whom: by the user's activity",
            "training events of the user",
            "One training run; its test rows by how active their user was in training.",
        ),
        Part(
            "b",
            "New users: histories cut short",
            "training events left to the user",
            "Half of the users have their training history cut to one of these lengths, the others "
            "keep theirs (whole); one training run holds all lengths. New users and new items: "
            "tested on users (items) without a single training row.",
        ),
        Part(
            "c",
            "Noise: labels turned around",
            "share of flipped labels",
            "Labels of training and validation rows are flipped; test labels are not.",
        ),
        Part(
            "d",
            "Missing values at test time",
            "share of missing feature values",
            "Trained on complete rows; at test time each value but the keys of user and item is "
            "missing with this probability.",
        ),
        Part(
            "e",
            "Hashed IDs",
            "embedding rows that the values of an ID share",
            "All single-valued IDs are hashed; a feature with fewer values keeps its rows.",
        ),
        Part(
            "f",
            "The tail of the planted world",
            "standard deviation of log activity over users",
            "At 2.486 the top 5% of users hold 80% of the samples. Preset: paper.",
        ),
        Part(
            "g",
            "A stronger base: regularisation",
            "what regularises",
            "Weight decay and dropout hold for base and variant alike; with ID dropout the base "
            "zeroes user and item IDs in this share of the training samples (DropoutNet).",
        ),
    )
}


@dataclass(frozen=True)
class Point:
    """One place on a curve, for all variants.

    Attributes:
        label, order: how it is called and where it stands.
        data: what is trained on.
        changes: settings of base and variant alike.
        hidden: shares of missing values to score at.
        base: what the variants are compared with.
        base_changes: settings of the base alone.
    """

    label: str
    order: int
    data: DataConfig
    changes: dict[str, Any] = field(default_factory=dict)
    hidden: tuple[float, ...] = ()
    base: str = BASE
    base_changes: dict[str, Any] = field(default_factory=dict)


def plan_regimes(
    data: DataConfig,
    *,
    seeds: int,
    parts: Sequence[str] | None = None,
    presets: Sequence[str] = ("paper",),
    models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    changes: dict[str, Any] | None = None,
    device: str = "cpu",
) -> list[CellPlan]:
    """All cells of some parts; see `workbench.reproduce.tables.plan_table` for the arguments.

    Raises:
        InputError: an unknown part or method, no seed, or a preset without these settings.
    """
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: must be at least 1")
    chosen = list(PARTS) if parts is None else list(dict.fromkeys(parts))
    for part in chosen:
        if part not in PARTS:
            raise InputError(f"--only {part}: must be of {', '.join(PARTS)}")
    wanted = VARIANTS if methods is None else tuple(dict.fromkeys(methods))
    for method in wanted:
        if method not in METHODS:
            raise InputError(f"--variants {method}: must be of {', '.join(METHODS)}")
    plans: list[CellPlan] = []
    for part in chosen:
        for preset in ("paper",) if part == "f" else dict.fromkeys(presets):
            for model in dict.fromkeys(MODELS if models is None else models):
                for point in points(part, data, model):
                    about = {"part": part, "point": point.label, "order": point.order}
                    for method in (point.base, *(m for m in wanted if m not in (BASE, point.base))):
                        is_base = method == point.base
                        extra = point.base_changes if is_base else {}
                        plans.append(
                            plan_cell(
                                point.data,
                                model,
                                method,
                                preset,
                                range(seeds),
                                command(part, data, model, method, preset, seeds, settings),
                                device=device,
                                changes=merged(point.changes, extra, changes or {}),
                                about=about,
                                hidden=point.hidden,
                                is_base=is_base,
                                like=BASE if is_base else None,
                            )
                        )
    return plans


def points(part: str, data: DataConfig, model: str) -> list[Point]:
    """The points of a part on a data set; of (f) on a planted world of the data's size."""
    return [Point(order=order, **about) for order, about in enumerate(_points(part, data, model))]


def _points(part: str, data: DataConfig, model: str) -> Iterator[dict[str, Any]]:
    if part == "a":
        yield {"label": "all", "data": data}
    elif part == "b":
        yield {"label": "cut", "data": _changed(data, history=HISTORY)}
        for split, label in (("users", "new users"), ("items", "new items")):
            yield {"label": label, "data": data.model_copy(update={"split": split})}
    elif part == "c":
        for share in FLIPPED:
            yield {"label": f"{share:.0%}", "data": _changed(data, flipped=share)}
    elif part == "d":
        yield {"label": "all", "data": data, "hidden": HIDDEN}
    elif part == "e":
        for buckets in BUCKETS:
            label = "not hashed" if buckets is None else str(buckets)
            yield {"label": label, "data": _changed(data, id_buckets=buckets)}
    elif part == "f":
        for tail in TAILS:
            world = data.planted.model_copy(update={"user_tail": tail})
            yield {"label": f"{tail:g}", "data": DataConfig(planted=world)}
    else:
        yield from _regularised(data, model)


def _regularised(data: DataConfig, model: str) -> Iterator[dict[str, Any]]:
    for decay in WEIGHT_DECAYS:
        # Of the embeddings as well, to which a preset may give a decay of their own.
        both = {"weight_decay": decay, "embedding_weight_decay": None}
        changes: dict[str, Any] = {"training": both}
        yield {"label": f"weight decay {decay:g}", "data": data, "changes": changes}
    if "dropout" in model_class(model).Options.model_fields:
        for rate in DROPOUTS:
            changes = {"model": {"options": {"dropout": rate}}}
            yield {"label": f"dropout {rate:g}", "data": data, "changes": changes}
    for share in ID_DROPOUTS:
        strength = {"rival": {"dropoutnet": {"share": share}}}
        yield {
            "label": f"ID dropout {share:g}",
            "data": data,
            "base": "dropoutnet",
            "base_changes": strength,
        }


def command(
    part: str,
    data: DataConfig,
    model: str,
    method: str,
    preset: str,
    seeds: int,
    settings: Sequence[str] = (),
) -> str:
    """The command that makes a point's whole curve again."""
    words = ["workbench", "reproduce", "regimes", "--only", part, *data_words(data)]
    words += ["--models", model, "--variants", method, "--preset", preset, "--seeds", str(seeds)]
    for setting in settings:
        words += ["--set", setting]
    return shlex.join(words)


def _changed(data: DataConfig, **changes: Any) -> DataConfig:
    change = ChangeConfig.model_validate(changes)
    return data.model_copy(update={"change": change})
