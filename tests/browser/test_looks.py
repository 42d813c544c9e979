"""Pictures of every page in Chromium, light and dark, and of figures that a choice brings up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.served import DRAWS_WITHIN, PAGES, charts, open_page, wait_until_idle

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_pages_in_both_themes(
    name: str, theme: str, trained: str, new_page: Any, screenshots: Path
) -> None:
    page = new_page(dark=theme == "dark")
    open_page(page, trained, name)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    background = page.get_by_test_id("stApp").evaluate(
        "element => getComputedStyle(element).backgroundColor"
    )
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 21, 27)"}[theme]
    picture(page, screenshots / f"{name}-{theme}.png")


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
