"""One figure: the chart, its sentence in words, and its data to take away."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from components import sidebar
from components.compute import Spec
from components.text import escaped
from workbench.charts.names import SLICE_PARAM

# From Streamlit's own stylesheet: columns stack below this width, so panels stay readable.
PANELS_PER_ROW = 3


def panels(specs: Sequence[Spec], key: str, *, per_row: int = PANELS_PER_ROW) -> None:
    """Draw small multiples that share the page's width; on a narrow screen one below the other.

    Separate charts, because a facet keeps a fixed width and would be cut off on a phone. A chart
    with the brush sets the activity range of the whole app.
    """
    for start in range(0, len(specs), per_row):
        row = specs[start : start + per_row]
        columns = st.columns(per_row if len(specs) > per_row else len(row))
        for place, (column, spec) in enumerate(zip(columns, row, strict=False)):
            with column:
                draw(spec, f"{key}_{start + place}")


def draw(spec: Spec, key: str) -> None:
    """Draw a chart as wide as its column; its description is what a screen reader says."""
    if not has_brush(spec):
        st.vega_lite_chart(None, spec, key=key, width="stretch")
        return
    st.vega_lite_chart(
        None,
        spec,
        key=key,
        width="stretch",
        on_select=lambda: sidebar.take_brush(key),
        selection_mode=[SLICE_PARAM],
    )


def has_brush(spec: Spec) -> bool:
    """True where the chart lets the reader drag a range."""
    return any(parameter["name"] == SLICE_PARAM for parameter in spec.get("params", []))


def says(*sentences: str) -> None:
    """What a figure says, above it; several sentences become a list under the first one's colon."""
    lines = [escaped(text) for text in sentences]
    if len(lines) == 1:
        st.markdown(lines[0])
        return
    head = [lines.pop(0)] if sentences[0].endswith(":") else []
    st.markdown("\n".join([*head, "", *(f"- {line}" for line in lines)]))


def csv(**frames: pd.DataFrame) -> None:
    """Buttons that save the figure's data, one for each named frame."""
    with st.container(horizontal=True):
        for name, frame in frames.items():
            _csv(frame, name)


def _csv(frame: pd.DataFrame, name: str) -> None:
    st.download_button(
        f"{name.replace('_', ' ')}.csv",
        # Written when it is asked for. A ready file would be fetched by every page that has the
        # button, only to see that it is there.
        lambda: frame.to_csv(index=False).encode(),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"csv_{name}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="The numbers behind this figure. PNG and the chart's source: toolbar of each panel.",
    )
