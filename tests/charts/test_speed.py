"""Speed beside other libraries: the panels, the goals, and what the sentence says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.charts.test_style import contrast, theme
from workbench.charts import speed
from workbench.errors import InputError


def row(model: str, peer: str, ratio: float, **named: Any) -> dict[str, Any]:
    values = {"name": speed.TRAINING, "model": model, "peer": peer, "batch_size": 4096}
    values |= {"mode": "float32", "goal": 1.5, "fastest": True, "rounds": 3, "device": "cpu"}
    values |= {"ratio": ratio, "ratio_low": ratio - 0.1, "ratio_high": ratio + 0.1}
    values |= {"machine": {"cpu": "A(R) chip CPU"}, "ours": ratio * 50_000, "theirs": 50_000}
    return values | named


ROWS = [
    row("fm", "fuxictr", 3.2, goal=3.0),
    row("dcn_v2", "fuxictr", 1.25),
    row("dcn_v2", "recbole", 2.0, fastest=False),
    row("dcn_v2", "fuxictr", 1.75, batch_size=256),
    row("dcn_v2", "fuxictr", 3.5, mode="bf16", goal=3.0),
    {"name": "files to ready tensors", "peer": "recbole", "ratio": 11.0},
]


def test_the_frame_has_training_speeds_only_in_a_fixed_order() -> None:
    frame = speed.frame(ROWS)
    found = list(zip(frame["place"], frame["model"], frame["library"], strict=True))
    assert found == [
        ("A chip, batch of 256 samples", "DCN-V2", "FuxiCTR"),
        ("A chip, batch of 4,096 samples", "DCN-V2", "FuxiCTR"),
        ("A chip, batch of 4,096 samples", "DCN-V2", "RecBole"),
        ("A chip, batch of 4,096 samples", "FM", "FuxiCTR"),
        ("A chip, batch of 4,096 samples, bf16 here", "DCN-V2", "FuxiCTR"),
    ]
    assert frame["low"].tolist() == pytest.approx([1.65, 1.15, 1.9, 3.1, 3.4])


def test_nothing_measured_is_an_empty_frame() -> None:
    assert speed.frame(ROWS[-1:]).empty


def test_the_sentence_names_the_fastest_library_and_counts_the_goals() -> None:
    text = speed.sentence(ROWS)
    assert "A chip, batch of 256 samples: DCN-V2 1.75 times as fast as FuxiCTR." in text
    assert "DCN-V2 1.25 times as fast as FuxiCTR and FM 3.20 times as fast as FuxiCTR." in text
    assert "RecBole" not in text
    # 1.25 misses 1.5; 1.75 of 1.5, 3.2 of 3 and 3.5 of 3 are met.
    assert text.endswith("met: 3 of 4.")


def test_a_panel_per_mode_and_batch_size_on_one_scale(svg: Callable[[Any], str]) -> None:
    chart = speed.chart(ROWS, "Speed")
    drawn = chart.to_dict()
    lines = [[panel["title"]["text"] for panel in line["hconcat"]] for line in drawn["vconcat"]]
    assert lines == [
        ["A chip, batch of 256 samples", "A chip, batch of 4,096 samples"],
        ["A chip, batch of 4,096 samples, bf16 here"],
    ]
    panels = [panel for line in drawn["vconcat"] for panel in line["hconcat"]]
    rules = [panel["layer"][0]["encoding"]["x"]["scale"] for panel in panels]
    # A tenth more than the highest end of a range, which is 3.6.
    assert [rule["domain"] for rule in rules] == 3 * [[0, pytest.approx(3.96)]]
    assert drawn["description"] == speed.sentence(ROWS)
    picture = svg(chart)
    assert all(word in picture for word in ("FuxiCTR", "RecBole", "DCN-V2", "FM"))


def test_a_library_keeps_its_colour_and_shape() -> None:
    drawn = speed.chart([row("fm", "recbole", 2.0)]).to_dict()
    alone = drawn["vconcat"][0]["hconcat"][0]["layer"][3]
    assert alone["encoding"]["color"]["scale"]["range"] == [speed.COLOURS["recbole"]]
    assert alone["encoding"]["shape"]["scale"]["range"] == [speed.SHAPES["recbole"]]
    assert len(set(speed.COLOURS.values())) == len(speed.COLOURS)
    assert len(set(speed.SHAPES.values())) == len(speed.SHAPES)
    assert set(speed.COLOURS) == set(speed.SHAPES)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("colour", speed.COLOURS.values())
def test_colours_are_seen_on_both_themes(mode: str, colour: str) -> None:
    assert contrast(colour, theme()[mode]["backgroundColor"]) >= 2.8


def test_rows_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    path.write_text(json.dumps({"rows": ROWS}), encoding="utf-8")
    assert speed.read(path) == ROWS


@pytest.mark.parametrize("text", ["", "[]", '{"rows": 3}', '{"rows": [1]}', '{"cells": []}'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "speed.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"speed\.json: not a file of speeds \(.*move it away"):
        speed.read(path)


def test_the_recorded_figures_can_be_drawn(project_root: Path) -> None:
    path = project_root / "data" / "results" / "speed.json"
    if not path.exists():
        pytest.skip("no recorded speeds: tests/benchmarks/merge_speed.py writes them")
    rows = speed.read(path)
    drawn = json.dumps(speed.chart(rows).to_dict())
    assert all(speed.PEER_NAMES[str(peer)] in drawn for peer in speed.frame(rows)["peer"])


def test_a_gpus_rows_are_in_the_table_and_not_among_those_of_the_processor() -> None:
    gpu = row("dcn_v2", "recbole", 25.0, device="NVIDIA H100", goal=20.0, unit="samples/s")
    assert speed.frame([*ROWS, gpu]).equals(speed.frame(ROWS))
    (line,) = speed.markdown([gpu]).splitlines()[6:]
    assert "float32, NVIDIA H100" in line
    assert "25.00 (24.90 to 25.10) | 20 |" in line
