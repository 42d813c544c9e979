"""Numbers and intervals in words, for the sentence that every chart says about itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

NO_DIFFERENCE = "no difference that this many users can show"


def number(value: float, digits: int = 3) -> str:
    """``0.4123`` is ``"0.412"``; nan is ``"unknown"``."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "unknown"


def signed(value: float, digits: int = 4) -> str:
    """``0.00123`` is ``"+0.0012"``; never ``"-0.0000"``."""
    if not math.isfinite(value):
        return "unknown"
    rounded = round(value, digits)
    return f"{rounded if rounded else 0.0:+.{digits}f}"


def percent(value: float, digits: int = 2) -> str:
    """``0.0053`` is ``"+0.53%"``."""
    return f"{signed(100 * value, digits)}%" if math.isfinite(value) else "unknown"


def interval(low: float, high: float, digits: int = 3, *, sign: bool = False) -> str:
    """``"95% interval 0.401 to 0.423"``."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval: too few users"
    text = signed if sign else number
    return f"95% interval {text(low, digits)} to {text(high, digits)}"


def count(value: int, noun: str, plural: str | None = None) -> str:
    """``1, "user"`` is ``"1 user"``; ``1200, "user"`` is ``"1,200 users"``."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def listing(words: Sequence[str], most: int = 4) -> str:
    """``"a, b and c"``; from `most` on, ``"a, b, c and 5 more"``."""
    if not words:
        return "none"
    shown = list(words)
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(shown) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def feature_title(name: str) -> str:
    """``"user_id"`` is ``"User ID"``."""
    words = name.replace("_", " ").split()
    words = ["ID" if word.lower() == "id" else word for word in words]
    if words and words[0] != "ID":
        words[0] = words[0][:1].upper() + words[0][1:]
    return " ".join(words)


def activities(low: float, high: float) -> str:
    """A range of training interactions: ``"3 to 9"``, ``"0"``, ``"1000 and more"``."""
    if not math.isfinite(high):
        return f"{low:,.0f} and more"
    return f"{low:,.0f}" if round(low) == round(high) else f"{low:,.0f} to {high:,.0f}"
