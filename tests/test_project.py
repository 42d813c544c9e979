"""Checks on the project itself: what may be committed, and that its pins are complete."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

NOTEBOOK_BYTES = 400_000
FILE_BYTES = 500_000
DEMO_RUNS_BYTES = 10_000_000

DEMO_RUNS = "data/demo_runs"
IMAGE_SUFFIXES = {".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"}
# A chart's picture, and the one line of text that stands in for it.
OUTPUT_TYPES = {"image/svg+xml", "text/plain"}


def committable_files(root: Path) -> list[Path]:
    """Files that git tracks or would add, as paths relative to ``root``; skips outside git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so it is unknown which files belong to the project")
    names = {name for name in listing.stdout.split("\0") if name}
    # A tracked file that was just deleted is still listed.
    return sorted(Path(name) for name in names if (root / name).is_file())


def too_large(root: Path, files: Iterable[Path], limit: int) -> list[str]:
    """The files above ``limit`` bytes, each with its size."""
    sizes = {path: (root / path).stat().st_size for path in files}
    return [f"{path}: {size:,} bytes" for path, size in sizes.items() if size > limit]


def unwanted_outputs(notebook: dict[str, Any]) -> list[str]:
    """What a committed notebook must not carry: any output but an SVG picture, or widget state."""
    problems = ["widget state in the metadata"] if "widgets" in notebook["metadata"] else []
    for number, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", []):
            types = set(output.get("data", {}))
            if "image/svg+xml" not in types or types - OUTPUT_TYPES:
                found = ", ".join(sorted(types)) or output["output_type"]
                problems.append(f"cell {number}: {found}")
    return problems


def pins(constraints: str) -> dict[str, set[Version]]:
    """Normalised package name -> the versions that the text of a constraints file pins it to."""
    found: dict[str, set[Version]] = {}
    for line in constraints.splitlines():
        text = line.partition("#")[0].strip()
        if text:
            requirement = Requirement(text)
            (exact,) = requirement.specifier
            assert exact.operator == "==", f"{text} is not an exact pin"
            found.setdefault(normalised(requirement.name), set()).add(Version(exact.version))
    return found


def normalised(name: str) -> str:
    """A package name the way indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def notebook_with(*outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata, "cells": [{"cell_type": "code", "outputs": list(outputs)}]}


SVG = {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>", "text/plain": "chart"}}
PNG = {"output_type": "display_data", "data": {"image/png": "aGk=", "text/plain": "chart"}}
BOTH = {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>", "text/html": "<b/>"}}
PRINTED = {"output_type": "stream", "name": "stdout", "text": "hello"}


@pytest.mark.parametrize(
    ("notebook", "expected"),
    [
        (notebook_with(), []),
        (notebook_with(SVG), []),
        (notebook_with(PNG), ["cell 0: image/png, text/plain"]),
        (notebook_with(SVG, BOTH), ["cell 0: image/svg+xml, text/html"]),
        (notebook_with(PRINTED), ["cell 0: stream"]),
        (notebook_with(widgets={}), ["widget state in the metadata"]),
    ],
)
def test_unwanted_outputs_are_named(notebook: dict[str, Any], expected: list[str]) -> None:
    assert unwanted_outputs(notebook) == expected


def test_files_above_the_limit_are_named(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x" * 10)
    (tmp_path / "large").write_bytes(b"x" * 1011)
    files = [Path("large"), Path("small")]
    assert too_large(tmp_path, files, limit=10) == ["large: 1,011 bytes"]


def test_notebooks_carry_only_svg_outputs(project_root: Path) -> None:
    notebooks = sorted((project_root / "notebooks").glob("*.ipynb"))
    problems = {
        path.name: found
        for path in notebooks
        if (found := unwanted_outputs(json.loads(path.read_text(encoding="utf-8"))))
    }
    assert not problems, "clear these outputs"


def test_notebooks_are_small(project_root: Path) -> None:
    notebooks = sorted((project_root / "notebooks").glob("*.ipynb"))
    assert not too_large(project_root, notebooks, NOTEBOOK_BYTES)


def test_no_large_file_is_committed(project_root: Path) -> None:
    files = [
        path
        for path in committable_files(project_root)
        if path.suffix.lower() not in IMAGE_SUFFIXES and not path.is_relative_to(DEMO_RUNS)
    ]
    assert Path("pyproject.toml") in files
    assert not too_large(project_root, files, FILE_BYTES)


def test_demo_runs_are_small(project_root: Path) -> None:
    folder = project_root / DEMO_RUNS
    if not folder.is_dir():
        pytest.skip("no demo runs: make demo writes them")
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert 0 < total <= DEMO_RUNS_BYTES


def test_every_dependency_is_pinned(project_root: Path) -> None:
    pyproject = (project_root / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(pyproject)["project"]
    pinned = pins((project_root / "constraints.txt").read_text(encoding="utf-8"))
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    requirements = [Requirement(text) for group in groups for text in group]
    others = [entry for entry in requirements if entry.name != project["name"]]
    assert "torch" in {entry.name for entry in others}
    unpinned = [str(entry) for entry in others if normalised(entry.name) not in pinned]
    assert not unpinned, "add these to constraints.txt"
    outside = [
        f"{entry} against {version}"
        for entry in others
        for version in pinned[normalised(entry.name)]
        if version not in entry.specifier
    ]
    assert not outside, "pinned outside the range that pyproject.toml allows"


def test_torch_computes_on_one_thread() -> None:
    torch = pytest.importorskip("torch")
    assert torch.get_num_threads() == 1


def test_app_starts_without_a_question(project_root: Path) -> None:
    """Streamlit's first start on a desktop otherwise waits for an e-mail address."""
    config = (project_root / "app/.streamlit/config.toml").read_text(encoding="utf-8")
    settings = tomllib.loads(config)
    assert settings["server"]["showEmailPrompt"] is False
    assert settings["browser"]["gatherUsageStats"] is False
