"""Tensors on disk, as safetensors: numbers only. A module of its own because it needs torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from workbench.errors import InputError
from workbench.runs.files import replacing

CHECKSUM = "sha256"


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
    kept = {CHECKSUM: _checksum(ready)} | ({} if meta is None else {"meta": meta})
    with replacing(path) as temporary:
        try:
            save_file(ready, temporary, metadata=kept)
        except SafetensorError as error:
            raise InputError(f"{path}: cannot be written ({error})") from None


def read_tensors(path: Path, run: str) -> tuple[dict[str, Tensor], str | None]:
    """Read what `write_tensors` wrote, onto the CPU.

    Raises:
        InputError: not a safetensors file, cut off, or other numbers than were written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            kept = file.metadata() or {}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{run}/{path.name}: damaged or not safetensors ({reason})") from None
    # Runs of the first version have none.
    if CHECKSUM in kept and kept[CHECKSUM] != _checksum(tensors):
        raise InputError(f"{run}/{path.name}: damaged: its numbers are not those that were written")
    return tensors, kept.get("meta")


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and numbers: finds a flipped bit, not a forger."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
