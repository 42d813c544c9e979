"""The served app in Chromium: what only a browser can show."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.served import (
    PAGES,
    charts,
    expect_query,
    go_to,
    open_page,
    query,
    wait_until_idle,
)

pytestmark = pytest.mark.browser

FEATURES = 6
VARIANTS = 4
LINK = "?base=mask-s1&runs=full-s1&seeds=no&activity=3&activity=100&metric=uauc&mode=absolute"


@pytest.mark.parametrize(
    ("name", "number", "marks"),
    [
        # Panels; and in each at least: points of bins, runs times deciles, buckets.
        ("adapter-weights", FEATURES, 8),
        # And head over tail, and the scatter of single users.
        ("id-norms", VARIANTS + 2, 8),
        ("auc-by-bucket", VARIANTS - 1, 6),
    ],
)
def test_every_view_draws_its_marks(
    name: str, number: int, marks: int, address: str, new_page: Any
) -> None:
    page = new_page()
    open_page(page, address, name)
    expect(charts(page)).to_have_count(number)
    for chart in charts(page).all():
        assert chart.locator(".mark-symbol path").count() >= marks
        assert chart.locator(".mark-rule line").count() >= 2


def test_charts_have_a_description_for_screen_readers(address: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, address, "adapter-weights")
    spoken = [chart.get_attribute("aria-label") or "" for chart in charts(page).all()]
    assert spoken[0].startswith("User ID: the median weight w rises from")
    assert len(set(spoken)) == FEATURES


def test_start_shows_runs_and_what_to_do_about_them(address: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, address, "start")
    expect(page.get_by_test_id("stMain").get_by_role("table")).to_contain_text("full-s1")
    alerts = page.get_by_test_id("stAlert")
    expect(alerts.filter(has_text="broken-run")).to_contain_text("Cannot be read")
    expect(alerts.filter(has_text="failed-run")).to_contain_text("loss is not finite")
    page.get_by_test_id("stMain").get_by_role("link", name=PAGES["id-norms"].question).click()
    expect(page.get_by_role("heading", name=PAGES["id-norms"].question)).to_be_visible()


def test_a_deep_link_restores_the_state(address: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, address, "auc-by-bucket", LINK)
    wanted = {
        "base": ["mask-s1"],
        "runs": ["full-s1"],
        "seeds": ["no"],
        "activity": ["3", "100"],
        "metric": ["uauc"],
        "mode": ["absolute"],
    }
    assert wanted.items() <= query(page).items()
    expect(page.get_by_role("radio", name="UAUC")).to_be_checked()
    expect(page.get_by_role("radio", name="Absolute value")).to_be_checked()
    expect(page.get_by_role("switch", name="All seeds of these runs")).not_to_be_checked()
    expect(charts(page)).to_have_count(1)
    page.reload()
    wait_until_idle(page)
    assert wanted.items() <= query(page).items()


def test_pages_share_the_picked_runs(address: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, address, "auc-by-bucket", LINK)
    for name in ("id-norms", "adapter-weights", "start", "auc-by-bucket"):
        go_to(page, name)
        expect_query(page, "base", "mask-s1")
        expect_query(page, "runs", "full-s1")
        expect_query(page, "activity", "3", "100")
    # The page's own switches are remembered too.
    expect(page.get_by_role("radio", name="UAUC")).to_be_checked()


def test_back_undoes_the_last_change(address: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, address, "auc-by-bucket")
    page.get_by_role("radio", name="UAUC").check()
    expect_query(page, "metric", "uauc")
    wait_until_idle(page)
    page.go_back()
    expect_query(page, "metric", "auc")
    expect(page.get_by_role("radio", name="AUC", exact=True)).to_be_checked()


def test_the_slider_works_from_the_keyboard(address: str, new_page: Any) -> None:
    page = new_page()
    open_page(page, address, "auc-by-bucket")
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect_query(page, "activity", "1", "no+limit")
    # A key that is pressed while the first one's page is being drawn can be lost.
    wait_until_idle(page)
    page.keyboard.press("ArrowRight")
    expect_query(page, "activity", "3", "no+limit")
    wait_until_idle(page)
    expect(charts(page).first.get_by_text("1-2", exact=True)).to_have_count(0)
    expect(charts(page).first.get_by_text("3-9", exact=True)).to_have_count(1)


def test_the_numbers_can_be_saved(address: str, new_page: Any) -> None:
    page = new_page(accept_downloads=True)
    open_page(page, address, "auc-by-bucket")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="auc by activity.csv").click()
    text = Path(waiting.value.path()).read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["group"] for row in rows} == {"mask", "adapter", "full"}
    assert {"bucket", "delta", "ci_low", "ci_high", "users", "smallest_effect"} <= set(rows[0])
