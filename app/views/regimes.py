"""For whom, and on what data, is there a gain?"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from components import brush, guide, results, show, state
from components.text import escaped

from workbench.charts import regimes as charts
from workbench.errors import InputError
from workbench.reproduce.files import read_cells
from workbench.reproduce.regimes import PARTS

FILE = "regimes.json"
COMMAND = "workbench reproduce regimes --data movielens-1m --from DIR --seeds 3"
BY_ACTIVITY = "a"
SHORT = {
    "a": "Activity",
    "b": "New users",
    "c": "Wrong labels",
    "d": "Missing values",
    "e": "Hashed IDs",
    "f": "The tail",
    "g": "Regularisation",
}


def main() -> None:
    """Draw the page."""
    guide.title("regimes")
    st.markdown(
        "Seven questions. In each, one thing about the data or the training changes, for the base "
        "and the framework alike, and the lift over that base is drawn."
    )
    cells, missing = read_cells(results.folder() / FILE)
    if cells:
        _overview(cells)
    part = str(state.one("regime", list(PARTS), _first(cells)))
    st.segmented_control(
        "Question", list(PARTS), key="regime", required=True, format_func=SHORT.__getitem__
    )
    st.header(PARTS[part].title)
    st.markdown(PARTS[part].note)
    own = [cell for cell in cells if cell.get("part") == part]
    if own:
        _figure(part, own)
    else:
        st.info("There are no results for this question yet. To get them:")
        st.code(f"{COMMAND} --only {part}", language="bash")
        st.caption(
            "All questions at once: leave out `--only`. Figures of any data set will do; runs that "
            "are there already are not trained again. Reload this page afterwards."
        )
    gone = [cell for cell in missing if cell.get("part") == part]
    if gone:
        with st.expander(f"Missing: {len(gone)} cells"):
            st.dataframe(pd.DataFrame(gone), hide_index=True)


def _first(cells: list[dict[str, Any]]) -> str | None:
    """The first question that has an answer."""
    return next((part for part in PARTS if any(c.get("part") == part for c in cells)), None)


def _overview(cells: list[dict[str, Any]]) -> None:
    """What each question found, in words."""
    found = [[cell for cell in cells if cell.get("part") == part] for part in PARTS]
    show.says("Where the interval leaves zero out:", *(_said(own) for own in found if own))


def _said(cells: list[dict[str, Any]]) -> str:
    """The sentence of some cells."""
    try:
        return charts.sentence(cells)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{FILE}: a cell lacks or has a wrong {error}") from None


def _figure(part: str, cells: list[dict[str, Any]]) -> None:
    said = _said(cells)
    frame = charts.frame(cells)
    show.says(said)
    several = frame["place"].nunique() > 1  # then two headings say what a title would
    for place, (name, rows) in enumerate(frame.groupby("place", sort=False)):
        of_place = [cells[position] for position in rows.index]
        spec = charts.chart(of_place, titled=not several).to_dict(validate=False)
        if several:
            st.subheader(escaped(str(name)))
        gestures = brush.buckets("x", "point") if part == BY_ACTIVITY else ()
        show.draw(spec, f"regime_{part}_{place}", *gestures, width="content")
    st.caption(
        "Point: RelaImpr of the mean over seeds. Bar: 95% paired bootstrap interval over users, as "
        "a share of the base's AUC; it says nothing of other seeds."
        + (
            " Drag over buckets or click one to set the activity range everywhere."
            if part == BY_ACTIVITY
            else ""
        )
    )
    st.dataframe(
        frame.drop(columns=["part", "order", "method"]),
        hide_index=True,
        column_config=_formats(part),
        alt=PARTS[part].title,
    )
    commands = list(dict.fromkeys(str(c.get("command")) for c in cells if c.get("command")))
    with st.expander("Commands that make these figures again"):
        st.code("\n".join(commands), language="bash", wrap_lines=True)
    show.csv(**{f"regime_{part}": frame})


def _formats(part: str) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "place": "where",
        "point": PARTS[part].axis,
        "name": "variant",
        "lift": number("RelaImpr", format="percent"),
        "low": number("from", format="percent"),
        "high": number("to", format="percent"),
        "base": number("AUC of the base", format="%.4f"),
        "value": number("AUC", format="%.4f"),
        "users": number(format="localized"),
        "rows": number("test rows", format="localized"),
    }


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
