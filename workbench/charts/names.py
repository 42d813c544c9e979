"""What ways of training and parts of charts are called; without Altair, which loads slowly."""

from __future__ import annotations

VARIANTS = ("base", "mask", "adapter", "full")

NAMES = {
    "base": "Unmasked base",
    "mask": "Mask only",
    "adapter": "Adapter only",
    "full": "AdaF2M2",
}
SLICE_PARAM = "slice"
"""Name of the brush; what it returns is ``{"slice": {"activity": [low, high]}}``."""

SHORT_NAMES = {"base": "Base", "mask": "Mask", "adapter": "Adapter", "full": "AdaF2M2"}


def variant_of(label: str) -> str:
    """The variant that a group's label starts with: ``"mask (k = 3)"`` is drawn as ``"mask"``.

    A label that names no variant is drawn as "full".
    """
    word = label.split(" ", 1)[0].strip()
    return word if word in VARIANTS else "full"


def name_of(label: str, *, short: bool = False) -> str:
    """The label for people: ``"mask (k = 3)"`` is ``"Mask only (k = 3)"``."""
    names = SHORT_NAMES if short else NAMES
    word, _, rest = label.partition(" ")
    return f"{names[word]} {rest}".strip() if word in names else label
