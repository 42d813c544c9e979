"""The workbench app: ``streamlit run app/main.py``. Navigation only; each page is one question.

Environment: ``WORKBENCH_RUNS`` names the run folders (see `components.catalogue`).
"""

from __future__ import annotations

import os
from pathlib import Path

# Threads of torch that wait actively slow a busy machine down by a factor of ten and more. The
# setting counts only before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import streamlit as st
from components import compute, sidebar, state

# The icon is a file of our own: a named one would be fetched from another server.
ICON = Path(__file__).parent / "components" / "icon.svg"
st.set_page_config(
    page_title="AdaF2M2 workbench", page_icon=str(ICON), layout="wide", initial_sidebar_state=320
)

st.html(Path(__file__).parent / "components" / "page.css")

# The folder is not called "pages": Streamlit would take it for its older kind of pages, and on a
# fresh server a link to one of them would lead to "page not found".
page = st.navigation(
    {
        "": [
            st.Page("views/start.py", title="Start", icon=":material/home:", default=True),
        ],
        "Questions": [
            st.Page(
                "views/adapter_weights.py",
                title="How are features weighed?",
                help="How does the adapter weigh features as users become active?",
                icon=":material/tune:",
                url_path="adapter-weights",
            ),
            st.Page(
                "views/id_norms.py",
                title="Do head IDs grow larger?",
                help="Do head users' ID embeddings grow larger?",
                icon=":material/straighten:",
                url_path="id-norms",
            ),
            st.Page(
                "views/auc_by_bucket.py",
                title="What does masking do to AUC?",
                help="What does masking do to AUC per activity bucket?",
                icon=":material/stacked_bar_chart:",
                url_path="auc-by-bucket",
            ),
        ],
    }
)
state.begin()
picked = sidebar.draw()
page.run()
state.publish()
compute.warm_up(picked)
