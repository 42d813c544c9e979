"""Several models of one shape trained side by side, each as it would train alone.

A GPU is far too large for one model of a few million weights: most of a step is the host's time to
queue small kernels. Stacked into one batched model, n members take that time once.

Every member has its own samples' order, masks, dropout, learning rate, early stopping and best
weights; losses agree with training alone to the rounding of float32, since matrix products of a
stack may add up in another order. Members start and leave between epochs: whoever is done leaves
the stack, so it stops costing, and the next in line takes the place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TypeVar

import torch

from workbench.data.dataset import Dataset
from workbench.errors import InputError, TrainingError
from workbench.training.denormals import denormals
from workbench.training.memory import is_out_of_memory
from workbench.training.side_by_side.stack import Member, Stack
from workbench.training.trainer import Trainer

T = TypeVar("T")
Left = Callable[[Trainer, TrainingError | None], None]
Told = Callable[[Sequence[Trainer]], None]


def fit_side_by_side(
    trainers: Iterable[Trainer], at_once: int, *, left: Left | None = None, told: Told | None = None
) -> None:
    """Train until every trainer is done or stopped; its model then holds its best weights.

    Args:
        trainers: of one shape (`settings.shape_of`), on one data set; asked for when
            there is room, so they need not exist before.
        at_once: members of the stack, at most.
        left: called as soon as a trainer has left the stack, with the reason where it failed.
        told: called after each epoch, with the trainers that were in it.

    Raises:
        InputError: data that is streamed.
        TrainingError: the stack takes more memory than there is.
    """
    waiting = iter(trainers)
    members: list[Member] = []
    stack: Stack | None = None
    while True:
        joining = [_started(trainer) for trainer in islice(waiting, at_once - len(members))]
        members += joining
        if not members:
            return
        if joining or stack is None:
            stack = None  # whose tensors would otherwise be held beside the new one's
            stack = _within_memory(len(members), partial(Stack, members))
        with denormals(stack.config.denormals):
            _epoch(stack)
        if told is not None:
            told([member.trainer for member in stack.members])
        gone = [member for member in stack.members if not member.active or member.trainer.done]
        if gone:
            members = [member for member in stack.members if member not in gone]
            for member in gone:
                stack.release(member)
            stack = None
            for member in gone:
                _finish(member, left)


def _started(trainer: Trainer) -> Member:
    if not isinstance(trainer.dataset, Dataset):
        raise InputError(f"{trainer.dataset.name}: streamed data cannot be trained on side by side")
    trainer.steering.begin(trainer)
    trainer.hooks.started(trainer)
    return Member(trainer)


def _epoch(stack: Stack) -> None:
    """Train and validate one epoch; a member that cannot go on keeps the reason."""
    before = time.perf_counter()
    losses = _within_memory(len(stack.members), stack.train_epoch)
    # Members share the machine, so each has its share of the time: over all members and epochs the
    # shares add up to what was spent.
    seconds = (time.perf_counter() - before) / len(stack.members)
    for member, mean in zip(stack.members, losses, strict=True):
        member.trainer.train_seconds += seconds
        if not member.active:
            continue
        try:
            with _own_random_state(member):
                member.trainer._validate(mean, seconds)
        except TrainingError as error:
            member.problem = error


@contextmanager
def _own_random_state(member: Member) -> Iterator[None]:
    """A checkpoint written within holds the random state that the model alone would have."""
    device = member.trainer.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if device.type == "cuda":
            torch.cuda.set_rng_state(member.dropout.get_state(), device)
        else:
            torch.set_rng_state(member.dropout.get_state())
        yield


def _finish(member: Member, left: Left | None) -> None:
    trainer = member.trainer
    if member.problem is None:
        trainer.finish()
    if left is not None:
        left(trainer, member.problem)


def _within_memory(members: int, work: Callable[[], T]) -> T:
    """Do the work.

    Raises:
        TrainingError: it takes more memory than there is.
    """
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    raise TrainingError(
        f"out of memory with {members} models side by side; start again with fewer, such as "
        f"{max(1, members // 2)}"
    )
