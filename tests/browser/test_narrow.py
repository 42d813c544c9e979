"""Every page in Chromium on a telephone's screen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.served import PAGES, charts, open_page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_screen_is_not_wider_than_it_is(name: str, trained: str, new_page: Any) -> None:
    page = new_page(width=390, height=844)
    open_page(page, trained, name)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
    # Panels shrink with their column; small multiples of fixed size can be scrolled sideways.
    for chart in charts(page).all():
        box = chart.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390
