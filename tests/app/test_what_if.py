"""The what-if page: a user before and after a change, with the engine's own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.app.models import BASE, DEMO, FULL, rows_of, trained, url
from tests.fake_runs import make_fake_run
from workbench.insight import people, ranking
from workbench.runs import RunStore


def test_the_page_opens_with_a_user_weights_waterfall_and_list(
    open_app: Any, specs: Any, text: Any
) -> None:
    app = open_app(DEMO, page="what_if")
    assert len(specs(app)) == 2
    assert "The logit is" in text(app)
    assert "The largest weight is that of" in text(app)
    assert len(app.dataframe[0].value) == 10
    assert "moved" not in app.dataframe[0].value  # nothing is edited yet
    user = people.typical_user(people.user_table(trained().dataset))
    code = people.user_table(trained().dataset).loc[user, "code"]
    assert f"User {code} " in text(app)
    assert all(spec["description"] for spec in specs(app))


def test_weights_logit_and_list_are_the_engines(open_app: Any) -> None:
    model, dataset = trained()
    app = open_app(DEMO, page="what_if", user="500")
    sample = int(url(app)["row"][0])
    assert int(dataset.users[sample]) == people.user_of_code(people.user_table(dataset), 500)
    explained = model.explain(dataset.batch(torch.tensor([sample])))
    weights, parts = (rows_of(chart) for chart in app.get("vega_lite_chart"))
    shown = weights.set_index("feature")["weight"]
    for place, name in enumerate(dataset.layout.names):
        assert shown[name] == pytest.approx(float(explained.weights[0, place]), abs=1e-6)
    bars = parts.set_index("part")["value"]
    assert bars["logit"] == pytest.approx(float(explained.logit[0]), abs=1e-5)
    assert bars.drop("logit").sum() == pytest.approx(bars["logit"], abs=1e-4)
    items = ranking.catalogue(dataset)
    user = int(dataset.users[sample])
    logits = ranking.score_items(model, dataset, ranking.request_of(dataset, sample), items)
    top = ranking.top_items(logits, items, seen=ranking.seen_items(dataset, user), leave_out=True)
    assert app.dataframe[0].value["item"].tolist() == top["key"].tolist()


def test_a_link_opens_the_view_it_was_copied_from(open_app: Any, text: Any) -> None:
    link = {
        "user": "500",
        "run": FULL,
        "user_id:impression": "300",
        "norm": "2",
        "identity": "other",
        "other": "7",
        "leave_out": "no",
        "item": "515",
    }
    app = open_app(DEMO, page="what_if", **link)
    found = url(app)
    assert {name: found[name] for name in link} == {name: [v] for name, v in link.items()}
    assert app.select_slider(key="norm").value == "2"
    assert app.select_slider(key="user_id:impression").value == "300"
    assert "weights of 10 change" in text(app)
    states = set(rows_of(app.get("vega_lite_chart")[0])["state"])
    assert states == {"as it is", "edited"}
    assert "moved" in app.dataframe[0].value
    assert "user's own" in app.dataframe[0].value


def test_a_slider_changes_weights_and_address(open_app: Any, text: Any) -> None:
    app = open_app(DEMO, page="what_if", user="500")
    app.select_slider(key="user_id:impression").set_value("500").run()
    assert url(app)["user_id:impression"] == ["500"]
    assert "change:" in text(app) or "changes:" in text(app)
    model, dataset = trained()
    request = ranking.request_of(dataset, int(url(app)["row"][0]))
    changed = ranking.with_counts(dataset, request, {"user_id:impression": 500.0})
    parts = rows_of(app.get("vega_lite_chart")[1])
    edited = parts[(parts["state"] == "edited") & (parts["part"] == "logit")]
    assert edited["value"].iloc[0] == pytest.approx(
        ranking.score(model, dataset, changed), abs=1e-5
    )


def button(app: Any, label: str) -> Any:
    (found,) = [one for one in app.button if one.label == label]
    return found


def test_a_user_is_made_new_and_brought_back(open_app: Any) -> None:
    app = open_app(DEMO, page="what_if", user="500")
    button(app, "Make this user new").click().run()
    assert url(app)["identity"] == ["unseen"]
    assert url(app)["user_id:impression"] == ["0"]
    assert url(app)["item_id:impression"] == ["as it is"]
    button(app, "As it is").click().run()
    assert url(app)["identity"] == ["own"]
    assert url(app)["user_id:impression"] == ["as it is"]


def test_two_users_are_pinned_and_compared(open_app: Any, specs: Any, text: Any) -> None:
    app = open_app(DEMO, page="what_if", user="500")
    first = url(app)["row"][0]
    button(app, "Pin this user").click().run()
    app.text_input(key="user").set_value("7").run()
    assert len(specs(app)) == 4  # the pinned one beside the picked one
    second = url(app)["row"][0]
    button(app, "Pin this user").click().run()
    assert (url(app)["pin_a"], url(app)["pin_b"]) == ([first], [second])
    again = open_app(DEMO, page="what_if", pin_a=first, pin_b=second)
    assert [header.value.split(" (")[0] for header in again.subheader] == ["User 500", "User 7"]
    button(again, "Unpin").click().run()
    assert len(specs(again)) == 2


@pytest.mark.parametrize("pin", ["nonsense", "99999999", "1.99999999", "1.2.3", "-1"])
def test_a_pin_that_names_nobody_is_ignored(pin: str, open_app: Any, specs: Any) -> None:
    app = open_app(DEMO, page="what_if", pin_a=pin)
    assert url(app)["pin_a"] == [""]
    assert len(specs(app)) == 2


def test_an_unknown_user_in_a_link_is_said(open_app: Any, specs: Any, text: Any) -> None:
    app = open_app(DEMO, page="what_if")
    # The harness opens the first page first, which would settle the link's user.
    app.query_params["user"] = "999999"
    app.run()
    assert "asks for the user '999999', who is not in this data" in text(app)
    assert len(specs(app)) == 2


def test_a_user_without_training_samples(open_app: Any, text: Any) -> None:
    table = people.user_table(trained().dataset)
    user = int(people.find_users(table, order="newest")["user"].iloc[0])
    app = open_app(DEMO, page="what_if", who=str(user))
    assert "New user (no training sample)" in text(app)
    assert "key unseen" in text(app)
    assert len(app.dataframe[0].value) == 10


def test_the_search_finds_users_by_key_and_order(open_app: Any) -> None:
    app = open_app(DEMO, page="what_if", find="active")
    table = people.user_table(trained().dataset)
    found = people.find_users(table)
    assert app.selectbox(key="found").options[0].startswith(f"user {found['code'].iloc[0]} ")
    app.selectbox(key="found").select_index(0).run()
    assert url(app)["user"] == [str(found["code"].iloc[0])]
    app.selectbox(key="found").select_index(1).run()
    assert url(app)["user"] == [str(found["code"].iloc[1])]


def test_a_new_user_is_found_by_the_search(open_app: Any, text: Any) -> None:
    app = open_app(DEMO, page="what_if", find="newest", user="500")
    app.selectbox(key="found").select_index(0).run()
    assert url(app)["user"] == [""]
    assert "New user" in text(app)


def test_a_base_run_has_no_counts_to_edit(open_app: Any, text: Any) -> None:
    app = open_app(DEMO, page="what_if", run=BASE)
    assert "no adapter" in text(app)
    assert "does not read interaction counts" in text(app)
    keys = {slider.key for slider in app.select_slider}
    assert keys == {"activity", "norm"}


def test_an_item_that_does_not_exist_is_said(open_app: Any, text: Any) -> None:
    app = open_app(DEMO, page="what_if")
    app.text_input(key="item").set_value("no such item").run()
    assert "No item 'no such item'" in text(app)


def test_a_run_without_weights_is_one_line(tmp_path: Path, open_app: Any) -> None:
    make_fake_run(
        RunStore(tmp_path),
        variant="full",
        overrides={"data": {"planted": {"rows": 2000}}},
    )
    (error,) = open_app(tmp_path, page="what_if").error
    assert "changed since it was trained" in error.value
    assert "\n" not in error.value


def test_without_runs_the_page_says_how_to_get_some(
    tmp_path: Path, open_app: Any, text: Any
) -> None:
    assert "make demo" in text(open_app(tmp_path / "nothing", page="what_if"))
