"""A trainer's state as plain tensors and JSON: nothing is pickled, and it resumes to the bit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.errors import InputError
from workbench.training.evaluation import Scores
from workbench.training.trainer import Trainer

Tensors = dict[str, Tensor]


def pack(trainer: Trainer) -> tuple[Tensors, dict[str, Any]]:
    """Everything the next epoch depends on.

    Returns:
        tensors: weights, best weights, Adam's moments and the random generators' states.
        facts: the rest, as JSON values.
    """
    tensors: Tensors = {}
    for prefix, state in (("model", trainer.model.state_dict()), ("best", trainer.best_weights)):
        tensors |= {f"{prefix}/{name}": value for name, value in state.items()}
    for index, moments in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"adam/{index}/{name}": value for name, value in moments.items()}
    tensors["random/shuffle"] = trainer.shuffle.get_state()
    tensors["random/masks"] = trainer.masks.get_state()
    tensors["random/cpu"] = torch.get_rng_state()
    if trainer.device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state(trainer.device)
    facts = {
        "epoch": trainer.epoch,
        "best_epoch": trainer.best_epoch,
        "best_scores": list(trainer.best_scores or ()),
        "train_seconds": trainer.train_seconds,
        "train_samples": trainer.train_samples,
    }
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, facts


def unpack(trainer: Trainer, tensors: Tensors, facts: dict[str, Any]) -> None:
    """Put a fresh trainer of the same config into the packed state.

    Raises:
        InputError: the tensors do not fit the trainer's model.
    """
    try:
        trainer.model.load_state_dict(_with_prefix(tensors, "model/"))
        _load_adam(trainer, _with_prefix(tensors, "adam/"))
        trainer.shuffle.set_state(tensors["random/shuffle"])
        trainer.masks.set_state(tensors["random/masks"])
        torch.set_rng_state(tensors["random/cpu"])
        if trainer.device.type == "cuda" and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], trainer.device)
        trainer.epoch = int(facts["epoch"])
        trainer.best_epoch = int(facts["best_epoch"])
        trainer.best_scores = Scores(*facts["best_scores"]) if facts["best_scores"] else None
        trainer.train_seconds = float(facts["train_seconds"])
        trainer.train_samples = int(facts["train_samples"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the checkpoint does not fit this run's config: {reason}") from None
    trainer.best_weights = {
        name: value.to(trainer.device) for name, value in _with_prefix(tensors, "best/").items()
    }


def _with_prefix(tensors: Tensors, prefix: str) -> Tensors:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _load_adam(trainer: Trainer, moments: Tensors) -> None:
    state: dict[int, Tensors] = {}
    for name, value in moments.items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = value
    groups = trainer.optimizer.state_dict()["param_groups"]
    trainer.optimizer.load_state_dict({"state": state, "param_groups": groups})
