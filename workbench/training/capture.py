"""The whole training step as one CUDA graph: the host queues one thing per step.

A graph replays the kernels that were recorded, on the same memory. So the batch is copied into
buffers that stay, and whatever the host decides while the step is recorded (rates, alpha, mask
range) is in the graph for good: when one of them moves, the step is recorded again.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from workbench.data.dataset import Batch
from workbench.errors import TrainingError
from workbench.training.memory import is_out_of_memory

WARM_UP_STEPS = 3
"""Eager steps before recording: libraries set up what they need, Adam makes its moments."""

Work = Callable[[Batch], Tensor]


class CapturedStep:
    """Does a step's work from a CUDA graph, with the same numbers as without.

    Warm-up steps are steps of the training itself, and recording runs nothing: no sample is seen
    more or less often than without a graph. A batch of another size (the last of an epoch) is
    worked on eagerly.

    Args:
        work: forward, backward and update for a batch, without waiting for the device; its result
            is overwritten by the next step.
        state: what the host decides; the graph holds good as long as it returns the same.
        batch_size: rows of the batches that are captured.
        generators: all that `work` draws from, but for torch's own.
    """

    def __init__(
        self,
        work: Work,
        state: Callable[[], Any],
        batch_size: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        self._work = work
        self._state = state
        self._batch_size = batch_size
        self._generators = tuple(generators)
        self._warm = 0
        self._recorded: _Recorded | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """One step on the batch; what `work` returns.

        Raises:
            TrainingError: the step cannot be captured.
        """
        if len(batch) != self._batch_size:
            return self._work(batch)
        if self._warm < WARM_UP_STEPS:
            self._warm += 1
            return self._aside(batch)
        state = self._state()
        if self._recorded is None or self._recorded.state != state:
            self._recorded = None  # its memory is let go before more is taken
            self._recorded = _Recorded(self._work, batch, state, self._generators)
        return self._recorded(batch)

    def _aside(self, batch: Batch) -> Tensor:
        """An eager step on a stream of its own, as recording will be."""
        device = batch.rows.device
        here, aside = torch.cuda.current_stream(device), self._side(device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            result = self._work(batch)
        here.wait_stream(aside)
        # Its memory belongs to the other stream; what reads it from here on must be done first.
        result.record_stream(here)
        return result

    @staticmethod
    def _side(device: torch.device) -> torch.cuda.Stream:
        return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class _Recorded:
    """One CUDA graph and the memory it works on."""

    def __init__(
        self, work: Work, batch: Batch, state: Any, generators: Sequence[torch.Generator]
    ) -> None:
        self.state = state
        self._batch = Batch(batch.rows.clone(), batch.counts.clone(), batch.labels.clone())
        self._graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self._graph.register_generator_state(generator)
        try:
            with (
                torch.cuda.device(batch.rows.device),
                _branches_are_meant(),
                _no_garbage_is_collected(),
                torch.cuda.graph(self._graph),
            ):
                self._result = work(self._batch)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())
            raise TrainingError(
                f"this step cannot be captured as a CUDA graph ({reason[:200]}); "
                "start again with --set training.capture=off"
            ) from error

    def __call__(self, batch: Batch) -> Tensor:
        self._batch.rows.copy_(batch.rows)
        self._batch.counts.copy_(batch.counts)
        self._batch.labels.copy_(batch.labels)
        self._graph.replay()
        return self._result


@contextmanager
def _no_garbage_is_collected() -> Iterator[None]:
    """Python's collector may come upon the graph of an earlier run, which cannot be let go while
    another is recorded: the recording would fail.
    """
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _branches_are_meant() -> Iterator[None]:
    """Without torch's warning that a parameter's gradients come from several streams, which is what
    `workbench.nn.streams.fork` is for; the engine waits for all of them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")
        yield
