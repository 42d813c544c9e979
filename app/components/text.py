"""Text from outside, such as names of runs, on a page that reads Markdown."""

from __future__ import annotations


def escaped(text: str) -> str:
    """The text with nothing in it that Markdown would read as its own."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#$|~:" else c for c in text)
