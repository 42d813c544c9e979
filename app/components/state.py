"""The view's state: one value per name, the same in the widget, on every page and in the URL.

A page asks for a value before it draws the widget of the same key (`one`, `several`, `span`,
`flag`, `number`, `numbers`, `text`); `publish` then writes all values of the page into the URL. The
whole state stands there, defaults included, so that a copied link opens the same view even when
runs are added later.

The URL is read when it is not what was written last: a deep link, or the browser's Back button,
which thereby undoes the last change. Streamlit's own ``bind="query-params"`` leaves defaults out of
the URL and cannot be seen by its test harness; that is why it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import streamlit as st

T = TypeVar("T")
N = TypeVar("N", int, float)

_MEMORY = "_state_memory"
_PUBLISHED = "_state_published"
_SHOWN = "_state_shown"
_TOLD = "_state_told"


def begin() -> None:
    """Look at the URL; call it once, before any widget."""
    session = st.session_state
    told = {name: st.query_params.get_all(name) for name in st.query_params}
    published = session.get(_PUBLISHED, {})
    # After a click the URL can be one step behind. Where a widget has just been changed, it wins.
    clicked = any(
        name in session and _texts(session[name]) != published[name] for name in published
    )
    news = told if told and told != published and not clicked else {}
    memory = session.setdefault(_MEMORY, {})
    memory.update(news)
    session[_TOLD] = dict(news)
    session[_SHOWN] = []


def one(name: str, options: Sequence[str], default: str | None = None) -> str | None:
    """Settle the value of a single choice.

    Args:
        name: the widget's key, and the parameter in the URL.
        options: what is allowed; with none, there is no value.
        default: where neither session nor URL names an allowed value; None: the first option.
    """
    value = next((v[0] for v in _candidates(name) if len(v) == 1 and v[0] in options), None)
    if value is None:
        value = default if default in options else next(iter(options), None)
    return _settle(name, value)


def several(name: str, options: Sequence[str], default: Sequence[str]) -> list[str]:
    """Settle the values of a multiple choice; an empty choice is a choice."""
    for values in _candidates(name):
        allowed = [value for value in values if value in options]
        if allowed or not any(values):
            return _settle(name, allowed)
    return _settle(name, [value for value in default if value in options])


def span(name: str, options: Sequence[str]) -> tuple[str, str]:
    """Settle the two ends of a range slider; default: all of it."""
    for values in _candidates(name):
        if len(values) == 2 and all(value in options for value in values):
            low, high = sorted(values, key=options.index)
            return _settle(name, (low, high))
    return _settle(name, (options[0], options[-1]))


def flag(name: str, default: bool) -> bool:
    """Settle a switch; the URL says yes or no."""
    for values in _candidates(name):
        if values in (["yes"], ["no"]):
            return _settle(name, values == ["yes"])
    return _settle(name, default)


def number(name: str, low: N, high: N, default: N) -> N:
    """Settle a number between `low` and `high`; it is of the kind (int or float) of `default`."""
    for values in _candidates(name):
        found = _numbers(values, low, high, default)
        if len(found) == 1:
            return _settle(name, found[0])
    return _settle(name, default)


def numbers(name: str, low: N, high: N, default: tuple[N, N]) -> tuple[N, N]:
    """Settle the two ends of a range of numbers."""
    for values in _candidates(name):
        found = _numbers(values, low, high, default[0])
        if len(found) == 2:
            return _settle(name, (min(found), max(found)))
    return _settle(name, default)


def text(name: str, allowed: Callable[[str], bool], default: str = "") -> str:
    """Settle a typed text; one that is not allowed becomes the default."""
    for values in _candidates(name):
        if len(values) == 1 and (values[0] == "" or allowed(values[0])):
            return _settle(name, values[0])
    return _settle(name, default)


def unknown(name: str, options: Sequence[str]) -> list[str]:
    """What the URL has just asked for but does not exist, for a note to the reader."""
    told = st.session_state.get(_TOLD, {}).get(name, [])
    return [value for value in told if value and value not in options]


def publish() -> None:
    """Write the state of this page into the URL; call it once, after the page."""
    session = st.session_state
    values = {name: _texts(session[name]) for name in session[_SHOWN] if name in session}
    session[_PUBLISHED] = values
    session[_MEMORY].update(values)
    if {name: st.query_params.get_all(name) for name in st.query_params} != values:
        st.query_params.from_dict(values)


def rerun() -> NoReturn:
    """Run the whole page again from a fragment, with the state that was written last.

    A fragment that redraws itself may come with a URL from before that: it would pass for a link.
    """
    published = st.session_state.get(_PUBLISHED)
    if published:
        st.query_params.from_dict(published)
    st.rerun()


def _candidates(name: str) -> list[list[str]]:
    """What the value could be, best first: the URL's news, the widget, what was there before."""
    session = st.session_state
    found = [session[_TOLD].get(name), session.get(name), session[_MEMORY].get(name)]
    return [_texts(value) for value in found if value is not None]


def _numbers(values: Sequence[str], low: N, high: N, like: N) -> list[N]:
    """The texts as numbers; nothing where one of them is none, or lies outside."""
    try:
        found = [type(like)(value) for value in values]
    except ValueError:
        return []
    return found if all(low <= value <= high for value in found) else []


def _settle(name: str, value: T) -> T:
    session = st.session_state
    if name not in session[_SHOWN]:
        session[_SHOWN].append(name)
    # Only where it changes something: every assignment is sent to the browser.
    if name not in session or session[name] != value:
        session[name] = value
    return value


def _texts(value: Any) -> list[str]:
    """A value as the URL has it; an empty choice is one empty text, or it would not be there."""
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if value is None:
        return [""]
    if isinstance(value, str):
        return [value]
    if isinstance(value, int | float):
        return [str(value)]
    return [str(item) for item in value] or [""]
