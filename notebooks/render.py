"""Run notebooks and keep only their charts, as still SVG pictures that a preview can show.

    python notebooks/render.py                 all notebooks beside this file
    python notebooks/render.py 01 03           those whose names start so
    python notebooks/render.py --check         run nothing, only say what does not fit

Notebooks are run from top to bottom in the profile ``fast``. A cell that fails or writes a warning
stops the work and leaves its notebook as it was. The digest of the code is kept in the notebook's
metadata, so that ``--check`` tells pictures of older code from current ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

FOLDER = Path(__file__).parent
LARGEST = 400_000
"""Bytes of a committed notebook."""
TIMEOUT = 300
"""Seconds that one cell may take."""

PICTURE = "image/svg+xml"
# A picture may keep the one line of text that stands in for it.
KEPT_TYPES = (PICTURE, "text/plain")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SETTINGS = {
    "WORKBENCH_PROFILE": "fast",
    "WORKBENCH_CHARTS": "svg",
    "WORKBENCH_WARNINGS": "error",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}


class RenderError(Exception):
    """A notebook that cannot be rendered; the message is for people."""


def digest(notebook: NotebookNode) -> str:
    """Sixteen hexadecimal digits that change with the code of any cell."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def strip(notebook: NotebookNode) -> NotebookNode:
    """Drop every output but pictures, and all that changes from run to run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [_still(output) for output in cell.outputs if _is_picture(output)]
    notebook.metadata = nbformat.from_dict({**METADATA, "workbench": {"sources": digest(notebook)}})
    return notebook


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells in a fresh kernel.

    Raises:
        RenderError: a cell fails, or writes to standard error, where warnings go.
    """
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        # The kernel's own remarks on its transport are no part of the notebook.
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        client.execute(env={**os.environ, **SETTINGS})
    except CellExecutionError as error:
        raise RenderError(str(error)) from None
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise RenderError(f"cell {number} writes to standard error: {output.text}")
    return notebook


def render(path: Path) -> None:
    """Run a notebook and write it back with its pictures.

    Raises:
        RenderError: see `execute`; also pictures that are too large together.
    """
    notebook = nbformat.read(path, as_version=4)
    strip(execute(notebook, path.parent))
    text = nbformat.writes(notebook) + "\n"
    if len(text.encode()) > LARGEST:
        raise RenderError(f"{len(text.encode()):,} bytes with pictures; {LARGEST:,} are allowed")
    partial = path.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def problems(path: Path) -> list[str]:
    """What keeps a notebook from being committed; empty where all is well."""
    notebook = nbformat.read(path, as_version=4)
    found = []
    size = path.stat().st_size
    if size > LARGEST:
        found.append(f"{size:,} bytes; {LARGEST:,} are allowed")
    pictures = 0
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            types = sorted(output.get("data", {})) or [output.output_type]
            if not _is_picture(output) or set(types) - set(KEPT_TYPES):
                found.append(f"cell {number} has an output other than a picture: {types}")
            pictures += _is_picture(output)
    if not pictures:
        found.append("no picture")
    if notebook.metadata.get("workbench", {}).get("sources") != digest(notebook):
        found.append("the code has changed since the pictures were drawn")
    return found


def chosen(names: Sequence[str]) -> list[Path]:
    """The notebooks whose names start with one of `names`; all of them for none.

    Raises:
        RenderError: a name that fits no notebook.
    """
    everything = sorted(FOLDER.glob("*.ipynb"))
    starts = [Path(name).name for name in names]
    for start in starts:
        if not any(path.name.startswith(start) for path in everything):
            raise RenderError(f"no notebook starts with '{start}'")
    return [path for path in everything if path.name.startswith(tuple(starts or [""]))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 where a notebook has a problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="how file names start")
    parser.add_argument("--check", action="store_true", help="run nothing, report what is wrong")
    options = parser.parse_args(arguments)
    failed = False
    try:
        for path in chosen(options.names):
            started = time.perf_counter()
            found = problems(path) if options.check else _rendered(path)
            failed |= bool(found)
            seconds = "" if options.check else f", {time.perf_counter() - started:.1f} s"
            state = "; ".join(found) or f"ok, {path.stat().st_size / 1000:.0f} kB{seconds}"
            print(f"{path.name}: {state}", file=sys.stderr, flush=True)
    except RenderError as error:
        print(error, file=sys.stderr)
        return 1
    if failed and options.check:
        print("to put it right: python notebooks/render.py NAME", file=sys.stderr)
    return int(failed)


def _rendered(path: Path) -> list[str]:
    try:
        render(path)
    except RenderError as error:
        return [str(error)]
    return []


def _is_picture(output: Any) -> bool:
    return PICTURE in output.get("data", {})


def _still(output: NotebookNode) -> NotebookNode:
    """The picture alone, as an output without a number."""
    data = {name: output.data[name] for name in KEPT_TYPES if name in output.data}
    return nbformat.v4.new_output("display_data", data=data)


if __name__ == "__main__":
    sys.exit(main())
