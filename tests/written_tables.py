"""The tables that pages take from committed figures; nobody types a number into them.

A page marks each one by ``<!-- KIND: FILE -->`` and ``<!-- end of KIND -->``:

    .venv/bin/python tests/written_tables.py            # names the pages whose tables are old
    .venv/bin/python tests/written_tables.py --write    # renews them
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # so that `tests` is found when this file is started by its path
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import reliability
from workbench.insight.cells import markdown
from workbench.reproduce.markdown import short_markdown
from workbench.reproduce.tables import TABLES

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "data/results/README.md")
_BLOCK = re.compile(r"<!-- (\w+): (\S+) -->\n(.*?)<!-- end of \1 -->", re.DOTALL)


def cells_of(path: Path) -> list[dict[str, Any]]:
    """The cells of committed results."""
    cells: list[dict[str, Any]] = _read(path)["cells"]
    return cells


def _table(path: Path) -> str:
    return markdown(cells_of(path))


def _short(path: Path) -> str:
    return short_markdown(TABLES[path.stem], cells_of(path))


def _last(path: Path) -> str:
    """The search of each model that came last, since a longer one supersedes those before."""
    latest = {(cell["model"], cell["variant"]): cell for cell in cells_of(path)}
    return short_markdown(TABLES[path.stem], list(latest.values()))


def _reliability(path: Path) -> str:
    return reliability.table(_read(path))


KINDS: dict[str, Callable[[Path], str]] = {
    "table": _table,
    "short": _short,
    "last": _last,
    "reliability": _reliability,
}


def blocks(page: str) -> dict[tuple[str, str], str]:
    """The tables of a page, by kind and file."""
    return {(found[1], found[2]): found[3] for found in _BLOCK.finditer(page)}


def renewed(page: str) -> str:
    """The page with every table as its file has it now."""

    def block(found: re.Match[str]) -> str:
        kind, name = found[1], found[2]
        return f"<!-- {kind}: {name} -->\n{KINDS[kind](ROOT / name)}<!-- end of {kind} -->"

    return _BLOCK.sub(block, page)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main(arguments: list[str]) -> None:
    """Name the pages whose tables are old, or renew them."""
    for name in PAGES:
        path = ROOT / name
        page = path.read_text(encoding="utf-8")
        if page == renewed(page):
            continue
        print(name)
        if arguments == ["--write"]:
            path.write_text(renewed(page), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
