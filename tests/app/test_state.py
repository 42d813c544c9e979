"""The state in the URL: a copied link opens the same view."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import make_fake_run
from workbench.runs import RunStore


def url(app: Any) -> dict[str, list[str]]:
    """The parameters as lists, whichever form the harness keeps them in."""
    return {
        name: [value] if isinstance(value, str) else list(value)
        for name, value in app.query_params.items()
    }


def test_the_whole_state_stands_in_the_url(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket")
    assert url(app) == {
        "data": ["planted"],
        "base": ["base-s0"],
        "runs": ["mask-s0", "adapter-s0", "full-s0"],
        "seeds": ["yes"],
        "activity": ["0", "no limit"],
        "feature": ["all"],
        "user": [""],
        "metric": ["auc"],
        "mode": ["delta"],
    }


def test_a_link_opens_the_view_it_was_copied_from(store: Path, open_app: Any) -> None:
    link = {
        "data": "planted",
        "base": "mask-s1",
        "runs": ["full-s1", "base-s1"],
        "seeds": "no",
        "activity": ["3", "100"],
        "feature": "item_id",
        "user": "7",
        "metric": "uauc",
        "mode": "absolute",
    }
    app = open_app(store, page="auc_by_bucket", **link)
    assert app.selectbox(key="base").value == "mask-s1"
    assert app.multiselect(key="runs").value == ["full-s1", "base-s1"]
    assert app.toggle(key="seeds").value is False
    assert app.select_slider(key="activity").value == ("3", "100")
    assert url(app) == {k: [v] if isinstance(v, str) else v for k, v in link.items()}


def test_changes_reach_the_url(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket")
    app.selectbox(key="base").set_value("mask-s1")
    app.toggle(key="seeds").set_value(False)
    app.run()
    assert url(app)["base"] == ["mask-s1"]
    assert url(app)["seeds"] == ["no"]
    # The candidates are still the picked ones, but a run is not compared with itself.
    assert url(app)["runs"] == ["adapter-s0", "full-s0"]


def test_pages_share_the_sidebar_and_remember_their_own_state(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket", metric="uauc", base="mask-s0")
    app.switch_page("views/id_norms.py").run()
    assert url(app)["base"] == ["mask-s0"]
    assert "metric" not in url(app)
    app.switch_page("views/auc_by_bucket.py").run()
    assert url(app)["metric"] == ["uauc"]


def test_an_empty_choice_is_kept(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket")
    app.multiselect(key="runs").set_value([]).run()
    assert url(app)["runs"] == [""]
    app.switch_page("views/id_norms.py").run()
    assert app.multiselect(key="runs").value == []


def test_a_link_to_runs_that_are_gone_says_so(store: Path, open_app: Any, text: Any) -> None:
    app = open_app(store, base="gone", runs=["mask-s0", "also-gone"], data="elsewhere")
    assert app.selectbox(key="base").value == "base-s0"
    assert app.multiselect(key="runs").value == ["mask-s0"]
    said = text(app)
    assert "runs that are not here: 'gone', 'also-gone'" in said
    assert "data set 'elsewhere'" in said


@pytest.mark.parametrize(
    "nonsense",
    [
        {"activity": ["7", "100"]},
        {"activity": "3"},
        {"seeds": "perhaps"},
        {"metric": "accuracy"},
        {"metric": ["auc", "uauc"]},
        {"view": "<script>"},
    ],
)
def test_nonsense_in_a_link_is_ignored(nonsense: Any, store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket", **nonsense)
    assert url(app)["activity"] == ["0", "no limit"]
    assert url(app)["metric"] == ["auc"]


def test_the_back_button_brings_back_what_was(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket")
    before = url(app)
    app.selectbox(key="base").set_value("mask-s1").run()
    assert url(app) != before
    for name, values in before.items():
        app.query_params[name] = values
    app.run()
    assert app.selectbox(key="base").value == "base-s0"


def test_a_click_wins_over_a_url_that_is_one_step_behind(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket")
    old = url(app)
    app.selectbox(key="base").set_value("mask-s1").run()
    app.query_params["base"] = old["base"]
    app.toggle(key="seeds").set_value(False)
    app.run()
    assert app.selectbox(key="base").value == "mask-s1"
    assert app.toggle(key="seeds").value is False


def test_the_activity_range_cuts_the_buckets(store: Path, open_app: Any, text: Any) -> None:
    app = open_app(store, page="auc_by_bucket", activity=["3", "30"])
    (sentence,) = [line for line in text(app).split("\n") if line.startswith("- AdaF2M2")]
    assert "over all" in sentence
    assert "100-299" not in sentence
    app.get("button")[0].click().run()  # all users again
    assert url(app)["activity"] == ["0", "no limit"]


def test_both_handles_on_one_stop_mean_its_bucket(store: Path, open_app: Any, specs: Any) -> None:
    app = open_app(store, page="auc_by_bucket", activity=["3", "3"])
    sorts = [
        layer["encoding"]["y"]["sort"]
        for layer in specs(app)[0]["layer"]
        if "y" in layer["encoding"]
    ]
    assert sorts[0] == ["all", "3-9"]


def test_data_sets_are_kept_apart(store: Path, tmp_path: Path, open_app: Any, specs: Any) -> None:
    shutil.copytree(store, tmp_path, dirs_exist_ok=True)
    for variant in ("base", "full"):
        make_fake_run(RunStore(tmp_path), variant=variant, split_seed=5, name=f"other-{variant}")
    app = open_app(tmp_path, page="auc_by_bucket")
    names = app.selectbox(key="data").options
    assert sorted(names) == ["planted (split_seed = 0)", "planted (split_seed = 5)"]
    app.selectbox(key="data").set_value("planted (split_seed = 5)").run()
    assert app.selectbox(key="base").value == "other-base"
    assert app.multiselect(key="runs").value == ["other-full"]
    assert [chart["title"]["text"] for chart in specs(app)] == ["AdaF2M2"]


def test_two_folders_with_runs_of_one_name(store: Path, tmp_path: Path, open_app: Any) -> None:
    shutil.copytree(store / "full-s0", tmp_path / "full-s0")
    app = open_app(store, tmp_path, page="runs")
    names = set(app.dataframe[0].value["run"])
    assert {f"{store}/full-s0", f"{tmp_path}/full-s0", "base-s0"} <= names
    assert app.multiselect(key="folders").value == [str(store), str(tmp_path)]
    app.multiselect(key="folders").set_value([str(tmp_path)]).run()
    assert set(app.dataframe[0].value["run"]) == {"full-s0"}


def test_a_feature_of_the_sidebar_is_shown_alone(store: Path, open_app: Any, specs: Any) -> None:
    app = open_app(store, page="adapter_weights", feature="item_id")
    (panel,) = specs(app)
    assert panel["title"]["text"] == "Item ID"


@pytest.mark.parametrize("asked", ["0", "-1", "99999999", "1e3", "<b>", "1 2"])
def test_a_user_who_is_not_there_is_nobody(asked: str, store: Path, open_app: Any) -> None:
    app = open_app(store, page="id_norms", user=asked)
    assert app.text_input(key="user").value == ""
    assert url(app)["user"] == [""]
