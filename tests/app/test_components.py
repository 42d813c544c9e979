"""Parts of the app that need no page."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pandas as pd
import pytest
from components import brush, catalogue, compute, sidebar, text

from tests.fake_runs import make_fake_run
from workbench.charts import adapter_weights
from workbench.runs import RunStore


@pytest.mark.parametrize(
    ("brushed", "stops"),
    [
        ((0.0, 0.4), ("0", "1")),
        ((-0.2, 2.0), ("0", "3")),
        ((4.2, 57.3), ("3", "100")),
        ((30.0, 99.0), ("30", "100")),
        ((500.0, 1200.0), ("300", "no limit")),
    ],
)
def test_a_brush_moves_outwards_to_bucket_edges(
    brushed: tuple[float, float], stops: tuple[str, str]
) -> None:
    assert sidebar.stops_around(*brushed) == stops


def test_a_slice_holds_buckets_by_their_start() -> None:
    some = sidebar.Slice(3, 100)
    assert [some.holds(edge) for edge in (1, 3, 30, 100)] == [False, True, True, False]
    assert some.ends == (3, 99)
    everyone = sidebar.Slice()
    assert everyone.whole
    assert everyone.ends is None
    assert sidebar.Slice(300, math.inf).ends == (300, math.inf)


def test_folders_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_RUNS", f"{tmp_path}{os.pathsep}{tmp_path / 'more'}")
    assert list(catalogue.store_folders().values()) == [tmp_path, tmp_path / "more"]


def test_default_folders_are_the_demo_runs_and_ones_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WORKBENCH_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    folders = catalogue.store_folders()
    assert next(iter(folders)) == "data/demo_runs"
    (tmp_path / "runs").mkdir()
    assert tmp_path / "runs" in catalogue.store_folders().values()


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = catalogue.read({"file": tmp_path / "file"})
    (problem,) = found.problems
    assert "cannot be read" in problem
    assert found.entries == ()


def test_labels_name_what_tells_runs_apart(tmp_path: Path) -> None:
    runs = RunStore(tmp_path)
    make_fake_run(runs, variant="full", name="one")
    make_fake_run(runs, variant="full", seed=1, name="two")
    found = catalogue.read({"store": tmp_path})
    assert found.labels(found.usable) == {"one": "AdaF2M2, seed 0", "two": "AdaF2M2, seed 1"}
    make_fake_run(runs, variant="full", name="three", overrides={"framework": {"k": 3}})
    make_fake_run(runs, variant="base", name="four", overrides={"model": {"name": "fm"}})
    found = catalogue.read({"store": tmp_path})
    assert found.labels(found.usable) == {
        "one": "AdaF2M2, youtube_dnn, seed 0 (one)",
        "three": "AdaF2M2, youtube_dnn, seed 0 (three)",
        "two": "AdaF2M2, youtube_dnn, seed 1",
        "four": "Unmasked base, fm, seed 0",
    }


def test_a_rivals_run_is_called_by_the_rivals_name(tmp_path: Path) -> None:
    runs = RunStore(tmp_path)
    make_fake_run(runs, variant="base", name="base")
    make_fake_run(runs, variant="base", name="ssl", overrides={"rival": {"name": "ssl"}})
    found = catalogue.read({"store": tmp_path})
    # Rivals come after the variants.
    assert list(found.labels(found.usable).items()) == [
        ("base", "Unmasked base, seed 0"),
        ("ssl", "Self-supervised, seed 0"),
    ]


def test_seeds_of_a_run_are_those_of_its_experiment(tmp_path: Path) -> None:
    runs = RunStore(tmp_path)
    make_fake_run(runs, variant="full", name="a", seed=3)
    make_fake_run(runs, variant="full", name="b", seed=1)
    make_fake_run(runs, variant="full", name="c", overrides={"framework": {"k": 3}})
    make_fake_run(runs, variant="full", name="d", seed=2, state="running")
    found = catalogue.read({"store": tmp_path})
    entry = next(entry for entry in found.entries if entry.key == "a")
    assert [other.key for other in found.seeds_of(entry)] == ["b", "a"]


def test_a_frame_is_computed_again_when_the_run_changes(tmp_path: Path) -> None:
    make_fake_run(RunStore(tmp_path), variant="full", name="a")
    (entry,) = catalogue.read({"store": tmp_path}).entries
    before = entry.signature
    path = tmp_path / "a" / "weights.parquet"
    os.utime(path, ns=(10**18, 10**18 * 2))
    assert entry.signature != before
    assert compute.key_of([entry, entry]) == (entry.signature,) * 2


def test_text_is_shown_as_it_is() -> None:
    assert text.escaped("a_b *c* $d$ [e](f)") == "a\\_b \\*c\\* \\$d\\$ \\[e\\](f)"


def test_a_chart_with_a_brush_of_its_own_does_not_get_a_second_one() -> None:
    frame = pd.DataFrame(
        {
            "feature": "user_id",
            "is_id": True,
            "bin": ["0", "1"],
            "order": [0, 1],
            "low": [0, 1],
            "high": [0, 1],
            "activity": [0.0, 1.0],
            "start": 0.5,
            "users": 40,
            "rows": 80,
            "enough": True,
        }
    ).assign(median=0.5, q25=0.4, q75=0.6, ci_low=0.49, ci_high=0.51)
    own = adapter_weights.panel(frame, brush=True).to_dict()
    spec, names = brush.with_gestures(own, [brush.activity()])
    assert names == ["slice"]
    assert spec["layer"] == own["layer"]
    spec, names = brush.with_gestures(adapter_weights.panel(frame).to_dict(), [brush.activity()])
    assert names == ["slice"]
    assert [param["name"] for layer in spec["layer"] for param in layer.get("params", [])] == names
