"""How long a reader of the app waits, and whether the server's memory stays flat.

    python tests/benchmarks/bench_app.py [RUN FOLDER] [--visits 5] [--soak 50] [--json FILE]

Prints a table and a JSON line. A warm server has drawn each page once. Times are from the click (or
the address) to the last chart of the page, in milliseconds, over some visits, each in a fresh
browser session; the slider is one of the what-if page, from the key to the redrawn chart. The soak
visits pages in turn in one session after another and compares the server's resident memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import served

PAGES = [name for name in served.PAGES if name != "start"]
GOALS = {"first page": 2000, "slider": 300}
SWITCH_GOAL = 1500
SLIDER_MOVES = 11
WINDOW = {"width": 1366, "height": 1000}


def first_page(page: Page, address: str) -> float:
    """Milliseconds from asking for the first page to its table of runs."""
    started = time.perf_counter()
    page.goto(address)
    runs = page.get_by_test_id("stMain").get_by_role("table")
    expect(runs).to_be_visible(timeout=served.DRAWS_WITHIN)
    served.wait_until_idle(page)
    return 1000 * (time.perf_counter() - started)


def switch(page: Page, name: str) -> float:
    """Milliseconds from a click in the navigation to the last chart of the page."""
    started = time.perf_counter()
    served.go_to(page, name)
    return 1000 * (time.perf_counter() - started)


def visit(browser: Browser, address: str) -> dict[str, float]:
    """One fresh session: the first page, then every other page."""
    page = browser.new_page(viewport=WINDOW)
    times = {"first page": first_page(page, address)}
    times |= {name: switch(page, name) for name in PAGES}
    page.close()
    return times


def slider(browser: Browser, address: str) -> list[float]:
    """Milliseconds from a key on the first slider of the what-if page to its redrawn chart."""
    page = browser.new_page(viewport=WINDOW)
    served.open_page(page, address, "what-if")
    main = page.get_by_test_id("stMain")
    handle = main.get_by_role("slider").first
    chart = served.charts(page).first
    handle.focus()
    times = []
    for turn in range(SLIDER_MOVES):
        before = chart.locator("svg").first.inner_html()
        started = time.perf_counter()
        page.keyboard.press("ArrowRight" if turn % 2 == 0 else "ArrowLeft")
        page.wait_for_function(
            """([before]) => {
              const chart = document.querySelector('[data-testid="stVegaLiteChart"] svg');
              return chart && chart.innerHTML !== before;
            }""",
            arg=[before],
            polling="raf",
            timeout=served.DRAWS_WITHIN,
        )
        times.append(1000 * (time.perf_counter() - started))
        served.wait_until_idle(page)
    page.close()
    # The first move also loads what the others find in memory.
    return times[1:]


def soak(browser: Browser, address: str, server: int, visits: int) -> dict[str, float]:
    """Resident memory of the server, in MiB, after a round of all pages and after `visits` more."""

    def walk(names: Iterator[str]) -> None:
        for name in names:
            page = browser.new_page(viewport=WINDOW)
            served.open_page(page, address, name)
            page.close()

    walk(iter(PAGES * 2))
    before = resident(server)
    walk(islice(cycle(PAGES), visits))
    after = resident(server)
    return {"before_mib": before, "after_mib": after, "growth": after / before - 1}


def resident(process: int) -> float:
    """Resident memory in MiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {process} has no memory figure")


def listener(address: str) -> int:
    """The process that serves an address."""
    port = address.rpartition(":")[2]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "streamlit" in words and port in words:
            return int(folder.name)
    raise RuntimeError(f"no process serves {address}")


@contextmanager
def serving(runs: Path) -> Iterator[tuple[str, Browser]]:
    """The served app and a browser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium on the PATH")
    with (
        tempfile.TemporaryDirectory() as folder,
        served.serve(runs, Path(folder) / "server.log") as address,
        sync_playwright() as playwright,
    ):
        browser = served.launch(playwright, chromium)
        yield address, browser
        browser.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=Path, default=served.PROJECT / "data" / "demo_runs")
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--soak", type=int, default=50, help="page visits; 0 leaves it out")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    if not any(options.runs.glob("*/importance.parquet")):
        # Real data have no planted truth; the page says so.
        served.WITHOUT_CHARTS.add("planted-truth")
    with serving(options.runs.resolve()) as (address, browser):
        cold = visit(browser, address)
        warm = [visit(browser, address) for _ in range(options.visits)]
        moves = slider(browser, address)
        memory = soak(browser, address, listener(address), options.soak) if options.soak else {}
    print(f"{'milliseconds':20}{'cold server':>14}{'warm, median':>14}{'range':>16}{'goal':>8}")
    figures: dict[str, dict[str, float]] = {}
    for name, first in cold.items():
        figures[name] = told(name, [times[name] for times in warm], first)
    figures["slider"] = told("slider", moves, float("nan"))
    if memory:
        print(
            f"memory of the server: {memory['before_mib']:.0f} MiB, after {options.soak} more page "
            f"visits {memory['after_mib']:.0f} MiB ({memory['growth']:+.1%}; goal: under +5%)"
        )
    result = {"runs": str(options.runs), "milliseconds": figures, "memory": memory}
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def told(name: str, times: list[float], cold: float) -> dict[str, float]:
    """Print a line and return its figures."""
    goal = GOALS.get(name, SWITCH_GOAL)
    middle, low, high = median(times), min(times), max(times)
    cold_text = f"{cold:.0f}" if cold == cold else ""
    print(f"{name:20}{cold_text:>14}{middle:>14.0f}{f'{low:.0f} to {high:.0f}':>16}{goal:>8}")
    figures = {"median": middle, "low": low, "high": high, "goal": float(goal)}
    return figures | ({"cold": cold} if cold == cold else {})


if __name__ == "__main__":
    main()
