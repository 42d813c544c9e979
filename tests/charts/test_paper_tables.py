"""The forest plot of a table of the paper."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.charts import paper_tables, style


def cell(model: str, variant: str, lift: float, half: float, **named: Any) -> dict[str, Any]:
    base = 0.8
    values = {"data": "movielens-1m", "preset": "paper", "model": model, "variant": variant}
    values |= {"seeds": [0, 1], "rows": 200, "base_auc_mean": base, "auc_mean": base * (1 + lift)}
    values |= {"delta_auc": base * lift, "rela_impr": lift, "paper_rela_impr": None}
    values |= {"ci_low": base * (lift - half), "ci_high": base * (lift + half)}
    return values | named


BASE = {"data": "movielens-1m", "preset": "paper", "model": "fm", "variant": "base"}
CELLS = [
    BASE,
    cell("fm", "full", 0.004, 0.001, paper_rela_impr=0.0053),
    cell("dcn_v2", "full", -0.001, 0.0005, paper_rela_impr=0.0024),
    cell("two_tower", "ssl", 0.0001, 0.001, preset="tuned"),
]


def test_the_frame_has_fractions_and_no_base() -> None:
    frame = paper_tables.frame(CELLS)
    assert frame["row"].tolist() == ["FM", "DCN-V2", "Two-tower"]
    assert frame["low"].tolist() == pytest.approx([0.003, -0.0015, -0.0009])
    assert frame["paper"].isna().tolist() == [False, False, True]
    assert frame["name"].tolist() == ["AdaF2M2", "AdaF2M2", "Self-supervised"]


def test_a_panel_per_data_and_preset_with_fixed_colours() -> None:
    drawn = paper_tables.chart(CELLS, "Table").to_dict()
    titles = [panel["title"]["text"] for panel in drawn["vconcat"]]
    assert titles == ["movielens-1m, preset paper", "movielens-1m, preset tuned"]
    scale = drawn["vconcat"][0]["layer"][1]["encoding"]["color"]["scale"]
    assert scale["range"] == [style.COLOURS["full"], style.COLOURS["ssl"]]
    diamonds = drawn["vconcat"][0]["layer"][3]
    assert diamonds["mark"]["shape"] == "diamond"
    assert diamonds["encoding"]["x"]["field"] == "paper"


def test_panels_share_the_scale_and_give_room_only_to_methods_they_have() -> None:
    drawn = paper_tables.chart(CELLS, "A title " * 20).to_dict()
    assert drawn["resolve"]["scale"] == {"x": "shared", "yOffset": "independent"}
    domains = [
        panel["layer"][1]["encoding"]["yOffset"]["scale"]["domain"] for panel in drawn["vconcat"]
    ]
    assert domains == [["AdaF2M2"], ["Self-supervised"]]
    assert max(map(len, drawn["title"]["text"])) <= paper_tables.LINE


def test_the_sentence_names_gains_losses_and_the_papers_range() -> None:
    assert paper_tables.sentences(CELLS) == [
        "movielens-1m, preset paper: better than the base FM with AdaF2M2 +0.40%; "
        "worse DCN-V2 with AdaF2M2 -0.10%.",
        "movielens-1m, preset tuned: "
        "no difference shows for Two-tower with Self-supervised +0.01%.",
        "The paper's lifts there are +0.24% to +0.53% (diamonds).",
    ]
    assert paper_tables.sentence(CELLS) == " ".join(paper_tables.sentences(CELLS))


def test_the_sentences_name_the_variant_only_where_there_are_several() -> None:
    (told,) = paper_tables.sentences([cell("fm", "full", 0.004, 0.001)])
    assert told == "movielens-1m, preset paper: better than the base FM +0.40%."


def test_intervals_may_be_missing() -> None:
    frame = paper_tables.frame([cell("fm", "full", 0.1, 0.1, ci_low=None, ci_high=None)])
    assert frame["low"].isna().all()
    assert "no difference shows for FM" in paper_tables.sentence(
        [cell("fm", "full", 0.1, 0.1, ci_low=None)]
    )
