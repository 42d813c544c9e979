"""The live lab in Chromium, on real training: start, watch, pause, stop, lose, come back."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import served
from tests.browser.conftest import NewPage
from tests.fake_runs import make_fake_run
from workbench.lab import watch
from workbench.lab.control import Control, read_control
from workbench.runs import RunStore

pytestmark = pytest.mark.browser

WITHIN = 120_000
"""Milliseconds; how long things really take is measured in tests/benchmarks/bench_lab.py."""
# Small data and many epochs: a run ends when the test says so.
ENDLESS = {
    "data": {"planted": {"rows": 3000}},
    "model": {"name": "dcn_v2", "dim": 4},
    "training": {"epochs": 1000, "patience": 1000, "batch_size": 64, "device": "cpu"},
}


@pytest.fixture(scope="module")
def lab_store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A store with the base run that lab runs start from."""
    store = RunStore(tmp_path_factory.mktemp("lab") / "runs")
    make_fake_run(store, variant="base", name="base-s0", overrides=ENDLESS)
    return store


@pytest.fixture(scope="module")
def lab(lab_store: RunStore, chromium: str) -> Iterator[str]:
    """The served app with one place; whatever still trains at the end is stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_LAB_SLOTS", "1")
        try:
            with served.serve(lab_store.root, lab_store.root.parent / "server.log") as url:
                yield f"{url}/live-lab"
        finally:
            stop_all(lab_store)


@pytest.fixture(autouse=True)
def _nothing_left(lab_store: RunStore) -> Iterator[None]:
    """Whatever a test has left in training is stopped."""
    yield
    stop_all(lab_store)


def stop_all(store: RunStore) -> None:
    """Stop all runs and wait until they have."""
    for run in store.list():
        if run.name != "base-s0" and watch.look(store, run.name).moving:
            watch.stop(store, run.name)
            wait_for(lambda name=run.name: not watch.look(store, name).moving)


def open_lab(page: Page, address: str, query: str = "") -> None:
    """Open the lab and wait until it can be used."""
    page.goto(f"{address}{query}", timeout=WITHIN)
    expect(button(page, "Start")).to_be_enabled(timeout=WITHIN)
    served.wait_until_idle(page)


def button(page: Page, name: str) -> Locator:
    """A button by the start of what it says; the keys that press it follow."""
    return page.get_by_test_id("stMain").get_by_role("button", name=re.compile(f"^\\W*.*{name}"))


def says(page: Page) -> Locator:
    """The box that says what the run does."""
    return page.get_by_test_id("stAlert")


def watched_run(page: Page) -> str:
    """The run in the address bar, waited for."""
    expect(page).to_have_url(re.compile(r"lab_run=[^&]+"), timeout=WITHIN)
    return parse_qs(urlsplit(page.url).query)["lab_run"][0]


def start(page: Page) -> str:
    """Start a run; its name."""
    button(page, "Start").click()
    return watched_run(page)


def wait_for(seen: Callable[[], bool]) -> None:
    """Wait for something outside the browser."""
    deadline = time.monotonic() + WITHIN / 1000
    while not seen():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def readings(store: RunStore, name: str) -> int:
    """Points of the loss curve."""
    return int((store.open(name).metrics()["kind"] == "step").sum())


def test_start_progress_reload_and_stop(lab: str, lab_store: RunStore, new_page: NewPage) -> None:
    page = new_page()
    open_lab(page, lab, "?lab_alpha=0.3&lab_k=3")
    expect(page.get_by_text("αk = 0.3 × 3 = 0.9")).to_be_visible()
    name = start(page)
    expect(says(page).filter(has_text=name)).to_contain_text("Trains", timeout=WITHIN)
    charts = served.charts(page)
    expect(charts).to_have_count(2, timeout=WITHIN)
    expect(charts.first.locator("svg")).to_be_visible(timeout=WITHIN)
    # Points are added to the chart; it is not drawn anew.
    charts.first.locator("svg").evaluate("element => { element.dataset.first = 'yes' }")
    line = charts.first.locator(".mark-line path").first
    expect(line).to_be_visible(timeout=WITHIN)
    drawn = line.get_attribute("d") or ""
    expect(line).not_to_have_attribute("d", drawn, timeout=WITHIN)
    expect(charts.first.locator("svg")).to_have_attribute("data-first", "yes")
    expect(says(page).filter(has_text=name)).to_contain_text("samples/s", timeout=WITHIN)
    expect(says(page).filter(has_text=name)).to_contain_text("left", timeout=WITHIN)
    # The page goes, the run does not.
    page.reload(timeout=WITHIN)
    expect(says(page).filter(has_text=name)).to_contain_text("Trains", timeout=WITHIN)
    before = readings(lab_store, name)
    wait_for(lambda: readings(lab_store, name) > before)
    served.wait_until_idle(page)
    page.keyboard.press("Escape")
    expect(says(page).filter(has_text=name)).to_contain_text("Stopped", timeout=WITHIN)
    assert watch.look(lab_store, name).phase == "stopped"
    framework = lab_store.open(name).config.framework
    assert (framework.alpha, framework.k, framework.variant.value) == (0.3, 3, "full")


def test_a_killed_process_is_shown_with_its_log(
    lab: str, lab_store: RunStore, new_page: NewPage
) -> None:
    page = new_page()
    open_lab(page, lab)
    name = start(page)
    expect(says(page).filter(has_text=name)).to_contain_text("Trains", timeout=WITHIN)
    os.kill(lab_store.open(name).status.pid, signal.SIGKILL)
    failed = says(page).filter(has_text=name)
    expect(failed).to_contain_text("Failed", timeout=WITHIN)
    expect(page.get_by_test_id("stCode")).to_contain_text("training from epoch 1", timeout=WITHIN)
    wait_for(lambda: "SIGKILL" in lab_store.open(name).status.message)
    expect(button(page, "Go on from the last epoch")).to_be_visible()


def test_two_tabs_and_the_line(lab: str, lab_store: RunStore, new_page: NewPage) -> None:
    first, second = new_page(), new_page()
    open_lab(first, lab, "?lab_seed=1")
    one = start(first)
    expect(says(first).filter(has_text=one)).to_contain_text("Trains", timeout=WITHIN)
    open_lab(second, lab, "?lab_seed=2&lab_variant=mask")
    two = start(second)
    assert one != two
    expect(says(second).filter(has_text=two)).to_contain_text("Waits for a place", timeout=WITHIN)
    expect(says(first).filter(has_text=one)).to_contain_text("Trains")
    assert watched_run(first) == one
    # A free place is taken with no page looking at the run that waits.
    second.goto("about:blank")
    served.wait_until_idle(first)
    first.keyboard.press("Escape")
    expect(says(first).filter(has_text=one)).to_contain_text("Stopped", timeout=WITHIN)
    wait_for(lambda: watch.look(lab_store, two).phase == "training")
    assert lab_store.open(two).config.training.seed == 2
    second.goto(f"{lab}?lab_run={two}", timeout=WITHIN)
    expect(says(second).filter(has_text=two)).to_contain_text("Trains", timeout=WITHIN)
    expect(says(first).filter(has_text=one)).to_contain_text("Stopped")
    button(second, "Stop").click()
    expect(says(second).filter(has_text=two)).to_contain_text("Stopped", timeout=WITHIN)


def test_keyboard_only(lab: str, lab_store: RunStore, new_page: NewPage) -> None:
    page = new_page()
    open_lab(page, lab, "?lab_alpha=0.2&lab_k=2")
    slider = page.get_by_test_id("stMain").get_by_role("slider", name="alpha")
    tab_to(page, slider)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("αk = 0.25 × 2 = 0.5")).to_be_visible(timeout=WITHIN)
    served.wait_until_idle(page)
    page.keyboard.press("Control+Enter")
    name = watched_run(page)
    box = says(page).filter(has_text=name)
    expect(box).to_contain_text("Trains", timeout=WITHIN)
    page.keyboard.press("Alt+p")
    expect(box).to_contain_text("Paused", timeout=WITHIN)
    waiting = readings(lab_store, name)
    page.keyboard.press("Alt+n")
    wait_for(lambda: readings(lab_store, name) == waiting + 1)
    expect(box).to_contain_text("Paused", timeout=WITHIN)
    assert readings(lab_store, name) == waiting + 1
    page.keyboard.press("Alt+p")
    expect(box).to_contain_text("Trains", timeout=WITHIN)
    page.keyboard.press("Escape")
    expect(box).to_contain_text("Stopped", timeout=WITHIN)


# The page sends what was clicked a moment later; a board that redraws itself in that moment takes
# the click along. Here it always does.
REDRAW_WITH_CLICKS = """
const redraws = [];
const every = window.setInterval, later = window.setTimeout;
window.setInterval = (work, pause, ...more) => {
  if (pause === 500) redraws.push(work);
  return every(work, pause, ...more);
};
window.setTimeout = (work, pause, ...more) => later(() => {
  if (clicked && String(work).includes('sendUpdateWidgets')) { clicked = false; redraws.at(-1)(); }
  work(...more);
}, pause);
let clicked = false;
window.addEventListener('keydown', event => { clicked = event.key === 'n'; }, true);
"""


def test_a_click_that_the_page_sends_twice_counts_once(
    lab: str, lab_store: RunStore, new_page: NewPage
) -> None:
    page = new_page()
    page.add_init_script(REDRAW_WITH_CLICKS)
    sent: list[bytes] = []
    page.on("websocket", lambda to: to.on("framesent", lambda frame: sent.append(bytes(frame))))
    open_lab(page, lab)
    name = start(page)
    box = says(page).filter(has_text=name)
    expect(box).to_contain_text("Trains", timeout=WITHIN)
    page.keyboard.press("Alt+p")
    expect(box).to_contain_text("Paused", timeout=WITHIN)
    folder = lab_store.open(name).path
    for steps in range(1, 6):
        told = len(sent)
        page.keyboard.press("Alt+n")
        # What is sent is heard of only while the page is asked something: no `wait_for` here.
        deadline = time.monotonic() + WITHIN / 1000
        while read_control(folder).steps < steps and time.monotonic() < deadline:
            page.wait_for_timeout(100)
        # The second one comes at once; a step too many would be there by then.
        page.wait_for_timeout(1000)
        # Twice for certain, and a third time where the board happened to redraw itself then.
        assert sum(b"lab_step" in frame for frame in sent[told:]) >= 2
        assert read_control(folder) == Control(paused=True, steps=steps)


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("Tab does not reach it")


def test_a_finished_run_is_a_run_like_any_other(
    lab: str, lab_store: RunStore, new_page: NewPage, screenshots: Path
) -> None:
    page = new_page()
    open_lab(page, lab, "?lab_epochs=1&lab_variant=mask&lab_mask=0.2&lab_mask=0.4&lab_lr=0.005")
    name = start(page)
    box = says(page).filter(has_text=name)
    expect(box).to_contain_text("Finished: test AUC", timeout=WITHIN)
    config = lab_store.open(name).config
    assert config.framework.mask_range == (0.2, 0.4)
    assert (config.training.lr, config.training.epochs) == (0.005, 1)
    assert config.framework.counts is not None
    page.screenshot(path=screenshots / "live-lab-finished.png", full_page=True)
    button(page, "Compare it with the baseline").click()
    expect(page).to_have_url(re.compile(f"runs={re.escape(name)}"), timeout=WITHIN)


def test_a_setting_moved_by_hand_reaches_the_run(
    lab: str, lab_store: RunStore, new_page: NewPage
) -> None:
    page = new_page()
    open_lab(page, lab, "?lab_alpha=0.2&lab_steer=yes")
    name = start(page)
    box = says(page).filter(has_text=name)
    expect(box).to_contain_text("Trains", timeout=WITHIN)
    slider = page.get_by_test_id("stMain").get_by_role("slider", name="alpha")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(box).to_contain_text("moved by hand 1 time", timeout=WITHIN)
    (change,) = lab_store.open(name).config.training.changes
    assert change.alpha == 0.25
    assert change.lr is None
    page.keyboard.press("Escape")
    expect(box).to_contain_text("Stopped", timeout=WITHIN)
