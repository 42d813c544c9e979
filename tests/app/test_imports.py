"""What Altair's import leaves out, and that it leaves the rest of the process alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

APP = Path(__file__).parents[2] / "app"


def run(script: str) -> str:
    """Run a script in a process of its own, with the app's folder on the path."""
    head = f"import sys\nsys.path[:0] = [{str(APP)!r}, {str(APP.parent)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-c", head + script], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_altair_comes_without_what_the_app_does_not_need() -> None:
    script = (
        "from components import imports\n"
        "imports.altair()\n"
        "import altair\n"
        "print(altair.Chart().mark_point().to_dict()['mark']['type'])\n"
        "print([name for name in (*imports.NOT_NEEDED, 'IPython') if name in sys.modules])\n"
        "imports.altair()\n"
        "from importlib.util import find_spec\n"
        "print(find_spec('anywidget') is not None)\n"
    )
    assert run(script).split("\n") == ["point", "[]", "True"]


def test_what_is_there_already_stays() -> None:
    script = (
        "import anywidget\n"
        "from components import imports\n"
        "imports.altair()\n"
        "print(sys.modules['anywidget'] is anywidget)\n"
    )
    assert run(script) == "True"
