"""Folders in memory for loaders that read files, and the plumbing of targets."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Final

SKIPPED: Final = object()
"""What a target returns for an input that it could not even turn into a file: not counted."""

PART = b"\x1e"
"""Between the files of an input that stands for several."""

_FOLDERS: list[Path] = []


def folder() -> Path:
    """A new folder that goes when the process ends, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="workbench-fuzz-", dir=memory if memory.is_dir() else None))
    _FOLDERS.append(made)
    return made


@atexit.register
def _clean() -> None:
    for made in _FOLDERS:
        shutil.rmtree(made, ignore_errors=True)
