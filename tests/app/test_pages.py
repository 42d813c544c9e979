"""Every page on good runs, on none, and on damaged ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import make_fake_run
from workbench.insight.compare import compare
from workbench.runs import RunStore

VIEWS = ("adapter_weights", "id_norms", "auc_by_bucket", "calibration", "planted_truth")
FEATURES = 6


def chart_frames(app: Any) -> list[Any]:
    """The data sets of each chart of the page, as pandas frames."""
    import pyarrow as pa

    return [
        [pa.ipc.open_stream(dataset.data.data).read_pandas() for dataset in chart.proto.datasets]
        for chart in app.get("vega_lite_chart")
    ]


@pytest.mark.parametrize("page", ["start", *VIEWS])
def test_without_runs_the_page_says_how_to_get_some(
    page: str, tmp_path: Path, open_app: Any, text: Any
) -> None:
    app = open_app(tmp_path / "nothing", page=page)
    said = text(app)
    assert "make demo" in said
    assert "workbench train" in said
    assert not app.get("vega_lite_chart")


def test_a_broken_run_among_good_ones_hurts_no_page(
    store: Path, tmp_path: Path, open_app: Any, specs: Any, text: Any
) -> None:
    shutil.copytree(store, tmp_path, dirs_exist_ok=True)
    (tmp_path / "mask-s1" / "config.json").write_text('{"version": 99}')
    assert "version 99 is newer" in text(open_app(tmp_path))
    for page in VIEWS:
        assert specs(open_app(tmp_path, page=page))


@pytest.mark.parametrize("page", VIEWS)
def test_unfinished_runs_only(page: str, tmp_path: Path, open_app: Any, text: Any) -> None:
    make_fake_run(RunStore(tmp_path), variant="base", state="running")
    app = open_app(tmp_path, page=page)
    assert "No finished run" in text(app)
    assert not app.get("vega_lite_chart")


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("adapter_weights", "weights.parquet"),
        ("id_norms", "norms.parquet"),
        ("auc_by_bucket", "predictions.parquet"),
    ],
)
def test_a_damaged_table_is_one_line(
    page: str, file: str, store: Path, tmp_path: Path, open_app: Any
) -> None:
    shutil.copytree(store, tmp_path, dirs_exist_ok=True)
    for run in tmp_path.iterdir():
        if (run / file).exists():
            (run / file).write_bytes(b"not parquet")
    app = open_app(tmp_path, page=page)
    (error,) = app.error
    assert file in error.value
    assert "\n" not in error.value


def test_adapter_weights_has_a_panel_per_feature(store: Path, open_app: Any, specs: Any) -> None:
    app = open_app(store, page="adapter_weights")
    charts = specs(app)
    titles = [chart["title"]["text"] for chart in charts]
    assert len(titles) == FEATURES
    assert titles[:3] == ["User ID", "Item ID", "Artist ID"]
    # What is above the panels in words is also there for screen readers, feature by feature.
    assert charts[0]["description"].startswith("User ID: the median weight w rises from")
    assert any("rises for User ID" in block.value for block in app.markdown)
    assert {param["name"] for chart in charts for param in chart["params"]} == {"slice"}


def test_adapter_weights_starts_with_the_full_framework(store: Path, open_app: Any) -> None:
    app = open_app(store, page="adapter_weights")
    assert app.query_params["run"] == ["full-s0"] or app.query_params["run"] == "full-s0"


def test_contribution_and_caveat(store: Path, open_app: Any, specs: Any, text: Any) -> None:
    weight = open_app(store, page="adapter_weights")
    assert "not across features" in text(weight)
    app = open_app(store, page="adapter_weights", quantity="contribution")
    assert "It compares across features" in text(app)
    assert "the median contribution w \\* \\|v\\|" in text(app).replace("The", "the")
    assert specs(app)[0]["layer"] != specs(weight)[0]["layer"]


def test_heat_map_of_a_feature(store: Path, open_app: Any, specs: Any, text: Any) -> None:
    app = open_app(
        store, page="adapter_weights", view="By activity and popularity", feature="item_id"
    )
    (chart,) = specs(app)
    assert "Item ID\\: the mean weight w is largest" in text(app)
    assert chart["description"].startswith("Item ID: the mean weight w is largest")


def test_planted_truth(store: Path, open_app: Any, specs: Any, text: Any) -> None:
    app = open_app(store, page="planted_truth")
    assert len(specs(app)) == FEATURES
    assert "rank correlation" in text(app)
    least, most = app.dataframe
    assert sorted(least.value["feature"]) == sorted(most.value["feature"])
    assert least.value["planted"].is_monotonic_decreasing


def test_one_feature_of_the_planted_truth(store: Path, open_app: Any, specs: Any) -> None:
    assert len(specs(open_app(store, page="planted_truth", feature="age"))) == 1


def test_without_a_planted_truth_the_page_says_why(
    store: Path, tmp_path: Path, open_app: Any, text: Any
) -> None:
    shutil.copytree(store / "full-s0", tmp_path / "full-s0")
    (tmp_path / "full-s0" / "importance.parquet").unlink()
    said = text(open_app(tmp_path, page="planted_truth"))
    assert "Real data have no known importances" in said


def test_runs_without_an_adapter(store: Path, open_app: Any, text: Any) -> None:
    app = open_app(store, page="adapter_weights", base="base-s0", runs="mask-s0")
    assert "None of the picked runs has an adapter" in text(app)


def test_norms_have_a_panel_per_variant_and_the_ratio(
    store: Path, open_app: Any, specs: Any, text: Any
) -> None:
    app = open_app(store, page="id_norms")
    charts = specs(app)
    assert [chart["title"]["text"] for chart in charts[:4]] == [
        "Unmasked base",
        "Mask only",
        "Adapter only",
        "AdaF2M2",
    ]
    assert charts[0]["title"]["subtitle"].endswith("2 runs")
    assert "head embeddings are longer" in text(app)
    assert "Weight decay" in text(app)
    assert "1e-05" in text(app)
    assert [tab.label for tab in app.tabs] == ["User ID", "Item ID", "Artist ID"]


def test_norms_of_items_ignore_the_range_of_users(
    store: Path, open_app: Any, specs: Any, text: Any
) -> None:
    app = open_app(store, page="id_norms", id="Item ID", activity=["3", "100"])
    assert "does not cut this figure" in text(app)
    assert all("params" not in chart for chart in specs(app))
    assert "of items over that" in text(app)


def test_auc_has_a_panel_per_way_of_training(
    store: Path, open_app: Any, specs: Any, text: Any
) -> None:
    app = open_app(store, page="auc_by_bucket")
    charts = specs(app)
    assert [chart["title"]["text"] for chart in charts] == ["Mask only", "Adapter only", "AdaF2M2"]
    assert [chart["title"]["subtitle"] for chart in charts] == ["2 seeds"] * 3
    assert "AUC +" in text(app)
    assert "95% interval" in text(app)


@pytest.mark.parametrize(("metric", "name"), [("uauc", "UAUC"), ("log_loss", "log loss")])
def test_other_metrics(metric: str, name: str, store: Path, open_app: Any, text: Any) -> None:
    app = open_app(store, page="auc_by_bucket", metric=metric)
    assert f"AdaF2M2\\: {name} " in text(app)


def test_uauc_counts_users_with_one_class(store: Path, open_app: Any, text: Any) -> None:
    assert "of one class only" in text(open_app(store, page="auc_by_bucket", metric="uauc"))


def test_absolute_values(store: Path, open_app: Any, specs: Any) -> None:
    (chart, *_) = specs(open_app(store, page="auc_by_bucket", mode="absolute"))
    titles = {
        layer["encoding"]["x"].get("axis", {}).get("title")
        for layer in chart["layer"]
        if "x" in layer["encoding"]
    }
    assert "AUC" in titles


def test_numbers_on_the_page_are_those_of_compare(store: Path, open_app: Any) -> None:
    app = open_app(store, page="auc_by_bucket", runs="full-s0", seeds="no")
    runs = RunStore(store)
    (expected,) = compare(runs.open("base-s0"), [runs.open("full-s0")])
    frames = [frame for frame in chart_frames(app)[0] if "ci_low" in frame]
    shown = frames[0].set_index("bucket")
    for row in [{**expected, "bucket": "all"}, *expected["buckets"]]:
        for key, column in (("delta_auc", "delta"), ("ci_low",) * 2, ("ci_high",) * 2):
            assert shown.loc[row["bucket"], column] == row[key]
        assert shown.loc[row["bucket"], "users"] == row["users"]


def test_auc_without_a_candidate(store: Path, open_app: Any, text: Any) -> None:
    assert "Pick at least one run" in text(open_app(store, page="auc_by_bucket", runs=""))


def test_auc_of_runs_without_the_baselines_seed(store: Path, open_app: Any, text: Any) -> None:
    alone = open_app(store, page="auc_by_bucket", runs="full-s1", seeds="no")
    assert "paired by seed" in text(alone)
    some = open_app(store, page="auc_by_bucket", runs=["full-s1", "mask-s0"], seeds="no")
    assert "Left out, because the baseline has no run of their seed: AdaF2M2, seed 1" in text(some)


def test_every_figure_can_be_saved(store: Path, open_app: Any) -> None:
    names = {
        page: [button.proto.label for button in open_app(store, page=page).get("download_button")]
        for page in VIEWS
    }
    assert names == {
        "adapter_weights": ["adapter weight by activity.csv"],
        "id_norms": [
            "norms user id.csv",
            "head tail ratio user id.csv",
            "users activity and norm.csv",
        ],
        "auc_by_bucket": ["auc by activity.csv", "auc by activity single seeds.csv"],
        "calibration": ["reliability.csv"],
        "planted_truth": ["planted importance.csv"],
    }
