"""Work of a CUDA graph that runs beside other work of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch


def fork(device: torch.device) -> AbstractContextManager[None]:
    """A branch from here on: what is queued in the context, which joins it at its end.

    A step on a few thousand samples asks too little of a GPU to fill it, so two passes through one
    model take little longer side by side than one of them; the gradient of each runs on its own
    branch, too. Branches are taken only where a graph is recorded, whose memory stays until the
    graph goes. Elsewhere the work is done in its turn, and so it is in bfloat16, where both passes
    share the weights' casts.

    Args:
        device: of the work.
    """
    if device.type != "cuda" or torch.compiler.is_compiling():
        return nullcontext()
    if torch.is_autocast_enabled(device.type) or not torch.cuda.is_current_stream_capturing():
        return nullcontext()
    aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream(device))
    return _joined(aside)


@contextmanager
def _joined(aside: Any) -> Iterator[None]:
    try:
        with torch.cuda.stream(aside):
            yield
    finally:
        torch.cuda.current_stream(aside.device).wait_stream(aside)
