"""Which outputs are kept, what counts as a problem, and that the committed notebooks have none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from notebooks import render

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'


def output(**data: str) -> NotebookNode:
    types = {"svg": "image/svg+xml", "html": "text/html", "text": "text/plain"}
    named = {types[name]: value for name, value in data.items()}
    return nbformat.v4.new_output("execute_result", data=named, execution_count=3)


def notebook_with(*outputs: NotebookNode, code: str = "1 + 1", **metadata: Any) -> NotebookNode:
    cell = nbformat.v4.new_code_cell(code, outputs=list(outputs), execution_count=3, id="c02")
    text = nbformat.v4.new_markdown_cell("# Title", id="c01")
    return nbformat.v4.new_notebook(cells=[text, cell], metadata=metadata)


def write(notebook: NotebookNode, folder: Path) -> Path:
    path = folder / "01_test.ipynb"
    nbformat.write(notebook, path)
    return path


def test_only_pictures_and_their_text_survive() -> None:
    printed = nbformat.v4.new_output("stream", name="stdout", text="0.5")
    chart = output(svg=SVG, text="alt.Chart(...)", html="<b>chart</b>")
    notebook = render.strip(notebook_with(printed, chart, output(text="2"), widgets={"state": 1}))
    (kept,) = notebook.cells[1].outputs
    assert kept.output_type == "display_data"
    assert dict(kept.data) == {"image/svg+xml": SVG, "text/plain": "alt.Chart(...)"}
    assert notebook.cells[1].execution_count is None
    assert "widgets" not in notebook.metadata


def test_digest_follows_the_code_and_nothing_else() -> None:
    notebook = notebook_with(code="a = 1")
    before = render.digest(notebook)
    notebook.cells[0].source = "# Another title"
    notebook.cells[1].outputs = [output(svg=SVG)]
    assert render.digest(notebook) == before
    notebook.cells[1].source = "a = 2"
    assert render.digest(notebook) != before


def test_a_stripped_notebook_has_no_problem(tmp_path: Path) -> None:
    path = write(render.strip(notebook_with(output(svg=SVG))), tmp_path)
    assert render.problems(path) == []


def test_problems_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = render.strip(notebook_with(output(svg=SVG)))
    notebook.cells[1].source = "2 + 2"
    notebook.cells[1].outputs = [output(text="4")]
    path = write(notebook, tmp_path)
    monkeypatch.setattr(render, "LARGEST", 100)
    size = path.stat().st_size
    assert render.problems(path) == [
        f"{size:,} bytes; 100 are allowed",
        "cell 1 has an output other than a picture: ['text/plain']",
        "no picture",
        "the code has changed since the pictures were drawn",
    ]


def test_render_runs_the_code_and_keeps_the_picture(tmp_path: Path) -> None:
    code = f"from IPython.display import SVG, display\nprint(1)\ndisplay(SVG('{SVG}'))"
    path = write(notebook_with(code=code), tmp_path)
    render.render(path)
    notebook = nbformat.read(path, as_version=4)
    (kept,) = notebook.cells[1].outputs
    assert "<svg" in kept.data["image/svg+xml"]
    assert render.problems(path) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings; warnings.warn('mind the gap')", "cell 1 writes to standard error"),
    ],
)
def test_a_failing_or_warning_notebook_is_left_as_it_was(
    code: str, message: str, tmp_path: Path
) -> None:
    path = write(notebook_with(code=code), tmp_path)
    before = path.read_bytes()
    with pytest.raises(render.RenderError, match=message):
        render.render(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_names_choose_notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("01_a.ipynb", "02_b.ipynb"):
        (tmp_path / name).touch()
    monkeypatch.setattr(render, "FOLDER", tmp_path)
    assert [path.name for path in render.chosen([])] == ["01_a.ipynb", "02_b.ipynb"]
    assert [path.name for path in render.chosen(["02", "notebooks/02_b.ipynb"])] == ["02_b.ipynb"]
    with pytest.raises(render.RenderError, match="no notebook starts with '07'"):
        render.chosen(["07"])


def test_check_reports_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(notebook_with(output(text="2")), tmp_path)
    monkeypatch.setattr(render, "FOLDER", tmp_path)
    assert render.main(["--check"]) == 1
    assert "01_test.ipynb: cell 1 has an output other than a picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    "path", sorted(render.FOLDER.glob("*.ipynb")), ids=lambda path: path.stem[:2]
)
def test_committed_notebooks_have_no_problem(path: Path) -> None:
    assert render.problems(path) == [], f"run: python notebooks/render.py {path.name}"
