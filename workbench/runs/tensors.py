"""Tensors on disk, as safetensors: numbers only. A module of its own because it needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from workbench.errors import InputError
from workbench.runs.files import replacing


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: str | None = None) -> None:
    """Write named tensors, and a string beside them, to one file, atomically.

    Args:
        path: the file.
        tensors: on any device; two names may share their memory, each is written whole.
        meta: kept in the file's header.

    Raises:
        InputError: the file cannot be written.
    """
    seen: set[int] = set()
    ready: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        ready[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    with replacing(path) as temporary:
        try:
            save_file(ready, temporary, metadata=None if meta is None else {"meta": meta})
        except SafetensorError as error:
            raise InputError(f"{path}: cannot be written ({error})") from None


def read_tensors(path: Path, run: str) -> tuple[dict[str, Tensor], str | None]:
    """Read what `write_tensors` wrote, onto the CPU.

    Raises:
        InputError: not a safetensors file, or cut off.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            meta = (file.metadata() or {}).get("meta")
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{run}/{path.name}: damaged or not safetensors ({reason})") from None
    return tensors, meta
