"""The workbench app: ``streamlit run app/main.py``. Navigation only; each page is one question.

Environment: ``WORKBENCH_RUNS`` names the run folders (see `components.catalogue`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Threads of torch that wait actively slow a busy machine down by a factor of ten and more. The
# setting counts only before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import streamlit as st
from components import brush, guide, imports, pages, sidebar, state, warmup

# The icon is a file of our own: a named one would be fetched from another server.
ICON = Path(__file__).parent / "components" / "icon.svg"
st.set_page_config(
    page_title="AdaF2M2 workbench", page_icon=str(ICON), layout="wide", initial_sidebar_state=320
)

st.html(Path(__file__).parent / "components" / "page.css")

# The folder is not called "pages": Streamlit would take it for its older kind of pages, and on a
# fresh server a link to one of them would lead to "page not found".
groups: dict[str, list[Any]] = {}
for entry in pages.PAGES:
    groups.setdefault(entry.group, []).append(
        st.Page(
            entry.file,
            title=entry.title,
            help=entry.question,
            icon=entry.symbol,
            default=entry.name == "start",
            url_path=entry.path or None,
        )
    )
page = st.navigation(groups, position="top")
brush.settle()
state.begin()
picked = sidebar.draw()
if page.url_path:
    imports.altair()
page.run()
guide.tour(page.url_path)
state.publish()
warmup.start(picked)
