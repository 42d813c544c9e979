"""Out of memory while training: which batch size fits instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch

from workbench.training.evaluation import predict_batches

if TYPE_CHECKING:
    from workbench.training.trainer import Trainer

# What torch's allocator for the CPU says; on a GPU the error has a class of its own.
_CPU_SAYS = ("DefaultCPUAllocator", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch (on a GPU or the CPU) or Python could not get the memory it asked for."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in _CPU_SAYS)


def largest_that_fits(rows: int, attempt: Callable[[int], object]) -> int:
    """The largest power of two below `rows` with which `attempt` does not run out of memory.

    Args:
        rows: the batch size that did not fit.
        attempt: does the work with so many rows.

    Returns:
        0 where not even one row fits.
    """
    size = 1 << max(rows - 1, 0).bit_length() >> 1
    while size and not _fits(size, attempt):
        size //= 2
    return size


def _fits(size: int, attempt: Callable[[int], object]) -> bool:
    if torch.cuda.is_available():
        # What the failed attempt held is kept for reuse, in pieces that may be too small.
        torch.cuda.empty_cache()
    try:
        attempt(size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def explain(trainer: Trainer, key: Literal["batch_size", "eval_batch_size"]) -> str:
    """One line for people, after trying smaller batches on the trainer's own device.

    The trainer's weights are of no use afterwards: the attempts are real training steps, so that
    the optimiser's memory counts too.

    Args:
        trainer: whose step (or evaluation) ran out of memory.
        key: the setting that decides how much it takes.
    """
    training = key == "batch_size"
    dataset = trainer.dataset
    rows = min(getattr(trainer.config, key), dataset.rows_in("train" if training else "valid"))
    if training:
        fits = largest_that_fits(rows, trainer.try_step)
    else:
        fits = largest_that_fits(
            rows, lambda size: predict_batches(trainer.model, [dataset.head("valid", size)])
        )
    where = "GPU memory" if trainer.device.type == "cuda" else "memory"
    what = "a step" if training else "the evaluation"
    place = f"out of {where} at epoch {trainer.epoch + 1}: {what} of {rows} rows does not fit"
    if fits:
        return (
            f"{place}, training.{key} = {fits} does; start again with --set training.{key}={fits}"
        )
    table = trainer.model.embedding.weight
    mib = 4 * table.numel() * table.element_size() / 2**20
    return (
        f"{place}, nor does 1 row: the {table.shape[0]} x {table.shape[1]} embedding table with "
        f"its gradient and Adam's moments takes {mib:,.0f} MiB; lower model.dim"
    )
