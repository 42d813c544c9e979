"""What ways of training and parts of charts are called; without Altair, which loads slowly."""

from __future__ import annotations

VARIANTS = ("base", "mask", "adapter", "full")
RIVALS = ("dropoutnet", "embedding_dropout", "senet", "gate", "ssl")
METHODS = (*VARIANTS, *RIVALS)
"""What a run can have been trained by."""

NAMES = {
    "base": "Unmasked base",
    "mask": "Mask only",
    "adapter": "Adapter only",
    "full": "AdaF2M2",
    "dropoutnet": "DropoutNet",
    "embedding_dropout": "Embedding dropout",
    "senet": "SENet",
    "gate": "Feature gate",
    "ssl": "Self-supervised",
}
SLICE_PARAM = "slice"
"""Name of the brush; what it returns is ``{"slice": {"activity": [low, high]}}``."""

SHORT_NAMES = NAMES | {
    "base": "Base",
    "mask": "Mask",
    "adapter": "Adapter",
    "embedding_dropout": "Emb. dropout",
    "gate": "Gate",
    "ssl": "SSL",
}


def variant_of(label: str) -> str:
    """The variant or rival that a group's label starts with: ``"mask (k = 3)"`` is ``"mask"``.

    A label that names neither is drawn as "full".
    """
    word = label.split(" ", 1)[0].strip()
    return word if word in METHODS else "full"


def name_of(label: str, *, short: bool = False) -> str:
    """The label for people: ``"mask (k = 3)"`` is ``"Mask only (k = 3)"``."""
    names = SHORT_NAMES if short else NAMES
    word, _, rest = label.partition(" ")
    return f"{names[word]} {rest}".strip() if word in names else label
