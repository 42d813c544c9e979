"""One virtual environment per library, outside the project.

torch comes first and alone, so that all libraries compute with the same build; each library then
needs the limits that its release forgot to set.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TORCH = "torch==2.13.0"
REQUIREMENTS = {
    "fuxictr": ["fuxictr==2.3.10", "polars<2"],
    "recbole": ["recbole==1.2.1", "setuptools<81", "numpy<2", "pandas<3"],
    "deepctr-torch": ["deepctr-torch==0.3.0", "requests", "setuptools<81"],
    "torch-rechub": ["torch-rechub==0.9.0"],
}
READY = "ready"


def is_ready(name: str, folder: Path) -> bool:
    """Whether an earlier set-up came to its end, with these versions."""
    marker = folder / name / READY
    return marker.is_file() and marker.read_text(encoding="utf-8") == _wanted(name)


def make(name: str, folder: Path) -> None:
    """Make a library's environment, unless it is ready.

    Raises:
        subprocess.CalledProcessError: pip could not install something; it has said what.
    """
    if is_ready(name, folder):
        return
    home = folder / name
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    python = str(home / "bin" / "python")
    for group in ([TORCH], REQUIREMENTS[name]):
        pinned = [TORCH, *group] if group != [TORCH] else group
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pinned], check=True)
    (home / READY).write_text(_wanted(name), encoding="utf-8")


def _wanted(name: str) -> str:
    return "\n".join([TORCH, *REQUIREMENTS[name]]) + "\n"
