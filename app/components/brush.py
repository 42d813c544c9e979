"""Gestures on charts that set the slice of the whole app: activity range, feature, user.

A gesture is a named selection in the chart's Vega-Lite specification and what its value means. The
page draws a chart with `show.draw(spec, key, *gestures)`; what the reader then does is taken at the
start of the next run (`settle`), before any widget is drawn. A chart whose gesture was taken gets
another key: its selection is used up, and the same gesture works again later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from components import sidebar
from components.compute import Spec
from workbench.charts.names import SLICE_PARAM
from workbench.charts.words import feature_title

Axis = Literal["x", "y"]
CLICK = "pick"
_LISTENING = "_listening"
_TAKEN = "_taken"
SLICE_COLOUR = "#F0A202"
"""As in `workbench.charts.style`, which brings Altair; a test compares the two."""
BAND = {"fill": SLICE_COLOUR, "fillOpacity": 0.2}
HIT = {"type": "rect", "fill": "transparent", "cursor": "pointer", "aria": False}
"""Marks that cannot be seen and make a whole row or panel answer to a click."""


@dataclass(frozen=True)
class Gesture:
    """One thing that a reader can do on a chart.

    Attributes:
        name: of the selection.
        field: of the chart's rows that the selection names.
        axis: the axis that holds the field; None for the whole panel.
        take: gives the value to the slice; False where it means nothing there.
        value: the field's value, where the whole panel stands for one.
        area: whether the row or panel answers, not only the chart's own marks.
    """

    name: str
    field: str
    axis: Axis | None
    take: Callable[[Any], bool]
    value: str | None = None
    area: bool = True


def activity(field: str = "activity") -> Gesture:
    """Drag over an x axis of training interactions: the activity range."""
    return Gesture(SLICE_PARAM, field, "x", lambda picked: _take_ends(picked.get(field)))


def buckets(axis: Axis, field: str = "bucket", feature: str | None = None) -> tuple[Gesture, ...]:
    """Drag over buckets of activity, or click one: the activity range.

    Args:
        axis: the axis that holds the buckets.
        field: whose values start with a bucket's name, as ``"3-9: 20 users"``.
        feature: the one that the chart is about, which is then picked too.
    """

    def take(names: Sequence[Any]) -> bool:
        if not _take_buckets([name for name in names if isinstance(name, str)]):
            return False
        if feature is not None:
            sidebar.take_feature(feature)
        return True

    drag = Gesture(SLICE_PARAM, field, axis, lambda picked: take(picked.get(field) or []))
    click = Gesture(CLICK, field, axis, lambda points: take([p.get(field) for p in points]))
    return drag, click


def features(axis: Axis | None, names: Sequence[str], field: str = "title") -> Gesture:
    """Click a feature's row, column or facet: the feature.

    Args:
        axis: the axis that holds the features; None where each has a facet.
        names: the features.
        field: their titles.
    """
    known = {feature_title(name): name for name in names}
    return Gesture(CLICK, field, axis, lambda points: _take_feature(points, field, known))


def panel(feature: str) -> Gesture:
    """Click anywhere in the panel of a feature: the feature."""
    known = {feature: feature}
    return Gesture(
        CLICK, "panel", None, lambda points: _take_feature(points, "panel", known), value=feature
    )


def users(field: str = "code") -> Gesture:
    """Click a user's mark: the user."""
    return Gesture(CLICK, field, "x", lambda points: _take_user(points, field), area=False)


def keyed(key: str) -> str:
    """The key under which a chart is drawn now; another one after each gesture that was taken."""
    taken: dict[str, int] = st.session_state.setdefault(_TAKEN, {})
    return f"{key}~{taken[key]}" if key in taken else key


def listen(key: str, gestures: Sequence[Gesture]) -> None:
    """Remember what the gestures on a chart mean, for the next run."""
    st.session_state.setdefault(_LISTENING, {})[keyed(key)] = (key, tuple(gestures))


def settle() -> bool:
    """Take what was done on the charts; call it before any widget. True where something was."""
    listening: Mapping[str, tuple[str, tuple[Gesture, ...]]] = st.session_state.get(_LISTENING, {})
    found = False
    for drawn, (key, gestures) in list(listening.items()):
        event: Any = st.session_state.get(drawn) or {}
        if _taken(event.get("selection") or {}, gestures):
            taken: dict[str, int] = st.session_state.setdefault(_TAKEN, {})
            taken[key] = taken.get(key, 0) + 1
            found = True
    st.session_state[_LISTENING] = {}
    return found


def _taken(selection: Mapping[str, Any], gestures: Sequence[Gesture]) -> bool:
    """The first gesture that means something; a drag ends in a click, so drags come first."""
    for gesture in sorted(gestures, key=lambda gesture: gesture.name != SLICE_PARAM):
        value = selection.get(gesture.name)
        # A chart that is drawn again sends an empty selection, which changes nothing.
        if value and gesture.take(value):
            return True
    return False


def with_gestures(spec: Spec, gestures: Sequence[Gesture]) -> tuple[Spec, list[str]]:
    """A chart's specification with the selections of some gestures, and their names.

    A chart without the field of a gesture does not get that gesture; the given one stays as it is.
    """
    if len(spec.get("vconcat", ())) == 1:
        inner, names = with_gestures(spec["vconcat"][0], gestures)
        return {**spec, "vconcat": [inner]}, names
    if "spec" in spec:
        inner, names = with_gestures(spec["spec"], gestures)
        return {**spec, "spec": inner}, names
    layers = [dict(layer) for layer in spec.get("layer", [])]
    if not layers:
        layers = [{key: spec[key] for key in ("mark", "encoding") if key in spec}]
    there = [param["name"] for param in spec.get("params", [])]
    names = [g.name for g in gestures if g.name in there or _add(layers, g)]
    outer = {key: value for key, value in spec.items() if key not in ("mark", "encoding")}
    return {**outer, "layer": layers}, names


def _add(layers: list[Spec], gesture: Gesture) -> bool:
    """Put what a gesture needs into the layers; False where the chart lacks its field."""
    source = next((layer for layer in layers if _holds(layer, gesture)), None)
    point = {"type": "point", "fields": [gesture.field], "toggle": False}
    if gesture.name == SLICE_PARAM or not gesture.area:
        if source is None:
            return False
        drag = {"type": "interval", "encodings": [gesture.axis], "mark": BAND}
        select = drag if gesture.name == SLICE_PARAM else point
        source["params"] = [*source.get("params", []), {"name": gesture.name, "select": select}]
        return True
    hit: Spec = {"mark": HIT, "encoding": {}, "params": [{"name": gesture.name, "select": point}]}
    if gesture.value is not None:
        hit["data"] = {"values": [{gesture.field: gesture.value}]}
        # Marks lie above the panel's own area and answer in its place.
        own = {"calculate": json.dumps(gesture.value), "as": gesture.field}
        for layer in layers:
            layer["transform"] = [*layer.get("transform", []), own]
    elif gesture.axis is None:
        hit["transform"] = [{"aggregate": [], "groupby": [gesture.field]}]
    elif source is None:
        return False
    else:
        hit["encoding"] = {gesture.axis: source["encoding"][gesture.axis]}
        hit |= {key: source[key] for key in ("data",) if key in source}
    layers.insert(0, hit)
    return True


def _holds(layer: Spec, gesture: Gesture) -> bool:
    if gesture.axis is None:
        return False
    encoding = layer.get("encoding", {})
    if not gesture.area:
        return isinstance(layer.get("mark"), dict) and layer["mark"].get("type") == "point"
    return bool(encoding.get(gesture.axis, {}).get("field") == gesture.field)


def _take_ends(ends: Any) -> bool:
    if not ends:
        return False
    sidebar.take_activity(float(min(ends)), float(max(ends)))
    return True


def _take_buckets(names: Sequence[str]) -> bool:
    found = [bounds for bounds in map(bounds_of, names) if bounds is not None]
    if not found:
        return False
    sidebar.take_activity(min(low for low, _ in found), max(high for _, high in found))
    return True


def bounds_of(name: str) -> tuple[float, float] | None:
    """First and last activity of a bucket by its name; None for what is no bucket.

    ``"3-9: 20 users"`` is (3, 9), ``"1000+"`` has no end, and ``"all users"`` holds everybody.
    """
    word = name.split(":")[0].strip()
    if word in ("all", "all users"):
        return 0.0, math.inf
    low, _, high = word.rstrip("+").partition("-")
    if not low.isdecimal() or (high and not high.isdecimal()):
        return None
    return float(low), math.inf if word.endswith("+") else float(high or low)


def _take_feature(points: Sequence[Any], field: str, known: Mapping[str, str]) -> bool:
    """The feature that was clicked; all features again where it is the one that is shown."""
    found = [known[p.get(field)] for p in points if p.get(field) in known]
    return bool(found) and sidebar.take_feature(found[0], again=sidebar.ALL_FEATURES)


def _take_user(points: Sequence[Any], field: str) -> bool:
    codes = [p.get(field) for p in points]
    found = [code for code in codes if isinstance(code, int | float) and code >= 1]
    if not found:
        return False
    sidebar.take_user(int(found[0]))
    return True
