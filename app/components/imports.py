"""Imports that pages wait for, without what they only look for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

NOT_NEEDED = ("rfc3987_syntax", "anywidget")
"""Packages that Altair and jsonschema use where they are installed, as JupyterLab has them.

The first builds 38 grammars to check addresses, the second brings all of IPython: together two
thirds of the time that Altair's import takes. The app draws charts and needs neither."""
_ONE_AT_A_TIME = Lock()


def altair() -> None:
    """Import Altair, unless it is there; every page with a chart comes by here first."""
    with _ONE_AT_A_TIME:
        if "altair" not in sys.modules:
            with _without(NOT_NEEDED):
                importlib.import_module("altair")


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Let some packages pass for not installed; those that are there already stay."""
    hidden = [name for name in names if name not in sys.modules]
    # None makes every import of the name fail, and `find_spec` say that there is none.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
