"""The guided tour: a page's equation and notebook, and the stops before and after it."""

from __future__ import annotations

import streamlit as st

from components.pages import BY_NAME, PAGES, Page


def title(name: str) -> None:
    """The heading of a page: its question, and where the answer comes from.

    Args:
        name: the page's, see `components.pages`.
    """
    page = BY_NAME[name]
    st.title(page.question)
    if not page.source:
        return
    with st.popover("Equation and notebook", icon=":material/menu_book:", type="tertiary"):
        st.markdown(f"From the paper: {page.source}.")
        if page.equation:
            st.latex(page.equation)
        st.markdown(
            f"Built by hand in `notebooks/{page.notebook}.ipynb`; `make notebooks` opens it."
        )


def tour(path: str) -> None:
    """The foot of a page: the stops before and after it."""
    place = next((i for i, page in enumerate(PAGES) if page.path == path), 0)
    st.divider()
    left, right = st.columns(2)
    with left:
        if place > 0:
            _link(PAGES[place - 1], ":material/arrow_back:")
    with right:
        if place + 1 < len(PAGES):
            _link(PAGES[place + 1], ":material/arrow_forward:")


def _link(page: Page, icon: str) -> None:
    st.page_link(page.file, label=page.question if page.path else page.title, icon=icon)
