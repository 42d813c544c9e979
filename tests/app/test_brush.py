"""Gestures on charts: what they add to a specification, and what they set."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from components import brush

from tests.fake_runs import make_fake_run
from workbench.charts import style
from workbench.runs import RunStore

ROWS = [{"bucket": "0", "title": "User ID"}, {"bucket": "3-9", "title": "Age"}]


def forest() -> dict[str, Any]:
    """A rule at zero, and a point per row."""
    mark = {"type": "point", "filled": True}
    y = {"field": "bucket", "type": "ordinal", "sort": ["0", "3-9"]}
    return {
        "datasets": {"rows": ROWS, "zero": [{"zero": 0}]},
        "layer": [
            {"data": {"name": "zero"}, "mark": "rule", "encoding": {"x": {"field": "zero"}}},
            {"data": {"name": "rows"}, "mark": mark, "encoding": {"y": y}},
        ],
    }


def url(app: Any) -> dict[str, list[str]]:
    """The parameters of the address."""
    return {k: v if isinstance(v, list) else [v] for k, v in app.query_params.items()}


def act(app: Any, key: str, **selection: Any) -> None:
    """Do something on a chart, as the browser would tell it."""
    app.session_state[key] = {"selection": selection}
    app.run()
    assert not app.exception, app.exception


def all_params(spec: Any) -> list[dict[str, Any]]:
    """The parameters anywhere in a specification."""
    if isinstance(spec, list):
        return [param for part in spec for param in all_params(part)]
    if not isinstance(spec, dict):
        return []
    own = spec.get("params", [])
    return own + [p for key, part in spec.items() if key != "params" for p in all_params(part)]


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("0", (0, 0)),
        ("3-9", (3, 9)),
        ("3-9: 1,200 users, 4 rows", (3, 9)),
        ("1000+", (1000, math.inf)),
        ("all", (0, math.inf)),
        ("all users", (0, math.inf)),
        ("whole", None),
        ("", None),
        ("3-x", None),
    ],
)
def test_a_bucket_is_known_by_its_name(name: str, bounds: tuple[float, float] | None) -> None:
    assert brush.bounds_of(name) == bounds


def test_rows_of_buckets_answer_to_a_drag_and_a_click() -> None:
    given = forest()
    spec, names = brush.with_gestures(given, brush.buckets("y"))
    assert names == ["slice", "pick"]
    hit, rule, points = spec["layer"]
    assert rule == given["layer"][0]
    # The drag belongs to the layer that has the buckets, the click to an area as high as a row.
    assert points["params"][0]["select"]["encodings"] == ["y"]
    assert hit["data"] == {"name": "rows"}
    assert hit["encoding"] == {"y": given["layer"][1]["encoding"]["y"]}
    assert hit["mark"]["fill"] == "transparent"
    assert hit["params"][0]["select"]["fields"] == ["bucket"]
    assert given == forest()


def test_a_chart_without_the_field_gets_no_gesture() -> None:
    spec, names = brush.with_gestures(forest(), [brush.features("x", ["user_id"])])
    assert names == []
    assert all_params(spec) == []


def test_the_marks_of_a_panel_answer_in_its_place() -> None:
    spec, names = brush.with_gestures(forest(), [brush.panel('it\'s "x"')])
    assert names == ["pick"]
    hit, *others = spec["layer"]
    assert hit["data"]["values"] == [{"panel": 'it\'s "x"'}]
    for layer in others:
        (own,) = layer["transform"]
        assert json.loads(own["calculate"]) == 'it\'s "x"'
        assert own["as"] == "panel"


def test_each_panel_of_a_facet_answers() -> None:
    inner = {"mark": "line", "encoding": {"x": {"field": "step"}}}
    facet = {"facet": {"field": "title"}, "spec": inner, "data": {"values": ROWS}}
    spec, names = brush.with_gestures(facet, [brush.features(None, ["user_id"])])
    assert names == ["pick"]
    hit, lines = spec["spec"]["layer"]
    assert hit["transform"] == [{"aggregate": [], "groupby": ["title"]}]
    assert lines["encoding"] == inner["encoding"]


def test_the_band_has_the_colour_of_the_slice() -> None:
    assert brush.SLICE_COLOUR == style.SLICE


def test_a_drag_over_buckets_sets_the_range_of_every_page(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket")
    act(app, "auc_auc_delta_0", slice={"bucket": ["3-9", "10-29"]})
    assert url(app)["activity"] == ["3", "30"]
    app.switch_page("views/adapter_weights.py").run()
    assert url(app)["activity"] == ["3", "30"]


def test_a_click_sets_one_bucket_and_all_users_again(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket")
    act(app, "auc_auc_delta_0", pick=[{"bucket": "10-29"}])
    assert url(app)["activity"] == ["10", "30"]
    # The chart has another key now: its old selection does not come back.
    act(app, "auc_auc_delta_0~1", pick=[{"bucket": "all"}])
    assert url(app)["activity"] == ["0", "no limit"]


def test_a_drag_wins_over_the_click_that_it_ends_in(store: Path, open_app: Any) -> None:
    app = open_app(store, page="adapter_weights")
    key = "weights_weight_None_0"
    act(app, key, slice={"activity": [4.2, 57.3]}, pick=[{"panel": "user_id"}])
    assert url(app)["activity"] == ["3", "100"]
    assert url(app)["feature"] == ["all"]


def test_a_click_on_a_panel_sets_its_feature_and_takes_it_back(store: Path, open_app: Any) -> None:
    app = open_app(store, page="adapter_weights")
    act(app, "weights_weight_None_0", slice={}, pick=[{"panel": "user_id"}])
    assert url(app)["feature"] == ["user_id"]
    assert len(app.get("vega_lite_chart")) == 1
    act(app, "weights_weight_user_id_0", pick=[{"panel": "user_id"}])
    assert url(app)["feature"] == ["all"]


def test_the_heat_map_sets_range_and_feature(store: Path, open_app: Any) -> None:
    app = open_app(store, page="adapter_weights", view="By activity and popularity", heat="item_id")
    act(app, "heatmap_item_id", slice={"user_bucket": ["1-2", "3-9"]})
    assert url(app)["activity"] == ["1", "10"]
    assert url(app)["feature"] == ["item_id"]


def test_a_click_on_a_user_sets_the_user(store: Path, open_app: Any) -> None:
    app = open_app(store, page="id_norms")
    act(app, "users", pick=[{"code": 5}])
    assert url(app)["user"] == ["5"]
    (button,) = [button for button in app.button if button.label == "Anybody"]
    button.click().run()
    assert url(app)["user"] == [""]


@pytest.mark.parametrize(
    ("page", "key", "selection", "name", "value"),
    [
        ("id_norms", "norms_user_id_0", {"slice": {"activity": [1, 20]}}, "activity", ["1", "30"]),
        ("id_norms", "norms_user_id_1", {"pick": [{"panel": "user_id"}]}, "feature", ["user_id"]),
        ("planted_truth", "planted_6_0", {"slice": {"activity": [0, 2]}}, "activity", ["0", "3"]),
        ("planted_truth", "planted_6_5", {"pick": [{"panel": "genres"}]}, "feature", ["genres"]),
    ],
)
def test_other_charts_set_their_part(
    page: str,
    key: str,
    selection: dict[str, Any],
    name: str,
    value: list[str],
    store: Path,
    open_app: Any,
) -> None:
    app = open_app(store, page=page)
    act(app, key, **selection)
    assert url(app)[name] == value


def test_calibration_by_activity(store: Path, open_app: Any) -> None:
    app = open_app(store, page="calibration", view="By activity")
    act(app, "calibration_ece_0", slice={"name": ["30-99: 12 users, 300 rows"]})
    assert url(app)["activity"] == ["30", "100"]


def test_what_means_nothing_sets_nothing(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket")
    before = url(app)
    listened = app.session_state["_listening"]["auc_auc_delta_0"]
    drag, click = listened[1]
    assert not drag.take({"bucket": []})
    assert not click.take([{"bucket": None}, {}])
    assert url(app.run()) == before


def test_a_feature_that_the_data_lack_is_no_feature(tmp_path: Path, open_app: Any) -> None:
    make_fake_run(RunStore(tmp_path), variant="base", name="base")
    make_fake_run(RunStore(tmp_path), variant="full", name="full")
    app = open_app(tmp_path, page="adapter_weights")
    assert not brush.panel("gone").take([{"panel": "user_id"}])
    assert url(app)["feature"] == ["all"]
