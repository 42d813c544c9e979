"""One server and one browser for all tests here; a fresh page for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import served
from tests.fake_runs import make_fake_run
from workbench.runs import RunStore

NewPage = Callable[..., Page]


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[str]:
    """The served app: four variants in two seeds, one run that failed and one broken folder."""
    folder = tmp_path_factory.mktemp("served")
    runs = RunStore(folder / "runs")
    for seed in (0, 1):
        for variant in ("base", "mask", "adapter", "full"):
            make_fake_run(
                runs, variant=variant, seed=seed, name=f"{variant}-s{seed}", users=600, rows=6000
            )
    make_fake_run(runs, variant="full", seed=7, name="failed-run", state="failed")
    (folder / "runs" / "broken-run").mkdir()
    with served.serve(folder / "runs", folder / "server.log") as url:
        yield url


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[str]:
    """The served app on the demo runs, whose models can be asked."""
    log = tmp_path_factory.mktemp("trained") / "server.log"
    with served.serve(served.PROJECT / "data" / "demo_runs", log) as url:
        yield url


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = served.launch(playwright, chromium)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Open fresh pages; at the end no page may have had a problem."""
    opened: list[tuple[Page, list[str]]] = []

    def make(*, width: int = 1366, height: int = 1000, dark: bool = False, **more: Any) -> Page:
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            **more,
        )
        opened.append((page, served.watch(page)))
        return page

    yield make
    for page, _ in opened:
        page.close()
    assert [problem for _, problems in opened for problem in problems] == []


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of the pages go; git ignores it."""
    folder = Path(__file__).parent / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
