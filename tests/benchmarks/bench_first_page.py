"""Where the time of the first page goes, here and in another copy of the project, in turns.

    python tests/benchmarks/bench_first_page.py [RUN FOLDER] [--against PROJECT] [--visits 5]

Every visit is a fresh browser session without a cache. Printed are the median of the time to the
last mark of the page, processor seconds of the server, seconds of the page's main thread (all of
it, and of that in scripts), requests and megabytes; with ``--against`` the visits alternate between
the two copies and the median of the paired ratios is given, which neighbours on the machine hardly
move. Both copies run in this Python environment.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks.bench_app import WINDOW, listener
from tests.browser import served

COLUMNS = ("seconds", "server cpu", "main thread", "scripts", "requests", "MB")
TRAFFIC = """performance.getEntriesByType('resource').reduce(
  (sum, entry) => [sum[0] + 1, sum[1] + entry.decodedBodySize], [0, 0])"""
TABLE = "[data-testid=stDataFrame], table"


def processor_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def visit(browser: Browser, address: str, server: int) -> tuple[float, ...]:
    """One fresh session on the first page; see `COLUMNS`."""
    page = browser.new_page(viewport=WINDOW)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before = processor_seconds(server)
    began = time.perf_counter()
    page.goto(address, timeout=served.DRAWS_WITHIN)
    table = page.get_by_test_id("stMain").locator(TABLE).first
    table.wait_for(timeout=served.DRAWS_WITHIN)
    served.wait_until_idle(page)
    took = time.perf_counter() - began
    told = {x["name"]: x["value"] for x in session.send("Performance.getMetrics")["metrics"]}
    requests, size = page.evaluate(TRAFFIC)
    spent = processor_seconds(server) - before
    page.close()
    return took, spent, told["TaskDuration"], told["ScriptDuration"], requests, size / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=Path, default=served.PROJECT / "data" / "demo_runs")
    parser.add_argument("--against", type=Path, help="another copy of the project")
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--settle", type=float, default=20.0, help="seconds for the warm-up")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium on the PATH")
    projects = {"here": served.PROJECT}
    if options.against:
        projects = {"there": options.against.resolve(), **projects}
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in projects}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runs = options.runs.resolve()
        servers = {}
        for name, project in projects.items():
            address = stack.enter_context(served.serve(runs, folder / f"{name}.log", project))
            servers[name] = (address, listener(address))
        browser = served.launch(stack.enter_context(sync_playwright()), chromium)
        for address, process in servers.values():
            visit(browser, address, process)
        time.sleep(options.settle)
        for _ in range(options.visits):
            for name, (address, process) in servers.items():
                found[name].append(visit(browser, address, process))
        browser.close()
    print(f"{'median':8}" + "".join(f"{column:>14}" for column in COLUMNS))
    result: dict[str, object] = {"load": os.getloadavg()[0]}
    for name, rows in found.items():
        middle = [median(column) for column in zip(*rows, strict=True)]
        print(f"{name:8}" + "".join(f"{value:14.2f}" for value in middle))
        result[name] = dict(zip(COLUMNS, middle, strict=True))
    if "there" in found:
        pairs = zip(found["here"], found["there"], strict=True)
        ratios = [[a / b for a, b in zip(here, there, strict=True)] for here, there in pairs]
        middle = [median(column) for column in zip(*ratios, strict=True)]
        print(f"{'ratio':8}" + "".join(f"{value:14.2f}" for value in middle))
        result["ratio"] = dict(zip(COLUMNS, middle, strict=True))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
