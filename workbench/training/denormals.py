"""Numbers too small for a processor's fast path.

Weight decay draws the weights of a unit that no sample turns on any more towards zero without end.
Once their products with its inputs fall below 1.2e-38, the least normal float32, some processors
compute each of them in microcode: matrix products then take up to 25 times as long, and a training
of many epochs gets slower and slower (tests/benchmarks/bench_denormals.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch


def denormals(how: str) -> AbstractContextManager[None]:
    """`training.denormals`: "flush" or "keep" them within."""
    return denormals_flushed() if how == "flush" else nullcontext()


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Results below the least normal number are zero in this thread, and in those that it starts.

    Predictions stay the same: what such a number is added to is larger by more digits than a
    float32 has. In training its sign can decide whether a unit is turned on, and moves it.
    Processors that cannot flush compute as ever.
    """
    before = _flushes()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes() -> bool:
    """What torch does not tell: whether it is on in this thread."""
    return not bool(torch.full((1,), 1e-38).mul_(1e-2).ne(0).any())
