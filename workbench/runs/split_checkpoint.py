"""A checkpoint in parts, one from each process that holds a part of the table.

Any number of processes reads it. The parts are safetensors files in a folder
``checkpoint-<epoch>-<step>``, in the layout of `torch.distributed.checkpoint`'s Hugging Face
storage. Its default storage keeps a pickle (``.metadata``) beside the parts; this one has none,
what it needs to know is in the files' headers.

``checkpoint.json`` names the folder, each file with its SHA-256 sum, and the facts that are not
tensors. It is written last, so that a kill leaves the old checkpoint or the new one.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load

from workbench.errors import InputError
from workbench.runs.files import inside, read_object, to_json, write_text
from workbench.runs.writer import SPLIT_FILE

VERSION = 1
SEGMENT = "#"
"""Stands between a table's name and the first row of a segment of it."""
_FOLDER = re.compile(r"checkpoint-\d{1,9}-\d{1,12}")
_FILE = re.compile(r"[A-Za-z0-9-]{1,100}\.safetensors")
_SUM = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SplitCheckpoint:
    """What ``checkpoint.json`` says.

    Attributes:
        path: the folder of the parts.
        place: for errors.
        files: name of each part -> its SHA-256 sum.
        facts: what is not a tensor.
    """

    path: Path
    place: str
    files: dict[str, str]
    facts: dict[str, Any]

    def check(self, part: int = 0, parts: int = 1) -> None:
        """Check that the files are those that were written, and no others.

        Args:
            part, parts: of several processes each may add up the sums of some files.

        Raises:
            InputError: names the file.
        """
        try:
            found = sorted(entry.name for entry in os.scandir(self.path))
        except OSError as error:
            raise InputError(f"{self.place}: cannot be read ({error.strerror})") from None
        if found != sorted(self.files):
            odd = sorted(set(found) ^ set(self.files))[0]
            raise InputError(f"{self.place}/{odd}: not a part that {SPLIT_FILE} names, or missing")
        for name in sorted(self.files)[part::parts]:
            if file_sum(inside(self.path, name)) != self.files[name]:
                raise InputError(f"{self.place}/{name}: damaged: not the file that was written")

    def metadata(self) -> dict[str, TensorStorageMetadata]:
        """What tensors there are, read from the files' headers; each is complete.

        Raises:
            InputError: a header makes no sense, or parts overlap, are missing or out of bounds.
        """
        try:
            known = HuggingFaceStorageReader(str(self.path)).read_metadata()
            tensors = dict(known.state_dict_metadata)
            for name, one in tensors.items():
                if not isinstance(one, TensorStorageMetadata) or not _complete(one):
                    raise ValueError(f"parts of '{name}' overlap or are missing")
        except Exception as error:  # whatever a forged header makes the library trip over
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self.place}: damaged or not a checkpoint ({reason})") from None
        return {k: v for k, v in tensors.items() if isinstance(v, TensorStorageMetadata)}

    def read(self, wanted: dict[str, Any], *, alone: bool) -> None:
        """Fill tensors with what was kept under their names.

        Args:
            wanted: name -> tensor, or the sharded tensor of which this process holds a part.
            alone: read without the other processes; else all of them have to call it.

        Raises:
            InputError: a tensor is missing or of another type or shape.
        """
        known = self.metadata()
        for name, tensor in wanted.items():
            kept = known.get(name)
            if kept is None:
                raise InputError(f"{self.place}: has no tensor '{name}'")
            if tuple(kept.size) != tuple(tensor.size()) or kept.properties.dtype != tensor.dtype:
                raise InputError(
                    f"{self.place}: '{name}' is {kept.properties.dtype} {list(kept.size)}, must "
                    f"be {tensor.dtype} {list(tensor.size())}"
                )
        try:
            reader = HuggingFaceStorageReader(str(self.path))
            with warnings.catch_warnings():
                # That it reads in one process is no news.
                warnings.simplefilter("ignore", UserWarning)
                load(wanted, storage_reader=reader, no_dist=alone)
        except Exception as error:  # files that changed since they were checked
            reason = " ".join(str(error).split())[:500] or type(error).__name__
            raise InputError(f"{self.place}: cannot be read ({reason})") from None

    def read_whole(self) -> dict[str, Tensor]:
        """Every tensor, whole, by one process alone.

        Raises:
            InputError: damaged.
        """
        self.check()
        whole = {
            name: torch.empty(one.size, dtype=one.properties.dtype)
            for name, one in self.metadata().items()
        }
        self.read(whole, alone=True)
        try:
            return _joined(whole)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.place}: damaged: segments do not fit ({reason})") from None


def open_split(run: Path) -> SplitCheckpoint:
    """The run's checkpoint in parts.

    Raises:
        InputError: ``checkpoint.json`` is missing or damaged.
    """
    place = f"{run.name}/{SPLIT_FILE}"
    values = read_object(run, SPLIT_FILE)
    folder, files, facts = (values.get(key) for key in ("folder", "files", "facts"))
    if values.get("version") != VERSION:
        raise InputError(f"{place}: version {values.get('version')!r}: must be {VERSION}")
    if not isinstance(folder, str) or not _FOLDER.fullmatch(folder):
        raise InputError(f"{place}: folder = {str(folder)[:80]!r}: must be like checkpoint-12-0")
    if not isinstance(files, dict) or not isinstance(facts, dict) or not files:
        raise InputError(f"{place}: files and facts must be objects")
    for name, found in files.items():
        if not _FILE.fullmatch(name) or not isinstance(found, str) or not _SUM.fullmatch(found):
            raise InputError(f"{place}: files: {name[:80]!r}: must be a part with its SHA-256 sum")
    if (run / folder).is_symlink() or not (run / folder).is_dir():
        raise InputError(f"{run.name}/{folder}: no such folder")
    return SplitCheckpoint(run / folder, f"{run.name}/{folder}", files, facts)


def later_split(run: Path, facts: Mapping[str, Any] | None) -> SplitCheckpoint | None:
    """The run's checkpoint in parts; None where there is none, or one process wrote a later one.

    Args:
        run: the run's folder.
        facts: of the checkpoint of one process, None where there is none.

    Raises:
        InputError: as `open_split`.
    """
    if not os.path.lexists(run / SPLIT_FILE):
        return None
    split = open_split(run)
    return split if facts is None or _place(split.facts) > _place(facts) else None


def folder_for(run: Path, epoch: int, step: int) -> Path:
    """Where the parts of a checkpoint go: after `epoch` epochs, and steps of the next."""
    return run / f"checkpoint-{epoch}-{step}"


def commit(run: Path, folder: Path, files: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """Make parts that are written the run's checkpoint, and drop older ones.

    Args:
        run: the run's folder.
        folder: of the parts.
        files: name -> SHA-256 sum.
        facts: what is not a tensor; must survive JSON.

    Raises:
        InputError: ``checkpoint.json`` cannot be written.
    """
    values = {"version": VERSION, "folder": folder.name, "files": files, "facts": facts}
    write_text(run / SPLIT_FILE, to_json(values))
    _drop_folders(run, keep=folder.name)


def drop_split(run: Path) -> None:
    """Remove a checkpoint in parts, if there is one."""
    if os.path.lexists(run / SPLIT_FILE):
        (run / SPLIT_FILE).unlink()
    _drop_folders(run)


def file_sum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _drop_folders(run: Path, keep: str | None = None) -> None:
    for entry in list(os.scandir(run)):
        if _FOLDER.fullmatch(entry.name) and entry.name != keep and not entry.is_symlink():
            shutil.rmtree(entry.path, ignore_errors=True)


def _joined(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tables whole again, from their segments in the order of their first rows."""
    whole: dict[str, Tensor] = {}
    parts: dict[str, dict[int, Tensor]] = {}
    for name, tensor in tensors.items():
        table, mark, start = name.partition(SEGMENT)
        if mark:
            parts.setdefault(table, {})[int(start)] = tensor
        else:
            whole[name] = tensor
    for table, found in parts.items():
        whole[table] = torch.cat([found[start] for start in sorted(found)])
    return whole


def _place(facts: Mapping[str, Any]) -> tuple[int, int]:
    """(epoch, step within the next), for comparing."""
    epoch, step = (facts.get(key, 0) for key in ("epoch", "step"))
    return (epoch if isinstance(epoch, int) else -1, step if isinstance(step, int) else -1)


def _complete(one: TensorStorageMetadata) -> bool:
    """Whether the chunks of a tensor fill it, each number once."""
    boxes = []
    for chunk in one.chunks:
        ranges = list(zip(chunk.offsets, chunk.sizes, strict=True))
        if any(offset < 0 or size < 0 for offset, size in ranges):
            return False
        if len(ranges) != len(one.size):
            return False
        boxes.append([(offset, offset + size) for offset, size in ranges])
    volume = sum(math.prod(high - low for low, high in box) for box in boxes)
    return volume == math.prod(one.size) and not _overlap(boxes)


def _overlap(boxes: list[list[tuple[int, int]]]) -> bool:
    """Whether two boxes share a point; those without a dimension are scalars and do."""
    boxes = [box for box in boxes if all(low < high for low, high in box)]
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            if all(a < d and c < b for (a, b), (c, d) in zip(one, other, strict=True)):
                return True
    return False
