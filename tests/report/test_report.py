"""The report of a comparison: complete, honest about what it compares, and inert."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import make_fake_run
from workbench.cli import main
from workbench.errors import InputError
from workbench.insight.compare import compare
from workbench.report.page import report_html, write_report
from workbench.runs import Run, RunStore

REPLICATES = 50


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    runs = RunStore(tmp_path_factory.mktemp("runs"))
    for variant in ("base", "mask", "full"):
        make_fake_run(runs, variant=variant, seed=0, name=variant)
    make_fake_run(runs, variant="full", seed=1, name="going", state="running")
    return runs


@pytest.fixture(scope="module")
def html(store: RunStore) -> str:
    return report_html(
        store.open("base"), [store.open("mask"), store.open("full")], replicates=REPLICATES
    )


def specs_of(html: str) -> list[dict[str, Any]]:
    (text,) = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', html, re.S)
    found: list[dict[str, Any]] = json.loads(text)
    return found


def test_every_question_is_answered(html: str) -> None:
    written = html.partition("<script")[0]
    titles = re.findall(r"<h2>(.*?)</h2>", written)
    assert titles == [
        "Is it better?",
        "What was changed?",
        "For which users?",
        "How are features weighed?",
        "Do head users&#x27; ID embeddings grow larger?",
        "Are the probabilities right?",
        "How did training go?",
        "Configs",
    ]
    places = re.findall(r'id="chart-(\d+)"', html)
    assert [int(place) for place in places] == list(range(len(specs_of(html))))


def test_numbers_are_those_of_compare(html: str, store: RunStore) -> None:
    (result,) = compare(store.open("base"), [store.open("full")], replicates=REPLICATES)
    assert f"<td>{result['delta_auc']:+.4f}</td>" in html
    assert f"{result['ci_low']:+.4f} to {result['ci_high']:+.4f}" in html


def test_nothing_is_fetched(html: str) -> None:
    before, _, after = html.partition('<script type="module">')
    script, _, tail = after.partition("</script>")
    assert len(script) > 500_000
    # Specifications name their schema by its address, which nothing opens.
    rest = re.sub(r"https://vega\.github\.io/schema/[\w/.-]+", "", before + tail)
    assert "http://" not in rest
    assert "https://" not in rest
    assert "default-src 'none'" in before


def test_names_from_outside_cannot_become_markup(store: RunStore, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    run = store.open("full")

    class Named(Run):
        @property
        def name(self) -> str:
            return evil

    html = report_html(
        store.open("base"),
        [Named(run.path, None, run.summary, run.config, run.status)],
        replicates=REPLICATES,
    )
    assert evil not in html
    assert "alert(1)</script>" not in html


def test_only_finished_runs(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run 'going' is (running|interrupted)"):
        write_report(store.open("base"), [store.open("going")], tmp_path / "r.html")
    with pytest.raises(InputError, match="at least one run"):
        write_report(store.open("base"), [], tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_command_writes_the_file(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "report.html"
    options = ["--runs", str(store.root), "--out", str(out), "--replicates", str(REPLICATES)]
    assert main(["report", "base", "full", *options]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(out) in capsys.readouterr().err
    assert main(["report", "base", "none", *options]) == 2


def test_a_folder_that_cannot_be_written_is_one_line(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written"):
        write_report(
            store.open("base"),
            [store.open("mask")],
            tmp_path / "file" / "r.html",
            replicates=REPLICATES,
        )
