"""How long a reader waits: ``python tests/browser/measure.py [RUN FOLDER]`` prints a table.

A warm server has drawn each page once. Times are from the click (or the address) to the last chart
of the page, in milliseconds, the median of some visits in a fresh browser session.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import served

VISITS = 5
LINKS = {
    "adapter-weights": "How are features weighed?",
    "id-norms": "Do head IDs grow larger?",
    "auc-by-bucket": "What does masking do to AUC?",
}


def first_page(page: Page, address: str) -> float:
    """Milliseconds from asking for the first page to its table of runs."""
    started = time.perf_counter()
    page.goto(address)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible(timeout=served.DRAWS_WITHIN)
    served.wait_until_idle(page)
    return 1000 * (time.perf_counter() - started)


def switch(page: Page, name: str) -> float:
    """Milliseconds from a click in the navigation to the last chart of the page."""
    started = time.perf_counter()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=LINKS[name]).click()
    served.expect_page(page, name)
    return 1000 * (time.perf_counter() - started)


def visit(browser: Browser, address: str) -> dict[str, float]:
    """One fresh session: the first page, then each view."""
    page = browser.new_page(viewport={"width": 1366, "height": 1000})
    times = {"first page": first_page(page, address)}
    times |= {name: switch(page, name) for name in LINKS}
    page.close()
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=Path, default=Path("data/demo_runs"))
    runs = parser.parse_args().runs.resolve()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium on the PATH")
    with (
        tempfile.TemporaryDirectory() as folder,
        served.serve(runs, Path(folder) / "server.log") as address,
        sync_playwright() as playwright,
    ):
        browser = served.launch(playwright, chromium)
        cold = visit(browser, address)
        warm = [visit(browser, address) for _ in range(VISITS)]
        browser.close()
    print(f"{'milliseconds':20}{'cold server':>14}{'warm, median':>14}{'slowest':>10}")
    for name, first in cold.items():
        times = [times[name] for times in warm]
        print(f"{name:20}{first:14.0f}{median(times):14.0f}{max(times):10.0f}")


if __name__ == "__main__":
    main()
