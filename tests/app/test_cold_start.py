"""The cold-start simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.app.models import DEMO, FULL, rows_of, trained, url
from workbench.insight import cold_start, people, ranking


def test_the_page_opens_with_lists_weights_and_overlap(
    open_app: Any, specs: Any, text: Any
) -> None:
    app = open_app(DEMO, page="cold_start", user="500")
    # Overlap, and a panel for each ID feature; two of the four runs have an adapter.
    assert len(specs(app)) == 5
    assert len(app.dataframe) == 4
    assert "Of the list with the whole history" in text(app)
    assert "an upper bound" in text(app)
    assert {spec.get("title", {}).get("text") for spec in specs(app)[1:]} == {
        "User ID",
        "Item ID",
        "Artist ID",
        "History",
    }


def test_the_numbers_are_the_engines(open_app: Any) -> None:
    app = open_app(DEMO, page="cold_start", user="500", length="3", leave_out="no")
    model, dataset = trained()
    sample = int(url(app)["row"][0])
    past = cold_start.past_of(dataset, int(dataset.users[sample]))
    items = ranking.catalogue(dataset)
    weights, lists, overlap = cold_start.simulate(model, dataset, items, past, sample)
    charts = app.get("vega_lite_chart")
    shown = rows_of(charts[0])
    own = shown[shown["variant"] == "full"]
    assert own["overlap"].tolist() == overlap["overlap"].tolist()
    shown = rows_of(charts[1])
    expected = weights[weights["feature"] == "user_id"]["weight"]
    assert shown[shown["variant"] == "full"]["weight"].tolist() == expected.tolist()
    table = app.dataframe[3].value  # the full framework comes last
    assert table["item"].tolist() == lists[lists["length"] == 3]["key"].tolist()


def test_the_slider_moves_list_and_address(open_app: Any, text: Any) -> None:
    app = open_app(DEMO, page="cold_start", user="500")
    before = app.dataframe[0].value
    app.select_slider(key="length").set_value("20").run()
    assert url(app)["length"] == ["20"]
    assert "Top 10 after 20 training samples" in [header.value for header in app.subheader]
    assert not before.equals(app.dataframe[0].value)


def test_a_link_opens_the_view_it_was_copied_from(open_app: Any, text: Any, specs: Any) -> None:
    link = {
        "user": "500",
        "length": "5",
        "identity_kept": "unseen",
        "leave_out": "no",
        "feature": "genre",
    }
    app = open_app(DEMO, page="cold_start", **link)
    assert {name: url(app)[name] for name in link} == {name: [v] for name, v in link.items()}
    assert "a lower bound" in text(app)
    assert [spec.get("title", {}).get("text") for spec in specs(app)[1:]] == ["Genre"]


def test_a_user_without_history_has_nothing_to_cut(open_app: Any, text: Any) -> None:
    table = people.user_table(trained().dataset)
    user = int(people.find_users(table, order="newest")["user"].iloc[0])
    app = open_app(DEMO, page="cold_start", who=str(user))
    assert "there is no history to cut" in text(app)
    assert not [slider for slider in app.select_slider if slider.key == "length"]
    assert len(app.dataframe) == 4


def test_runs_without_an_adapter_have_lists_only(open_app: Any, text: Any, specs: Any) -> None:
    app = open_app(DEMO, page="cold_start", user="500", runs="planted-dcn_v2-mask-s0")
    assert "None of the picked runs has an adapter" in text(app)
    assert len(specs(app)) == 1
    assert len(app.dataframe) == 2


def test_without_runs_the_page_says_how_to_get_some(
    tmp_path: Path, open_app: Any, text: Any
) -> None:
    assert "make demo" in text(open_app(tmp_path / "nothing", page="cold_start"))


def test_every_figure_can_be_saved(open_app: Any) -> None:
    app = open_app(DEMO, page="cold_start", runs=FULL)
    assert [one.proto.label for one in app.get("download_button")] == [
        "cold start weights.csv",
        "cold start top 10.csv",
        "cold start overlap.csv",
    ]
