"""How commands print: JSON in one line, and figures in words where a person reads."""

from __future__ import annotations

from typing import Any

from workbench.runs.files import to_json


def json_line(values: Any) -> str:
    """One line of strict JSON; NaN and infinity, which JSON does not know, become null."""
    return to_json(values)


def percent(share: float) -> str:
    """A signed percentage with two decimals, as the paper prints RelaImpr."""
    return f"{share:+.2%}"
