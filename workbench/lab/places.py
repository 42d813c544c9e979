"""How many runs train at once, and where the lab keeps its own files.

``<store>/.lab`` holds a lock per place, the queue and the runners' logs. A run store ignores names
that start with a dot.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from workbench.errors import InputError

SLOTS_VARIABLE = "WORKBENCH_LAB_SLOTS"
LAB_FOLDER = ".lab"
MOST_SLOTS = 64


def slots() -> int:
    """Runs that train at once: ``WORKBENCH_LAB_SLOTS``, else one for every two cores.

    0 switches the lab off: it then shows runs and starts none.

    Raises:
        InputError: the variable is not a whole number from 0 to 64.
    """
    told = os.environ.get(SLOTS_VARIABLE)
    if not told:
        return max(1, (os.cpu_count() or 1) // 2)
    if not told.isdecimal() or int(told) > MOST_SLOTS:
        raise InputError(
            f"{SLOTS_VARIABLE} = '{told}': must be a whole number from 0 to {MOST_SLOTS}"
        )
    return int(told)


def lab_folder(root: Path) -> Path:
    """The lab's own folder in a run store; made where it is missing.

    Raises:
        InputError: it cannot be made, or is a link to another place.
    """
    folder = root / LAB_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"run store {root}: cannot be written ({error.strerror})") from None
    if folder.is_symlink():
        raise InputError(f"{folder}: links to another place; refused")
    return folder


class Place:
    """One of the places in which runs train; held until the process and its workers are gone.

    Attributes:
        file: the descriptor of the lock, which workers inherit: a worker that outlives its runner
            keeps the place.
    """

    def __init__(self, file: int) -> None:
        self.file = file

    @classmethod
    def take(cls, root: Path, number: int) -> Place | None:
        """Take place `number` from 0 on; None where another process has it.

        Raises:
            InputError: the store cannot be written.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(lab_folder(root) / f"place-{number}.lock", flags, 0o644)
        except OSError as error:
            raise InputError(f"run store {root}: cannot be locked ({error.strerror})") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
        return cls(file)

    def leave(self) -> None:
        """Let another process have it."""
        os.close(self.file)


def is_free(root: Path, number: int) -> bool:
    """True where nobody holds the place at this moment."""
    place = Place.take(root, number)
    if place is None:
        return False
    place.leave()
    return True
