"""Reliance and robustness."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from components import ask_reliance as ask

from tests.app.models import BASE, DEMO, FULL, trained, url
from tests.app.test_pages import chart_frames
from tests.fake_runs import make_fake_run
from workbench.insight import reliance
from workbench.insight.over_reliance import auc_without
from workbench.runs import RunStore


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick view is quick in tests too."""
    monkeypatch.setattr(ask, "QUICK_ROWS", 1500)


def frame_with(app: Any, chart: int, column: str) -> Any:
    return next(frame for frame in chart_frames(app)[chart] if column in frame)


def test_reliance_opens_with_the_headline_number_of_each_run(
    open_app: Any, specs: Any, text: Any
) -> None:
    app = open_app(DEMO, page="robustness", runs=FULL)
    assert len(specs(app)) == 3
    assert "Gini of the losses, 0 even and 1 all on one feature" in text(app)
    assert "1,500 of 20,000 test samples" in text(app)
    model, dataset = trained()
    rows = reliance.rows_of_users(dataset, ask.QUICK_ROWS)
    samples = reliance.samples_of_rows(dataset, rows)
    full = reliance.logits_without(model, dataset, rows)
    without = {
        name: reliance.logits_without(model, dataset, rows, name) for name in dataset.layout.names
    }
    expected, gini = reliance.reliance(full, without, samples)
    shown = frame_with(app, 0, "gini").set_index("variant")
    assert shown.loc["full", "gini"] == pytest.approx(gini.value, abs=1e-9)
    shown = frame_with(app, 1, "lost")
    shown = shown[shown["variant"] == "full"].set_index("feature")
    for _, row in expected.iterrows():
        for column in ("lost", "ci_low", "ci_high"):
            assert shown.loc[row["feature"], column] == pytest.approx(row[column], abs=1e-9)


def test_all_test_samples_give_the_numbers_of_auc_without(open_app: Any) -> None:
    app = open_app(DEMO, page="robustness", runs="", all_rows="yes", without="genre")
    model, dataset = trained(BASE)
    expected = auc_without(model, dataset, ["genre"], replicates=2).set_index("bucket")
    shown = frame_with(app, 2, "delta").set_index("bucket")
    assert set(shown.index) == set(expected.index) - {"all"}
    for bucket, row in shown.iterrows():
        assert row["delta"] == pytest.approx(-expected.loc[bucket, "delta"], abs=1e-6)
        assert row["users"] == expected.loc[bucket, "users"]


def test_the_sidebars_feature_and_range_cut_the_figure(open_app: Any, text: Any) -> None:
    app = open_app(DEMO, page="robustness", runs=FULL, feature="genre", activity=["3", "30"])
    assert "Without Genre." in text(app)
    assert set(frame_with(app, 2, "delta")["bucket"]) == {"3-9", "10-29"}
    assert not [box for box in app.selectbox if box.key == "without"]


def test_missing_values_with_paired_intervals(open_app: Any, specs: Any, text: Any) -> None:
    app = open_app(DEMO, page="robustness", runs=FULL, spoilt="Missing values")
    (_,) = specs(app)
    frame = frame_with(app, 0, "auc")
    assert sorted(set(frame["share"])) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    model, dataset = trained()
    rows = reliance.rows_of_users(dataset, ask.QUICK_ROWS)
    samples = reliance.samples_of_rows(dataset, rows)
    from sklearn.metrics import roc_auc_score

    logits = reliance.logits_without(model, dataset, rows)
    first = frame[(frame["variant"] == "full") & (frame["share"] == 0)]
    assert first["auc"].iloc[0] == pytest.approx(roc_auc_score(samples["label"], logits))
    assert "AUC at 50%" in text(app)
    delta = open_app(
        DEMO, page="robustness", runs=FULL, spoilt="Missing values", mode_shown="delta"
    )
    assert "paired bootstrap" in text(delta)


def test_a_link_opens_the_view_it_was_copied_from(open_app: Any) -> None:
    link = {"spoilt": "Missing values", "mode_shown": "delta", "all_rows": "no", "feature": "genre"}
    app = open_app(DEMO, page="robustness", runs=FULL, **link)
    assert {name: url(app)[name] for name in link} == {name: [v] for name, v in link.items()}


def test_without_runs_on_wrong_labels_the_page_says_how_to_train_some(
    open_app: Any, text: Any, specs: Any
) -> None:
    app = open_app(DEMO, page="robustness", spoilt="Wrong labels")
    assert "--set data.change.flipped=0.1" in text(app)
    assert "--variant full" in text(app)
    assert not specs(app)


def test_runs_on_wrong_labels_give_a_curve(
    tmp_path: Path, open_app: Any, text: Any, specs: Any
) -> None:
    runs = RunStore(tmp_path)
    for share in (0.0, 0.2):
        for variant in ("base", "full"):
            make_fake_run(
                runs,
                variant=variant,
                name=f"{variant}-{share}",
                overrides={"data": {"change": {"flipped": share}}},
            )
    app = open_app(
        tmp_path, page="robustness", base="base-0.0", runs="full-0.0", spoilt="Wrong labels"
    )
    (_,) = specs(app)
    frame = frame_with(app, 0, "auc")
    assert sorted(zip(frame["run"], frame["share"], strict=True)) == [
        ("base", 0.0),
        ("base", 0.2),
        ("full", 0.0),
        ("full", 0.2),
    ]
    assert "4 runs of youtube\\_dnn" in text(app)


def test_a_damaged_model_is_one_line(tmp_path: Path, open_app: Any) -> None:
    shutil.copytree(DEMO / BASE, tmp_path / BASE)
    weights = tmp_path / BASE / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    (error,) = open_app(tmp_path, page="robustness").error
    assert "weights.safetensors" in error.value
    assert "\n" not in error.value


def test_a_model_of_other_numbers_is_one_line(tmp_path: Path, open_app: Any) -> None:
    from safetensors.torch import save_file

    shutil.copytree(DEMO / BASE, tmp_path / BASE)
    save_file({"embedding.weight": torch.zeros(3, 2)}, tmp_path / BASE / "weights.safetensors")
    (error,) = open_app(tmp_path, page="robustness").error
    assert "\n" not in error.value


def test_without_runs_the_page_says_how_to_get_some(
    tmp_path: Path, open_app: Any, text: Any
) -> None:
    assert "make demo" in text(open_app(tmp_path / "nothing", page="robustness"))
