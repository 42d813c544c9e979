"""One figure: the chart, its sentence in words, and its data to take away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from components import brush
from components.brush import Gesture
from components.compute import Spec
from components.text import escaped

Width = Literal["stretch", "content"]

# From Streamlit's own stylesheet: columns stack below this width, so panels stay readable.
PANELS_PER_ROW = 3


def panels(
    specs: Sequence[Spec],
    key: str,
    *,
    per_row: int = PANELS_PER_ROW,
    gestures: Sequence[Sequence[Gesture]] | None = None,
) -> None:
    """Draw small multiples that share the page's width; on a narrow screen one below the other.

    Separate charts, because a facet keeps a fixed width and would be cut off on a phone.

    Args:
        specs: of the panels.
        key: of the figure; each panel adds its place.
        per_row: panels side by side.
        gestures: for each panel what a reader can do on it, see `components.brush`.
    """
    mine = gestures if gestures is not None else [()] * len(specs)
    for start in range(0, len(specs), per_row):
        row = specs[start : start + per_row]
        columns = st.columns(per_row if len(specs) > per_row else len(row))
        for place, (column, spec) in enumerate(zip(columns, row, strict=False)):
            with column:
                draw(spec, f"{key}_{start + place}", *mine[start + place])


def draw(spec: Spec, key: str, *gestures: Gesture, width: Width = "stretch") -> None:
    """Draw a chart; its description is what a screen reader says.

    Args:
        spec: Vega-Lite.
        key: of the chart.
        gestures: what a reader can do on it, see `components.brush`.
        width: as wide as its column, or as the chart itself says.
    """
    with_them, names = brush.with_gestures(spec, gestures)
    if not names:
        st.vega_lite_chart(None, spec, key=key, width=width)
        return
    brush.listen(key, gestures)
    st.vega_lite_chart(
        None,
        with_them,
        key=brush.keyed(key),
        width=width,
        on_select="rerun",
        selection_mode=names,
    )


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
