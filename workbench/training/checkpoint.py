"""A trainer's state as plain tensors and JSON: nothing is pickled, and it resumes to the bit.

Within an epoch, too, at the moments when its losses are read: what is left of the epoch is drawn
again from the state in which it began.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor

from workbench.errors import InputError
from workbench.training.evaluation import Scores
from workbench.training.trainer import Trainer

Tensors = dict[str, Tensor]
ADAM_STATE: Final = frozenset({"step", "exp_avg", "exp_avg_sq"})


def pack(trainer: Trainer) -> tuple[Tensors, dict[str, Any]]:
    """Everything the next epoch depends on, or the rest of the running one.

    Returns:
        tensors: weights, their average, best weights, Adam's moments and the random generators'
            states.
        facts: the rest, as JSON values.
    """
    tensors: Tensors = {}
    for prefix, state in (("model", trainer.model.state_dict()), ("best", trainer.best_weights)):
        tensors |= {f"{prefix}/{name}": value for name, value in state.items()}
    for index, moments in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"adam/{index}/{name}": value for name, value in moments.items()}
    if trainer.average is not None:
        tensors |= {f"average/{name}": one for name, one in trainer.average.tensors.items()}
    began = trainer.epoch_began
    tensors["random/shuffle"] = trainer.shuffle.get_state() if began is None else began
    tensors["random/masks"] = trainer.masks.get_state()
    tensors["random/cpu"] = torch.get_rng_state()
    if trainer.device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state(trainer.device)
    facts = {
        "epoch": trainer.epoch,
        "best_epoch": trainer.best_epoch,
        # JSON has no word for "not a number", the UAUC where no user has both classes.
        "best_scores": [
            None if math.isnan(value) else value for value in trainer.best_scores or ()
        ],
        "train_seconds": trainer.seconds_so_far,
        "train_samples": trainer.train_samples,
    }
    if trainer.average is not None:
        facts["average_updates"] = trainer.average.updates
    if began is not None:
        facts |= {"step": trainer.step, "loss_sum": trainer.loss_sum.tolist()}
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, facts


def unpack(trainer: Trainer, tensors: Tensors, facts: dict[str, Any]) -> None:
    """Put a fresh trainer of the same config into the packed state.

    Raises:
        InputError: the tensors do not fit the trainer's model.
    """
    best = _with_prefix(tensors, "best/")
    try:
        if best:
            # Only to see that they fit: the model's own weights replace them at once.
            trainer.model.load_state_dict(best)
        trainer.model.load_state_dict(_with_prefix(tensors, "model/"))
        _load_adam(trainer, _with_prefix(tensors, "adam/"))
        if trainer.average is not None:
            updates = int(facts["average_updates"])
            trainer.average.load(_with_prefix(tensors, "average/"), updates)
        trainer.shuffle.set_state(tensors["random/shuffle"])
        trainer.masks.set_state(tensors["random/masks"])
        torch.set_rng_state(tensors["random/cpu"])
        if trainer.device.type == "cuda" and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], trainer.device)
        trainer.epoch = int(facts["epoch"])
        trainer.best_epoch = int(facts["best_epoch"])
        if not 0 <= trainer.best_epoch <= trainer.epoch <= trainer.config.epochs:
            raise ValueError("epoch and best epoch are out of range")
        scores = [math.nan if value is None else float(value) for value in facts["best_scores"]]
        trainer.best_scores = Scores(*scores) if scores else None
        trainer.train_seconds = float(facts["train_seconds"])
        trainer.train_samples = int(facts["train_samples"])
        if "step" in facts:
            _go_on(trainer, int(facts["step"]), facts["loss_sum"])
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the checkpoint does not fit this run's config: {reason}") from None
    trainer.best_weights = {name: value.to(trainer.device) for name, value in best.items()}


def _go_on(trainer: Trainer, step: int, loss_sum: list[float]) -> None:
    """Put the trainer behind `step` steps of an epoch."""
    # Losses are read every `log_every` steps; elsewhere some of the sum would be missing.
    if not 0 < step <= trainer.steps or (step % trainer.config.log_every and step < trainer.steps):
        raise ValueError(f"step {step} of {trainer.steps} is not one at which losses are read")
    trainer.step, trainer.epoch_began = step, trainer.shuffle.get_state()
    trainer.loss_sum = trainer.loss_sum.new_tensor(loss_sum).view_as(trainer.loss_sum)


def _with_prefix(tensors: Tensors, prefix: str) -> Tensors:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _load_adam(trainer: Trainer, moments: Tensors) -> None:
    state: dict[int, Tensors] = {}
    for name, value in moments.items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = value
    parameters = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    for place, kept in state.items():
        if place >= len(parameters):
            raise ValueError(f"Adam's moments of parameter {place}, which the model does not have")
        if kept.keys() != ADAM_STATE:
            found, all_three = (", ".join(sorted(keys)) for keys in (kept, ADAM_STATE))
            raise ValueError(f"Adam's state of parameter {place} is {found}, not {all_three}")
        for key, value in kept.items():
            wanted = torch.Size() if key == "step" else parameters[place].shape
            if value.shape != wanted or not value.is_floating_point():
                raise ValueError(f"Adam's {key} of parameter {place} is {tuple(value.shape)}")
    groups = trainer.optimizer.state_dict()["param_groups"]
    trainer.optimizer.load_state_dict({"state": state, "param_groups": groups})
