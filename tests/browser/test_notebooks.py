"""Notebooks in a real JupyterLab: the charts are drawn, and nothing is fetched from elsewhere."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Page, Route, expect

pytestmark = pytest.mark.browser

PROJECT = Path(__file__).parents[2]
NOTEBOOKS = PROJECT / "notebooks"
STARTS_WITHIN = 90.0
"""Seconds that the server may take."""
OPENS_WITHIN = 60_000
DRAWS_WITHIN = 180_000
"""Milliseconds from starting the kernel to the first chart; a busy machine imports torch slowly."""


def up_to_first_chart(name: str, folder: Path) -> Path:
    """A copy without outputs that ends with the first chart, so that nothing is trained here."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    last = next(i for i, c in enumerate(notebook.cells) if "chart" in c.metadata.get("tags", []))
    notebook.cells = notebook.cells[: last + 1]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    copy = folder / name
    nbformat.write(notebook, copy)
    return copy


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab with settings of its own: its address and its folder."""
    folder = tmp_path_factory.mktemp("lab")
    work = folder / "notebooks"
    work.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={work}", "--IdentityProvider.token="]
    own = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    own |= {name: str(folder / name) for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    env = {**os.environ, **own, "WORKBENCH_PROFILE": "fast", "PYTHONPATH": str(PROJECT)}
    env.pop("WORKBENCH_CHARTS", None)
    log = folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=work, env=env, stdout=output, stderr=output)
        try:
            wait_until_up(f"http://127.0.0.1:{port}/api/status", server, log)
            yield f"http://127.0.0.1:{port}", work
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_until_up(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers; fail with its log when it ends or stays silent."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def cut_off(page: Page) -> list[str]:
    """Let a page reach this machine only; gives the list of what it asked for elsewhere."""
    refused: list[str] = []

    def decide(route: Route) -> None:
        if urlsplit(route.request.url).hostname in {"127.0.0.1", None}:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    page.route("**/*", decide)
    return refused


def run_all(page: Page) -> None:
    """Choose "Run All Cells" in the menu once the kernel is there; before, a dialog would ask."""
    ready = page.locator('.jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status="idle"]')
    expect(ready).to_be_visible(timeout=OPENS_WITHIN)
    expect(page.get_by_role("button", name="| Idle")).to_be_visible(timeout=OPENS_WITHIN)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


@pytest.mark.parametrize("name", ["01_long_tail_and_over_reliance.ipynb", "03_feature_mask.ipynb"])
def test_first_chart_is_drawn_without_a_network(
    name: str, lab: tuple[str, Path], browser: Browser
) -> None:
    address, folder = lab
    up_to_first_chart(name, folder)
    page = browser.new_page(viewport={"width": 1366, "height": 1000})
    refused = cut_off(page)
    # A workspace of its own: the default one would open the other test's notebook as well.
    page.goto(f"{address}/lab/workspaces/{name[:2]}/tree/{name}")
    panel = page.locator(".jp-NotebookPanel")
    expect(panel.locator(".jp-CodeCell").first).to_be_visible(timeout=OPENS_WITHIN)
    run_all(page)
    chart = panel.locator(".jp-OutputArea-output .vega-embed svg").first
    expect(chart).to_be_visible(timeout=DRAWS_WITHIN)
    expect(chart.locator(".role-mark path").first).to_be_attached()
    # A chart that JupyterLab cannot draw leaves a line of text or an error instead.
    expect(panel.locator('[data-mime-type="application/vnd.jupyter.stderr"]')).to_have_count(0)
    expect(panel.locator('[data-mime-type="application/vnd.jupyter.error"]')).to_have_count(0)
    assert refused == []
    page.close()
