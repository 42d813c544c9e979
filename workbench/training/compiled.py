"""`training.compile`: the losses as code that `torch.compile` made for a model and batch size."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

from workbench.errors import InputError

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(losses: Function) -> Function:
    """The same function, compiled at its first call, which takes a minute or so.

    Sums are taken in another order: losses agree to the precision of float32, not to the bit.

    Raises:
        InputError: at the first call, where the compiler fails.
    """
    fast = torch.compile(losses, dynamic=False)

    @functools.wraps(losses)
    def run(*batch: Any) -> Any:
        try:
            return fast(*batch)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise InputError(f"training.compile = true: {_reason(error)}") from None

    return cast(Function, run)


def check_compiler(device: torch.device) -> None:
    """See that there is a compiler for the device.

    Raises:
        InputError: there is none.
    """
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise InputError(
                "training.compile = true: the package triton, which compiles for GPUs, is missing; "
                "allowed here: false"
            )
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise InputError(
            "training.compile = true: no working C++ compiler was found (install g++ or name "
            "one in CXX); allowed here: false"
        ) from None


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"the compiler failed ({lines[0] if lines else type(error).__name__}); try false"
