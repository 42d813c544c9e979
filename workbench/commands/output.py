"""How commands print: JSON in one line, and figures in words where a person reads."""

from __future__ import annotations

import json
import math
from typing import Any


def json_line(values: Any) -> str:
    """One line of strict JSON; NaN and infinity, which JSON does not know, become null."""
    return json.dumps(_strict(values), allow_nan=False)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def percent(share: float) -> str:
    """A signed percentage with two decimals, as the paper prints RelaImpr."""
    return f"{share:+.2%}"
