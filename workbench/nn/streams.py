"""Work of a CUDA graph that runs beside other work of it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch


class Fork:
    """A branch from here on; as a context, what is queued on the branch; joined at its end.

    A step on a few thousand samples asks too little of a GPU to fill it, so two passes through one
    model take little longer side by side than one of them; the gradient of each runs on its own
    branch, too. Branches are taken only where a graph is recorded, whose memory stays until the
    graph goes. Elsewhere the work is done in its turn, and so it is in bfloat16, where both passes
    share the weights' casts.

    Args:
        device: of the work.
    """

    def __init__(self, device: torch.device) -> None:
        self._aside: Any = None
        self._entered: Any = None
        if device.type != "cuda" or torch.compiler.is_compiling():
            return
        if torch.is_autocast_enabled(device.type):
            return
        if torch.cuda.is_current_stream_capturing():
            self._aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._aside.wait_stream(torch.cuda.current_stream(device))

    def __enter__(self) -> None:
        if self._aside is not None:
            self._entered = torch.cuda.stream(self._aside)
            self._entered.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._aside is not None:
            self._entered.__exit__(kind, error, trace)
            torch.cuda.current_stream(self._aside.device).wait_stream(self._aside)
