"""Sizes are checked before memory is asked for: a system that runs out kills the program."""

from __future__ import annotations

import os
import re
from pathlib import Path

from workbench.errors import InputError

_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)


def available_bytes() -> int:
    """Memory that new data can take: what the system calls available, else all it has."""
    try:
        found = _AVAILABLE.search(Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_fits(needed: int, what: str, instead: str) -> None:
    """Refuse what cannot fit before any of it is allocated.

    Args:
        needed: bytes, at least.
        what: takes them, for the error.
        instead: what to do about it.

    Raises:
        InputError: there is less memory.
    """
    available = available_bytes()
    if needed > available:
        raise InputError(
            f"{what}: at least {needed / 2**30:,.1f} GiB of memory, and "
            f"{available / 2**30:,.1f} GiB are free; {instead}"
        )
