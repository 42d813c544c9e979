"""The folder of a prepared data set: what lies in it, and how one takes another's place."""

from __future__ import annotations

import glob
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from workbench.data.stream.parts import PART_NAME, STREAM
from workbench.errors import InputError

DESCRIPTION = "dataset.json"
TENSORS = "tensors.safetensors"


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder to write a data set into; it becomes `folder` at the end, or nothing changes.

    Args:
        folder: new, empty, or an earlier prepared data set.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    folder = folder.absolute()
    _tidy(folder)
    _check_replaceable(folder)
    building = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    replaced = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        building.mkdir()
        yield building
        if folder.exists():
            folder.rename(replaced)
        building.rename(folder)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder}: cannot be written ({error})") from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        shutil.rmtree(replaced, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Undo what a killed process left: a replaced data set comes back, half-written ones go.

    A half-written one goes when nobody has touched it for an hour: a process of another machine may
    still write it. A replaced one whose successor is there is of no use to any process.
    """
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        pid, _, kind = left.name.removeprefix(f".{folder.name}.").partition(".")
        if not pid.isdigit() or kind not in ("new", "old") or _alive(int(pid)):
            continue
        with suppress(OSError):
            if kind == "old" and not folder.exists():
                left.rename(folder)
            elif kind == "old" or _abandoned(left, int(pid)):
                shutil.rmtree(left, ignore_errors=True)


def _abandoned(left: Path, pid: int) -> bool:
    return pid == os.getpid() or time.time() - left.stat().st_mtime > 3600


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid != os.getpid()  # one that had this process's number before it is gone


def is_prepared(folder: Path) -> bool:
    """Whether a folder holds a prepared data set, streamed or not, and nothing else."""
    try:
        found = set(os.listdir(folder))
    except OSError:
        return False
    if STREAM in found:
        found -= {name for name in found if re.fullmatch(PART_NAME, name)} | {STREAM}
    return found == {DESCRIPTION, TENSORS}


def _check_replaceable(folder: Path) -> None:
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.is_symlink() or (folder.exists() and not empty and not is_prepared(folder)):
        raise InputError(
            f"{folder}: holds something that is not a prepared data set; name a new folder"
        )
