"""Fixtures for every test: real data, the browser, and one CPU thread."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from workbench.data.dataset import Dataset

# Read by OpenMP when torch is imported, so they are set before any test module is. One thread
# makes sums add up in the same order on every machine. Programs that a test starts inherit both.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).parents[1]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real data sets, ``shared/data`` next to the project; skips without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data: the folder shared/data next to the project is missing")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium executable.

    Without one the test is skipped, but in continuous integration (``CI=true``) it fails: there
    the browser test must not go missing unnoticed.
    """
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is not None:
        return found
    reason = f"no Chromium: none of {', '.join(CHROMIUM_NAMES)} is on the PATH"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``gpu`` where torch sees no CUDA device."""
    if item.get_closest_marker("gpu") is None:
        return
    # torch takes seconds to import, so only a gpu test pays for it here.
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def small_world() -> Dataset:
    """The planted world in small: 3,000 rows, random split."""
    from workbench.config import DataConfig
    from workbench.data.registry import load

    return load(DataConfig.model_validate({"planted": {"rows": 3000}}))
