"""The thread that reads what is wanted of a run: nothing that is written gets lost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from workbench.lab.attendant import Attendant
from workbench.lab.control import Control, write_control


def attendant_of(folder: Path) -> Attendant:
    writer: Any = SimpleNamespace(path=folder, stop_requested=lambda: False, beat=lambda: None)
    return Attendant(writer)


def seen_by(attendant: Attendant) -> Control:
    """What it wants after its first news."""
    attendant.start()
    try:
        attendant.wait_for_news()
        return attendant.control
    finally:
        attendant.dismiss()
        attendant.join()


def test_what_is_wanted_before_it_is_made_is_known_at_once(tmp_path: Path) -> None:
    write_control(tmp_path, Control(alpha=0.3))
    assert attendant_of(tmp_path).control == Control(alpha=0.3)


def test_what_is_wanted_between_its_making_and_its_start_is_news(tmp_path: Path) -> None:
    attendant = attendant_of(tmp_path)
    write_control(tmp_path, Control(paused=True))
    assert attendant.control == Control()
    assert seen_by(attendant) == Control(paused=True)
