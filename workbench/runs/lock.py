"""One writer per run: a lock that the system drops when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from workbench.errors import InputError

LOCK_FILE = ".lock"


class RunLock:
    """Holds ``<run>/.lock`` from its construction to `release`.

    The lock belongs to the open file, so it moves with the folder when that is renamed.

    Raises:
        InputError: another writer holds it; names the run and the writer's process.
    """

    def __init__(self, folder: Path, name: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        try:
            self._file = os.open(folder / LOCK_FILE, flags, 0o644)
        except OSError as error:
            raise InputError(f"run '{name}': cannot be locked ({error.strerror})") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(self._file)
            os.close(self._file)
            raise InputError(
                f"run '{name}': process {holder} is writing it; wait for it or stop it first"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let another writer in; may be called again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def lock_holder(folder: Path) -> str | None:
    """The process that writes the run at this moment, or None; leaves no trace in the folder."""
    try:
        file = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _holder(file)
    else:
        return None
    finally:
        os.close(file)


def _holder(file: int) -> str:
    text = os.pread(file, 20, 0).decode(errors="replace")
    return text if text.isdigit() else "(unknown)"
