"""The processes of a training job and the few things that they tell each other.

Torch's own process group does all of it: NCCL between CUDA devices, Gloo between CPUs. What is
exchanged are tensors, also for texts: nothing that another process sends is unpickled here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from workbench.errors import InputError, TrainingError

# Loading and preparing data may take one process longer than another.
TIMEOUT = timedelta(minutes=30)
_CODES: dict[type[Exception], int] = {InputError: 2, TrainingError: 1}

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """This process among the others.

    Attributes:
        rank: 0 to ``size - 1``; 0 writes the run and speaks to people.
        size: processes.
        local: rank among the processes of this machine.
    """

    rank: int
    size: int
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes the run and speaks to people."""
        return self.rank == 0

    @property
    def name(self) -> str:
        """For errors that concern one process alone."""
        return f"process {self.rank + 1} of {self.size}"

    def mean(self, values: Tensor) -> Tensor:
        """The mean of every process's `values`, on the CPU, the same bits everywhere."""
        total = values.detach().double().cpu()
        dist.all_reduce(total)
        return total / self.size

    def agreed(self, wish: bool) -> bool:
        """Whether any process wishes it; all get the same answer."""
        wishes = torch.tensor(float(wish))
        dist.all_reduce(wishes, dist.ReduceOp.MAX)
        return bool(wishes)

    def text(self, value: str, source: int = 0) -> str:
        """The text of the process `source`, in all processes."""
        mine = self.rank == source
        data = value.encode(errors="replace") if mine else b""
        length = torch.tensor(len(data))
        dist.broadcast(length, source)
        sent = torch.zeros(int(length), dtype=torch.uint8)
        if mine and data:
            sent = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        if len(sent):
            dist.broadcast(sent, source)
        return bytes(sent.tolist()).decode()

    def rows(self, part: Tensor) -> Tensor:
        """Every process's rows [row, ...] end to end, in all processes; counts may differ."""
        counts = [torch.zeros((), dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(counts, torch.tensor(len(part)))
        longest = int(torch.stack(counts).max())
        padded = part.new_zeros(longest, *part.shape[1:])
        padded[: len(part)] = part
        gathered = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(gathered, padded)
        return torch.cat([one[: int(n)] for one, n in zip(gathered, counts, strict=True)])

    def together(self, work: Callable[[], T]) -> T:
        """Do what may fail in one process or in all, so that all learn of it before they go on.

        Raises:
            InputError, TrainingError: of the first process that failed, in process 0 only.
            SystemExit: in the others, with the same exit code and without a word.
        """
        error: Exception | None = None
        try:
            done = work()
        except tuple(_CODES) as caught:
            error = caught
        failed = self._first_to_fail(error is not None)
        if failed is None:
            return done
        kind = InputError if isinstance(error, InputError) else TrainingError
        code = int(self.text(str(_CODES[kind]), failed))
        message = self.text("" if error is None else str(error), failed)
        if not self.first:
            raise SystemExit(code)
        raise (InputError if code == _CODES[InputError] else TrainingError)(message)

    def _first_to_fail(self, failed: bool) -> int | None:
        rank = torch.tensor(self.rank if failed else self.size)
        dist.all_reduce(rank, dist.ReduceOp.MIN)
        return int(rank) if int(rank) < self.size else None


@contextmanager
def in_contact(group: Group) -> Iterator[None]:
    """Turn what torch says of a process that is gone into one clear line.

    Raises:
        TrainingError: another process died.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, TrainingError) or not _lost_contact(error):
            raise
        raise TrainingError(
            f"{group.name} lost the others: one of them died; --resume goes on from the last "
            "finished epoch"
        ) from None


def _lost_contact(error: RuntimeError) -> bool:
    words = ("Connection", "connection", "gloo", "NCCL", "peer")
    known = isinstance(error, dist.DistBackendError | dist.DistNetworkError)
    return known or any(word in str(error) for word in words)


@contextmanager
def joined() -> Iterator[Group]:
    """The group of the job that torchrun started this process for; left at the end.

    Raises:
        InputError: torchrun's settings are not in the environment, or nobody answers.
    """
    try:
        rank, size, local = (int(os.environ[key]) for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    except (KeyError, ValueError):
        raise InputError(
            "RANK, WORLD_SIZE and LOCAL_RANK must be numbers in the environment: start with "
            "torchrun --nproc-per-node N -m workbench train ..."
        ) from None
    # Tensors on CUDA devices travel by NCCL, those on CPUs, all short messages among them, by Gloo.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the processes do not find each other ({reason})") from None
    try:
        yield Group(rank, size, local)
    finally:
        dist.destroy_process_group()


def own_device(device: str, local: int) -> torch.device:
    """The device of the process number `local` of this machine.

    Args:
        device: as in the config: "auto" and "cuda" give every process of a machine a CUDA device
            of its own, "cpu" trains on the CPU.
        local: from 0 on.

    Raises:
        InputError: not a device that processes can share out, or fewer than are needed.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(
            f"device '{device}': each of several processes takes a device of its own; "
            "allowed: auto, cpu, cuda"
        )
    found = torch.cuda.device_count()
    if device == "cpu" or (device == "auto" and found == 0):
        return torch.device("cpu")
    if local >= found:
        raise InputError(
            f"process {local + 1} of this machine has no CUDA device: {found} found; start at most "
            "as many with --nproc-per-node, or train with --device cpu"
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
