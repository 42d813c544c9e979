"""How long the live lab lets a reader wait, in Chromium: ``python tests/benchmarks/bench_lab.py``.

Start to the first point on the curve, Esc to "Stopped" on the page (and in the run's folder), and
``kill -9`` of the training process to "Failed" with its log on the page; median and range, and the
same as a JSON line. The goals are 3 s, 1 s and 5 s on two idle cores. Rounds are begun until the
time is up, one at least; what a round has measured is printed at once, so nothing is lost where the
machine is too busy for the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser import served
from tests.fake_runs import make_fake_run
from workbench.lab import watch
from workbench.runs import RunStore

WITHIN = 60_000
"""Milliseconds that anything may take before the round is given up."""
GOALS = {
    "Start to first point": 3.0,
    "Esc to stopped (run)": 1.0,
    "Esc to stopped (page)": 1.0,
    "kill to failed, log shown": 5.0,
}
WORLD = {
    "data": {"planted": {"rows": 100_000}},
    "model": {"name": "dcn_v2", "dim": 16},
    "training": {"epochs": 1000, "patience": 1000, "batch_size": 512, "device": "cpu"},
}


def until(seen: Callable[[], bool]) -> None:
    """Look every 10 ms.

    Raises:
        TimeoutError: nothing happened.
    """
    deadline = time.monotonic() + WITHIN / 1000
    while not seen():
        if time.monotonic() > deadline:
            raise TimeoutError("nothing happened")
        time.sleep(0.01)


def start(page: Page, address: str, warm: float) -> tuple[str, float]:
    """Start a run; its name, and the seconds up to the first point of its curve."""
    page.goto(f"{address}/live-lab", timeout=WITHIN)
    button = page.get_by_role("button", name=re.compile("Start"))
    expect(button).to_be_enabled(timeout=WITHIN)
    served.wait_until_idle(page)
    time.sleep(warm)
    line = served.charts(page).first.locator(".mark-line path").first
    began = time.perf_counter()
    button.click()
    line.wait_for(state="attached", timeout=WITHIN)
    took = time.perf_counter() - began
    return parse_qs(urlsplit(page.url).query)["lab_run"][0], took


def stopped(page: Page, store: RunStore, name: str) -> dict[str, float]:
    """Seconds from Esc to the end of the run, and to the page that says so."""
    alert = page.get_by_test_id("stAlert").filter(has_text=name)
    expect(alert).to_contain_text("samples/s", timeout=WITHIN)
    began = time.perf_counter()
    page.keyboard.press("Escape")
    until(lambda: store.open(name).state == "stopped")
    run = time.perf_counter() - began
    expect(alert).to_contain_text("Stopped", timeout=WITHIN)
    return {
        "Esc to stopped (run)": run,
        "Esc to stopped (page)": time.perf_counter() - began,
    }


def killed(page: Page, store: RunStore, name: str) -> dict[str, float]:
    """Seconds from ``kill -9`` of the training process to the page that says so, with the log."""
    alert = page.get_by_test_id("stAlert").filter(has_text=name)
    expect(alert).to_contain_text("samples/s", timeout=WITHIN)
    began = time.perf_counter()
    os.kill(store.open(name).status.pid, signal.SIGKILL)
    expect(alert).to_contain_text("Failed", timeout=WITHIN)
    expect(page.get_by_test_id("stCode")).to_be_visible(timeout=WITHIN)
    return {"kill to failed, log shown": time.perf_counter() - began}


def rounds(
    page: Page, store: RunStore, address: str, seconds: float, warm: float
) -> dict[str, list[float]]:
    """Start, Esc, start again, kill; again and again until the time is up."""
    found: dict[str, list[float]] = {what: [] for what in GOALS}
    deadline = time.monotonic() + seconds
    first = True
    while first or time.monotonic() < deadline:
        first = False
        for end in (stopped, killed):
            try:
                name, took = start(page, address, warm)
                found["Start to first point"].append(took)
                for what, value in end(page, store, name).items():
                    found[what].append(value)
            except (PlaywrightTimeout, AssertionError, TimeoutError) as error:
                print(f"given up: {str(error).splitlines()[0]}", flush=True)
            told = ", ".join(f"{what} {values[-1]:.2f}" for what, values in found.items() if values)
            print(f"  {told}", flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="rounds are begun until then")
    parser.add_argument("--warm", type=float, default=3.0, help="seconds that a reader reads first")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium on the PATH")
    os.environ["WORKBENCH_LAB_SLOTS"] = "1"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store = RunStore(Path(folder) / "runs")
        make_fake_run(store, variant="base", name="base-s0", overrides=WORLD)
        with served.serve(store.root, Path(folder) / "server.log") as address:
            browser = served.launch(playwright, chromium)
            page = browser.new_page(viewport={"width": 1366, "height": 1000})
            found = rounds(page, store, address, options.seconds, options.warm)
            browser.close()
            for run in store.list():
                if run.name != "base-s0" and watch.look(store, run.name).moving:
                    watch.stop(store, run.name)
    load = os.getloadavg()[0]
    print(f"planted world of 100,000 samples, {os.cpu_count()} cores, load average {load:.1f}")
    print(f"{'seconds':28}{'times':>7}{'median':>8}{'least':>8}{'most':>8}{'goal':>8}")
    figures: dict[str, dict[str, float]] = {}
    for what, values in found.items():
        if values:
            middle, low, high = median(values), min(values), max(values)
            print(f"{what:28}{len(values):7}{middle:8.2f}{low:8.2f}{high:8.2f}{GOALS[what]:8.2f}")
            figures[what] = {"times": len(values), "median": middle, "low": low, "high": high}
        else:
            print(f"{what:28}{0:7}{'not reached':>24}{GOALS[what]:8.2f}")
    result = {"cores": os.cpu_count(), "load": load, "seconds": figures}
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
