"""Reads YAML that nobody has to trust: small, without references, every key once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from workbench.errors import InputError

LARGEST = 1 << 20
"""Bytes of a file; a schema of 1,000 columns with comments has a fifth of it."""
DEEPEST = 16
"""Levels of nesting; a schema has four."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML's plain types, with three readings taken out that surprise people.

    ``no`` and ``on`` stay text instead of becoming false and true, ``2024-01-31`` stays text
    instead of becoming a date, and ``12:30`` stays text instead of becoming 750.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        # A few references to references make billions of values out of ten lines.
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(
                problem="references (*name) are not allowed", problem_mark=event.start_mark
            )
        if getattr(self.peek_event(), "tag", None) is not None:
            raise yaml.MarkedYAMLError(
                problem="tags (!name) are not allowed", problem_mark=self.peek_event().start_mark
            )
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"nested deeper than {DEEPEST} levels",
                problem_mark=self.peek_event().start_mark,
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key in seen or key == "<<":
                problem = (
                    "a key must be a text" if key is None else f"key {key[:40]!r} appears twice"
                )
                if key == "<<":
                    problem = "merging with '<<' is not allowed"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _plain(kinds: tuple[str, ...]) -> dict[str, list[Any]]:
    return {
        first: [(tag, pattern) for tag, pattern in patterns if tag.rsplit(":", 1)[-1] in kinds]
        for first, patterns in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.yaml_implicit_resolvers = _plain(("null", "float"))
_digits = r"[-+]?(?:0|[1-9][0-9]{0,18})"
for tag, regex, starts in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", rf"^{_digits}$", "-+0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(regex), list(starts))


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        InputError: it is missing, too large, not UTF-8, not YAML, or does more than list values;
            with the line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > LARGEST:
        raise InputError(f"{path}: larger than {LARGEST:,} bytes, the most a schema may have")
    return parse_yaml(content, str(path))


def parse_yaml(content: bytes, place: str) -> Any:
    """Parse YAML text; `place` names it in errors.

    Raises:
        InputError: as `read_yaml`.
    """
    try:
        # A loader takes bytes too, but then it would also guess at UTF-16.
        return yaml.load(content.decode("utf-8-sig"), Loader=_Loader)
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise InputError(f"{place}: {line}{' '.join(str(error.problem).split())}") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, TypeError) as error:
        raise InputError(f"{place}: not YAML ({' '.join(str(error).split())[:200]})") from None
