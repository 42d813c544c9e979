"""What a reader does on charts, in Chromium: dragging and clicking set the slice of every page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.served import (
    DRAWS_WITHIN,
    PAGES,
    charts,
    expect_page,
    expect_query,
    go_to,
    open_page,
    query,
    serve,
    wait_until_idle,
)
from tests.fake_runs import make_fake_run
from workbench.runs import RunStore

pytestmark = pytest.mark.browser


def test_brushing_a_chart_sets_the_range_of_every_page(address: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, address, "adapter-weights")
    box = charts(page).first.locator("svg").bounding_box()
    assert box is not None
    height = box["y"] + 0.4 * box["height"]
    page.mouse.move(box["x"] + 0.5 * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], height, steps=5)
    page.mouse.up()
    expect(page.get_by_role("button", name="All users")).to_be_visible(timeout=DRAWS_WITHIN)
    wait_until_idle(page)
    chosen = query(page)["activity"]
    assert chosen != ["0", "no limit"]
    go_to(page, "auc-by-bucket")
    assert query(page)["activity"] == chosen
    page.get_by_role("button", name="All users").click()
    expect_query(page, "activity", "0", "no+limit")


def test_a_drag_over_buckets_sets_the_range_and_a_click_takes_it_back(
    address: str, new_page: Any
) -> None:
    page = new_page()
    open_page(page, address, "auc-by-bucket")
    chart = charts(page).first
    first = chart.get_by_text("3-9", exact=True).bounding_box()
    last = chart.get_by_text("30-99", exact=True).bounding_box()
    box = chart.locator("svg").first.bounding_box()
    assert first is not None
    assert last is not None
    assert box is not None
    # Right of the middle, where a row has no counts above its marks.
    x = box["x"] + 0.9 * box["width"]
    page.mouse.move(x, first["y"])
    page.mouse.down()
    page.mouse.move(x, last["y"] + last["height"], steps=6)
    page.mouse.up()
    expect_query(page, "activity", "3", "100")
    wait_until_idle(page)
    expect(chart.get_by_text("1-2", exact=True)).to_have_count(0)
    row = chart.get_by_text("all", exact=True).bounding_box()
    assert row is not None
    page.mouse.click(x, row["y"] + row["height"] / 2)
    expect_query(page, "activity", "0", "no+limit")


def test_a_click_on_a_feature_shows_it_alone_on_every_page(trained: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, trained, "gradient-share")
    chart = charts(page).first
    row = chart.get_by_text("Age", exact=True).bounding_box()
    assert row is not None
    # Right of the label begins the row's own area.
    page.mouse.click(row["x"] + row["width"] + 20, row["y"] + row["height"] / 2)
    expect_query(page, "feature", "age")
    wait_until_idle(page)
    go_to(page, "adapter-weights")
    expect(charts(page)).to_have_count(1)
    expect_query(page, "feature", "age")


def test_a_click_on_a_user_is_remembered_by_every_page(address: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, address, "id-norms")
    users = charts(page).last
    users.scroll_into_view_if_needed()
    mark = users.locator(".mark-symbol path").last
    spoken = mark.get_attribute("aria-label") or ""
    code = re.search(r"user: ([\d,]+)", spoken)
    assert code is not None, spoken
    mark.click(force=True)
    expect_query(page, "user", code[1].replace(",", ""))
    expect(page.get_by_role("button", name="Anybody")).to_be_visible()


def test_a_click_on_the_response_surface_opens_its_run(
    tmp_path_factory: pytest.TempPathFactory, chromium: str, new_page: Any
) -> None:
    folder = tmp_path_factory.mktemp("surface")
    runs = RunStore(folder / "runs")
    make_fake_run(runs, variant="base", name="base-s0")
    for alpha in (0.1, 0.4):
        own = {"framework": {"alpha": alpha, "k": 2}}
        make_fake_run(runs, variant="full", name=f"full-{alpha}", overrides=own)
    with serve(folder / "runs", folder / "server.log") as url:
        page = new_page()
        open_page(page, url, "response-surface")
        cells = charts(page).first.locator(".mark-rect path")
        # The weight of the copies is alpha times k.
        cell = charts(page).first.locator('.mark-rect path[aria-label*="αk: 0.8"]').first
        expect(cells.nth(1)).to_be_attached(timeout=DRAWS_WITHIN)
        cell.click()
        expect_query(page, "runs", "full-0.4")
        main = page.get_by_test_id("stMain")
        expect(main.get_by_text("is the candidate of every page now")).to_be_visible()
        wait_until_idle(page)
        main.get_by_role("link", name=PAGES["auc-by-bucket"].question).click()
        expect_page(page, "auc-by-bucket")
        expect_query(page, "runs", "full-0.4")
        # Or the page would miss its server, which ends here.
        page.goto("about:blank")
