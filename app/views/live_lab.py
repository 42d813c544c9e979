"""What do alpha, k and the mask range do while a model trains?"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from components import guide, sidebar, state
from components.catalogue import Entry
from components.sidebar import Picked
from components.text import escaped
from lab import actions, board, settings
from lab.data import RUN, base_of, lab_root

from workbench.errors import InputError
from workbench.lab import places, queue, runner
from workbench.lab.watch import Watched
from workbench.runs import RunStore
from workbench.runs.files import check_name

READ_ON = {
    "What does masking do to AUC per activity bucket?": "views/auc_by_bucket.py",
    "How does the adapter weigh features?": "views/adapter_weights.py",
}


def main() -> None:
    """Draw the page."""
    guide.title("live_lab")
    picked = sidebar.picked()
    root = lab_root()
    off = places.slots() == 0
    if not off:
        runner.ensure_runners(root)
    config = settings.draw(picked, lambda: actions.moved(root))
    if config is not None and not off:
        # A worker loads them while the reader still looks at the settings.
        queue.announce(root, config.data)
    wanted = state.text(RUN, lambda name: _is_here(root, name))
    with st.container(horizontal=True):
        st.button(
            "Start",
            key="lab_start",
            type="primary",
            icon=":material/science:",
            shortcut="Ctrl+Enter",
            disabled=off or config is None,
            on_click=actions.once,
            args=("lab_start", actions.start, root, config),
        )
        state.flag(actions.STEER, False)
        st.toggle(
            "Steer the run that is shown",
            key=actions.STEER,
            help="alpha, mask range and learning rate then act from the run's next step on. What "
            "was moved and when is written into the run's config: it can be repeated, and does not "
            "pass for a run that was left alone. All else acts at the next start.",
        )
    if off:
        st.info(f"Training is switched off here ({places.SLOTS_VARIABLE} is 0).")
    problem = actions.problem()
    if problem:
        st.error(escaped(problem), icon=":material/error:")
    _watched(root, wanted, picked)
    _line(root, wanted)
    st.caption(
        "Keys: Ctrl+Enter starts, Alt+P pauses and goes on, Alt+N takes one step, Esc stops. Tab "
        "reaches every control; arrow keys move a slider. A run goes on when this page is closed "
        "or reloaded; its address leads back to it."
    )
    actions.drawn()


def _is_here(root: Path, name: str) -> bool:
    try:
        return (root / check_name(name)).is_dir()
    except InputError:
        return False


def _watched(root: Path, name: str, picked: Picked) -> None:
    lost = state.unknown(RUN, [name])
    if lost:
        st.warning(f"The link asks for the run '{escaped(lost[0])}', which is not here.")
    if not name:
        st.info("Nothing trains here yet. **Start** trains with the settings above.")
        return
    st.subheader("Training", anchor=False)
    config = RunStore(root).open(name).config
    base = base_of(picked, config)
    watched = board.draw(root, name, base)
    if watched.phase == "finished":
        _next(watched, picked, base)


def _next(watched: Watched, picked: Picked, base: Entry | None) -> None:
    """From a finished run to the pages that say what it does."""
    entry = next((e for e in picked.catalogue.usable if e.run.path == watched.run.path), None)
    if entry is None:
        return
    with st.container(horizontal=True):
        st.button(
            "Compare it with the baseline",
            icon=":material/compare_arrows:",
            on_click=_compare,
            args=(entry, base, picked),
        )
        for title, page in READ_ON.items():
            st.page_link(page, label=title)


def _compare(entry: Entry, base: Entry | None, picked: Picked) -> None:
    session = st.session_state
    labels = picked.catalogue.data_labels
    session["data"] = next(label for label, entries in labels.items() if entry in entries)
    if base is not None:
        session["base"] = base.key
    session["runs"] = [entry.key]


def _line(root: Path, watched: str) -> None:
    """The other runs that wait, with a way to look at them or take them out."""
    others = [name for name in queue.waiting(root) if name != watched]
    if not others:
        return
    with st.expander(f"In line: {len(others)}", expanded=len(others) < 6):
        for place, name in enumerate(others, 1):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{place}. {escaped(name)}")
                st.button("Look", key=f"look_{name}", on_click=actions.look_at, args=(name,))
                st.button("Take out", key=f"out_{name}", on_click=actions.stop, args=(root, name))


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
