"""The app as a user gets it: ``streamlit run app/main.py`` in a process of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Locator, Page, Playwright, expect

PROJECT = Path(__file__).parents[2]
# Streamlit puts the app's folder on the path.
sys.path.insert(0, str(PROJECT / "app"))
from components import pages  # noqa: E402

PAGES = {page.path or "start": page for page in pages.PAGES}
"""Address -> page."""
WITHOUT_CHARTS = {
    "start",
    "live-lab",
    "paper-tables",
    "data-card",
    "response-surface",
    "regimes",
}
"""Pages that draw a chart only when there is something to draw."""
STARTS_WITHIN = 60.0
"""Seconds that the server may take; it imports Streamlit and pandas first."""
DRAWS_WITHIN = 60_000
"""Milliseconds that a page may take; the first one of a view imports torch."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Streamlit asks for these below the page's own path first, before it finds them at the root.
HARMLESS = re.compile(r"/_stcore/(health|host-config)$")
# The browser's own doing: it drops what is under way when a page is reloaded or left.
DROPPED = "net::ERR_ABORTED"


@contextmanager
def serve(runs: Path, log: Path, project: Path = PROJECT) -> Iterator[str]:
    """Start the app on the runs of a folder; gives its address.

    Args:
        runs: folder of runs.
        log: file for what the server prints.
        project: another copy of the project, to be compared with this one.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1"]
    env = {**os.environ, "WORKBENCH_RUNS": str(runs), "PYTHONPATH": str(project)}
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=project, env=env, stdout=output, stderr=output)
        try:
            wait_until_healthy(port, server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)


def wait_until_healthy(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers; fail with its log when it ends or stays silent."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the app did not start:\n{log.read_text()[-3000:]}")


def launch(playwright: Playwright, chromium: str) -> Browser:
    """Start Chromium without anything that needs a screen or a network."""
    return playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))


def watch(page: Page) -> list[str]:
    """Collect what goes wrong in a page: errors on the console, failed and refused requests."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
    page.on(
        "requestfailed",
        lambda request: (
            problems.append(f"{request.failure}: {request.url}")
            if request.failure != DROPPED
            else None
        ),
    )
    page.on(
        "response",
        lambda answer: (
            problems.append(f"{answer.status}: {answer.url}")
            if answer.status >= 400 and not HARMLESS.search(answer.url)
            else None
        ),
    )
    page.on(
        "console",
        lambda message: (
            problems.append(f"console: {message.text}")
            # A refused request is counted above, with its address.
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    return problems


def wait_until_idle(page: Page) -> None:
    """Wait until the script has run, and every widget and chart of the page is drawn."""
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=DRAWS_WITHIN)
    # Stands where the browser still loads what draws an element.
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=DRAWS_WITHIN)
    for chart in charts(page).all():
        expect(chart.locator("svg").first).to_be_visible(timeout=DRAWS_WITHIN)


def charts(page: Page) -> Locator:
    """The charts of the page."""
    return page.get_by_test_id("stVegaLiteChart")


def open_page(page: Page, address: str, name: str, query: str = "") -> None:
    """Open a page of the app by its address and wait until it is drawn."""
    path = "" if name == "start" else name
    page.goto(f"{address}/{path}{query}", timeout=DRAWS_WITHIN)
    expect_page(page, name)


def expect_page(page: Page, name: str) -> None:
    """Wait until a page of the app is drawn."""
    heading = page.get_by_role("heading", name=PAGES[name].question, exact=True)
    expect(heading).to_be_visible(timeout=DRAWS_WITHIN)
    if name not in WITHOUT_CHARTS:
        expect(charts(page).first.locator("svg").first).to_be_visible(timeout=DRAWS_WITHIN)
    wait_until_idle(page)


def go_to(page: Page, name: str) -> None:
    """Choose a page in the navigation at the top and wait until it is drawn."""
    wanted = PAGES[name]
    navigation = page.get_by_test_id("stTopNav")
    if wanted.group:
        navigation.get_by_text(wanted.group, exact=True).click()
        links = page.get_by_test_id("stTopNavDropdownLink")
    else:
        links = navigation.get_by_test_id("stTopNavLink")
    links.filter(has_text=wanted.title).click()
    expect_page(page, name)


def query(page: Page) -> dict[str, list[str]]:
    """The parameters in the address bar."""
    return parse_qs(urlsplit(page.url).query)


def expect_query(page: Page, name: str, *values: str) -> None:
    """Wait until the address bar names these values."""
    pattern = "&".join(f"{name}={re.escape(value)}" for value in values)
    expect(page).to_have_url(re.compile(rf"[?&]{pattern}(&|$)"), timeout=DRAWS_WITHIN)
