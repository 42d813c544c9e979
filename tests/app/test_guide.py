"""The tour: every page names its place in the paper and the notebook that builds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import APP

NOTEBOOKS = APP.parent / "notebooks"


def all_pages() -> list[Any]:
    from components.pages import PAGES

    return list(PAGES)


def test_pages_are_the_views() -> None:
    files = {path.stem for path in (APP / "views").glob("*.py")}
    assert {page.name for page in all_pages()} == files


@pytest.mark.parametrize("page", all_pages()[1:], ids=lambda page: page.name)
def test_a_page_names_a_notebook_that_exists(page: Any) -> None:
    assert page.source
    assert (NOTEBOOKS / f"{page.notebook}.ipynb").is_file()


def test_the_heading_has_equation_and_notebook(store: Path, open_app: Any, text: Any) -> None:
    app = open_app(store, page="adapter_weights")
    assert app.title[0].value == "How does the adapter weigh features as users become active?"
    assert "04_state_aware_adapter" in text(app)
    assert "equation (4)" in text(app)
    assert "sigmoid" in app.latex[0].value


def test_the_tour_leads_on_and_back(store: Path, open_app: Any) -> None:
    paths = [page.path for page in all_pages()]
    place = paths.index("id-norms")
    links = [link.proto.page for link in open_app(store, page="id_norms").get("page_link")]
    assert links == [paths[place - 1], paths[place + 1]]
