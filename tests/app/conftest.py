"""The app on fake runs, driven without a browser."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.fake_runs import make_fake_run
from workbench.runs import RunStore

APP = Path(__file__).parents[2] / "app"
# Streamlit puts the folder of the main script on the path; tests of single parts need it too.
sys.path.insert(0, str(APP))

Open = Callable[..., AppTest]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four variants in two seeds, finished."""
    folder = tmp_path_factory.mktemp("store")
    runs = RunStore(folder)
    for seed in (0, 1):
        for variant in ("base", "mask", "adapter", "full"):
            make_fake_run(runs, variant=variant, seed=seed, name=f"{variant}-s{seed}")
    return folder


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a page of the app on some run folders: ``open_app(folder, page, **parameters)``."""

    def open_page(*folders: Path, page: str = "start", **parameters: Any) -> AppTest:
        monkeypatch.setenv("WORKBENCH_RUNS", ":".join(str(folder) for folder in folders))
        app = AppTest.from_file(str(APP / "main.py"), default_timeout=120)
        for name, value in parameters.items():
            app.query_params[name] = value
        app.run()
        if page != "start":
            # The harness knows the pages only after the first run.
            app.switch_page(f"views/{page}.py").run()
        assert not app.exception, app.exception
        return app

    st.cache_data.clear()
    yield open_page
    st.cache_data.clear()


@pytest.fixture
def specs() -> Callable[[AppTest], list[dict[str, Any]]]:
    """The chart specifications of a page, in order."""

    def read(app: AppTest) -> list[dict[str, Any]]:
        return [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]

    return read


@pytest.fixture
def text() -> Callable[[AppTest], str]:
    """All that the page says, sidebar included."""

    def read(app: AppTest) -> str:
        kinds = (app.title, app.header, app.markdown, app.caption, app.info, app.warning, app.error)
        values = [element.value for kind in kinds for element in kind]
        values += [element.value for element in app.code]
        return "\n".join(values)

    return read
