"""How long the live lab lets a reader wait, in Chromium: ``python tests/benchmarks/bench_lab.py``.

Start to the first point on the curve, Esc to "Stopped" on the page (and in the run's folder), and
``kill -9`` of the training process to "Failed" with its log on the page; median and range. The
issue's limits are 3 s, 1 s and 5 s on two idle cores.
"""

from __future__ import annotations

import argparse
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

from tests.browser import served
from tests.fake_runs import make_fake_run
from workbench.lab import watch
from workbench.runs import RunStore

WITHIN = 120_000
WORLD = {
    "data": {"planted": {"rows": 100_000}},
    "model": {"name": "dcn_v2", "dim": 16},
    "training": {"epochs": 1000, "patience": 1000, "batch_size": 512, "device": "cpu"},
}


def clocked(action: Callable[[], object], seen: Callable[[], object]) -> float:
    """Seconds from an action to what it brings about."""
    began = time.perf_counter()
    action()
    seen()
    return time.perf_counter() - began


def until(seen: Callable[[], bool]) -> None:
    """Look every 10 ms."""
    deadline = time.monotonic() + WITHIN / 1000
    while not seen():
        if time.monotonic() > deadline:
            raise SystemExit("nothing happened")
        time.sleep(0.01)


def one_round(page: Page, store: RunStore, address: str, warm: float) -> dict[str, float]:
    """Start, Esc, start again, kill."""
    times = {}
    for ending in ("Esc", "kill"):
        page.goto(f"{address}/live-lab", timeout=WITHIN)
        start = page.get_by_role("button", name=re.compile("Start"))
        expect(start).to_be_enabled(timeout=WITHIN)
        served.wait_until_idle(page)
        time.sleep(warm)
        line = served.charts(page).first.locator(".mark-line path").first
        times[f"Start to first point ({ending})"] = clocked(
            start.click, lambda line=line: line.wait_for(state="attached", timeout=WITHIN)
        )
        name = parse_qs(urlsplit(page.url).query)["lab_run"][0]
        alert = page.get_by_test_id("stAlert").filter(has_text=name)
        expect(alert).to_contain_text("samples/s", timeout=WITHIN)
        if ending == "Esc":
            began = time.perf_counter()
            page.keyboard.press("Escape")
            until(lambda name=name: store.open(name).state == "stopped")
            times["Esc to stopped (run)"] = time.perf_counter() - began
            expect(alert).to_contain_text("Stopped", timeout=WITHIN)
            times["Esc to stopped (page)"] = time.perf_counter() - began
        else:
            pid = store.open(name).status.pid
            times["kill to failed, log shown"] = clocked(
                lambda pid=pid: os.kill(pid, signal.SIGKILL),
                lambda alert=alert: (
                    expect(alert).to_contain_text("Failed", timeout=WITHIN),
                    expect(page.get_by_test_id("stCode")).to_be_visible(timeout=WITHIN),
                ),
            )
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", type=float, default=8.0, help="seconds that a reader reads first")
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
            rounds = [one_round(page, store, address, options.warm) for _ in range(options.rounds)]
            browser.close()
            for run in store.list():
                if run.name != "base-s0" and watch.look(store, run.name).moving:
                    watch.stop(store, run.name)
    load = os.getloadavg()[0]
    print(f"planted world of 100,000 samples, {os.cpu_count()} cores, load average {load:.1f}")
    print(f"{'seconds':34}{'median':>8}{'least':>8}{'most':>8}")
    for what in rounds[0]:
        values = [times[what] for times in rounds]
        print(f"{what:34}{median(values):8.2f}{min(values):8.2f}{max(values):8.2f}")


if __name__ == "__main__":
    main()
