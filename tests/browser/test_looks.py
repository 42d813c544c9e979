"""Every page in Chromium, light, dark and narrow, and figures that a choice brings up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.served import DRAWS_WITHIN, PAGES, charts, open_page, wait_until_idle

pytestmark = pytest.mark.browser

TELEPHONE = {"width": 390, "height": 844}
BACKGROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 21, 27)"}


@pytest.mark.parametrize("name", PAGES)
def test_pages_in_both_themes_and_narrow(
    name: str, trained: str, new_page: Any, screenshots: Path
) -> None:
    page = new_page()
    open_page(page, trained, name)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    in_theme(page, "light", screenshots / f"{name}-light.png")
    # The page follows the system's scheme, also while it is open.
    page.emulate_media(color_scheme="dark")
    wait_until_idle(page)
    in_theme(page, "dark", screenshots / f"{name}-dark.png")
    page.set_viewport_size(TELEPHONE)
    wait_until_idle(page)
    fits_the_screen(page)


@pytest.mark.parametrize("name", ["adapter-weights", "live-lab"])
def test_a_page_opened_dark_on_a_telephone(name: str, trained: str, new_page: Any) -> None:
    page = new_page(**TELEPHONE, dark=True)
    open_page(page, trained, name)
    has_background(page, "dark")
    fits_the_screen(page)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("adapter-weights", "?quantity=contribution"),
        ("adapter-weights", "?view=By+activity+and+popularity"),
        ("adapter-weights", "?feature=user_id"),
        ("calibration", "?view=By+activity"),
        ("calibration", "?view=Cost"),
        ("adapter-weights", "?activity=3&activity=100"),
        ("auc-by-bucket", "?mode=absolute"),
        ("auc-by-bucket", "?metric=log_loss"),
        ("id-norms", "?id=Artist+ID"),
    ],
)
def test_further_figures(
    name: str, parameters: str, address: str, new_page: Any, screenshots: Path
) -> None:
    page = new_page()
    open_page(page, address, name, parameters)
    assert charts(page).count() >= 1
    slug = re.sub(r"\W+", "-", parameters).strip("-")
    picture(page, screenshots / f"{name}-{slug}.png")


def in_theme(page: Page, theme: str, path: Path) -> None:
    """The page has the theme's colours; takes its picture."""
    has_background(page, theme)
    picture(page, path)


def has_background(page: Page, theme: str) -> None:
    """The page stands on the theme's colour, or does in a moment."""
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", BACKGROUND[theme])


# Nothing sticks out sideways but small multiples of fixed size, which can be scrolled.
FITS = """() => {
  const main = document.querySelector('[data-testid="stMain"]');
  const charts = [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')];
  return main.scrollWidth <= main.clientWidth
    && charts.every(chart => chart.getBoundingClientRect().right <= window.innerWidth);
}"""


def fits_the_screen(page: Page) -> None:
    """Nothing is wider than the screen once the page has followed it."""
    page.wait_for_function(FITS, polling=100, timeout=DRAWS_WITHIN)


# A table is painted on a canvas, a moment after its element is there: wait for a second colour.
PAINTED = """() => {
  const canvas = document.querySelector('canvas[data-testid="data-grid-canvas"]');
  if (!canvas || !canvas.width || !canvas.height) return false;
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(pixels.buffer)).size > 2;
}"""


def picture(page: Page, path: Path) -> None:
    """A picture of the whole page: the window is made as tall as what scrolls in it."""
    if page.get_by_test_id("stDataFrame").count():
        page.wait_for_function(PAINTED, polling=200, timeout=DRAWS_WITHIN)
    height = page.get_by_test_id("stMain").evaluate("element => element.scrollHeight")
    width = page.viewport_size["width"] if page.viewport_size else 1366
    page.set_viewport_size({"width": width, "height": min(height, 4000)})
    wait_until_idle(page)
    page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size > 10_000
