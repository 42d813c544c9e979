"""The house style of the notebooks: short cells, equations above their code, solved exercises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

PROJECT = Path(__file__).parents[2]
PATHS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
NAMES = (
    "01_long_tail_and_over_reliance",
    "02_baselines_and_honest_metrics",
    "03_feature_mask",
    "04_state_aware_adapter",
    "05_vanishing_gradients",
    "06_full_framework_and_ablation",
    "07_cold_start_and_robustness",
    "08_alpha_k_mask_range_and_cost",
)
CELLS = range(25, 41)
SHORT = 6
"""Lines of a short cell, blank lines and comments left out."""
EQUATION_LINES = range(1, 11)
BUILDING = ("1.", "2.", "3.", "4.", "5.", "6.")
"""Notebooks that build a mechanism by hand; the last two only measure."""
PAGE = re.compile(r"http://localhost:8501/([a-z-]+)")
SUBJECTS = {
    1: {"auc-by-bucket", "id-norms", "data-card"},
    2: {"auc-by-bucket", "calibration"},
    3: {"mask-microscope"},
    4: {"adapter-weights", "what-if"},
    5: {"gradient-share"},
    6: {"paper-tables", "planted-truth"},
    7: {"cold-start", "robustness"},
    8: {"response-surface", "live-lab"},
}
"""Pages of the app on the subject of each notebook."""


def lines(cell: NotebookNode) -> int:
    """Lines of code in a cell."""
    return sum(bool(line.strip()) and line[:1] != "#" for line in cell.source.splitlines())


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code that everybody reads: no imports, no solutions."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells[1:] if "solution" not in tags(cell)]


def exercises(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode]]:
    """The numbered exercises, each with the cell below it."""
    start = next(i for i, cell in enumerate(notebook.cells) if "## Exercises" in cell.source)
    for cell, below in zip(notebook.cells[start:], notebook.cells[start + 1 :], strict=False):
        if cell.cell_type == "markdown" and re.search(r"^\*\*\d\.\*\*", cell.source, re.MULTILINE):
            yield cell, below


@pytest.fixture(params=PATHS, ids=lambda path: path.stem[:2])
def notebook(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(request.param, as_version=4)


def test_all_eight_are_here_and_the_readme_lists_them() -> None:
    assert [path.stem for path in PATHS] == list(NAMES)
    readme = (PROJECT / "README.md").read_text("utf-8")
    assert re.findall(r"\(notebooks/([\w]+)\.ipynb\)", readme) == list(NAMES)


def test_it_is_a_valid_notebook_with_a_title(notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    assert re.match(r"# \d\. ", notebook.cells[0].source)


def test_it_has_a_length_for_one_sitting(notebook: NotebookNode) -> None:
    assert len(notebook.cells) in CELLS


def test_most_cells_are_short(notebook: NotebookNode) -> None:
    sizes = [lines(cell) for cell in code_cells(notebook)]
    assert sum(size <= SHORT for size in sizes) > len(sizes) / 2
    assert max(sizes) <= 12


def test_it_begins_with_the_profile(notebook: NotebookNode) -> None:
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert "profile = teaching.begin()" in first.source


def test_an_equation_stands_above_the_lines_that_compute_it(notebook: NotebookNode) -> None:
    places = [i for i, cell in enumerate(notebook.cells) if "equation" in tags(cell)]
    assert places or not notebook.cells[0].source.removeprefix("# ").startswith(BUILDING)
    for place in places:
        above = next(c for c in reversed(notebook.cells[:place]) if c.cell_type == "markdown")
        assert "$" in above.source, f"cell {place}: no equation above"
        assert lines(notebook.cells[place]) in EQUATION_LINES


def test_the_reader_predicts_before_running(notebook: NotebookNode) -> None:
    prompts = [
        i for i, cell in enumerate(notebook.cells) if "**Predict, then run.**" in cell.source
    ]
    assert len(prompts) >= 3
    assert all(notebook.cells[place + 1].cell_type == "code" for place in prompts)


def test_claims_are_asserted(notebook: NotebookNode) -> None:
    asserting = [cell for cell in code_cells(notebook) if "assert " in cell.source]
    assert len(asserting) >= 5


def test_it_has_three_exercises_with_folded_solutions_that_run(notebook: NotebookNode) -> None:
    found = list(exercises(notebook))
    assert len(found) == 3
    for exercise, solution in found:
        assert "<details><summary>" in exercise.source
        assert "</details>" in exercise.source
        assert solution.cell_type == "code"
        assert "solution" in tags(solution)
        assert solution.metadata.jupyter.source_hidden
        assert "skip-execution" not in tags(solution)


def test_it_closes_with_links_to_pages_that_the_app_has(notebook: NotebookNode) -> None:
    names = re.findall(
        r'Page\(\s*"([a-z_]+)"', (PROJECT / "app/components/pages.py").read_text("utf-8")
    )
    pages = {name.replace("_", "-") for name in names}
    linked = set(PAGE.findall(notebook.cells[-1].source))
    assert linked <= pages
    subject = re.match(r"# (\d)\.", notebook.cells[0].source)
    assert subject
    assert linked >= SUBJECTS[int(subject[1])]


def test_cells_have_names_that_stay(notebook: NotebookNode) -> None:
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
