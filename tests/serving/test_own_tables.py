"""Predicting with a run on a table of one's own: the same file gives what training saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import workbench
from workbench.config import ExperimentConfig
from workbench.data.tables.prepare import prepare_tables
from workbench.data.tables.schema_file import FeatureColumn
from workbench.errors import InputError
from workbench.runs import Run, RunStore
from workbench.serving.predict import Predictor
from workbench.serving.rows import RowEncoder
from workbench.training.experiment import train_run

SCHEMA = """
version: 1
name: shop
log: {file: log.csv}
user: user
item: item
time: {column: when, format: epoch_s}
labels: [{name: click, column: click}]
split: {by: time}
features:
  - {name: user, side: user, id: true, values: whole}
  - {name: item, column: product, side: item, id: true}
  - {name: tags, kind: multi, max_length: 2, separator: ";"}
  - {name: price, kind: numeric, buckets: 4}
  - {name: postcode}
  - {name: viewed, kind: sequence, max_length: 2, separator: " ", shares: item, id: true}
  - {name: history, table: history, kind: sequence, max_length: 3, shares: item, id: true}
counts: [{feature: user}, {feature: item}, {feature: user, event: click}]
"""


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    rows = 800
    product = [f"p{number}" for number in draw.integers(0, 30, rows)]
    return pd.DataFrame(
        {
            "user": draw.integers(0, 60, rows),
            "product": product,
            "when": np.arange(rows) * 60,
            "tags": draw.choice(["new;red", "old", "", "red;old;new"], rows),
            "price": np.where(draw.random(rows) < 0.1, np.nan, draw.random(rows).round(3)),
            "postcode": draw.integers(100, 120, rows),
            "viewed": [" ".join(draw.choice(product, draw.integers(0, 5))) for _ in range(rows)],
            "click": draw.integers(0, 2, rows),
        }
    )


@pytest.fixture(scope="module")
def run(log: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("shop")
    log.to_csv(folder / "log.csv", index=False)
    (folder / "schema.yaml").write_text(SCHEMA)
    prepare_tables(folder / "schema.yaml", folder / "prepared")
    config = ExperimentConfig.parse(
        {
            "data": {"source": str(folder / "prepared")},
            "model": {"name": "fm", "dim": 4},
            "training": {"epochs": 2, "batch_size": 64, "lr": 0.02, "device": "cpu"},
        }
    )
    return train_run(config, RunStore(folder / "runs"), name="shop")


def expected(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the log that training tested on, and the probability of each."""
    predictions = run.table("predictions")
    logit = predictions["logit"].to_numpy(np.float64)
    return predictions["sample"].to_numpy(), 1 / (1 + np.exp(-logit))


def test_the_log_itself_gives_what_training_saw(
    run: Run, log: pd.DataFrame, tmp_path: Path
) -> None:
    """Also its CSV file, whose columns are all text."""
    rows, wanted = expected(run)
    np.testing.assert_allclose(workbench.predict(run, log.iloc[rows]), wanted, atol=2e-7)
    log.iloc[rows].to_csv(tmp_path / "rows.csv", index=False)
    Predictor(run).predict_file(tmp_path / "rows.csv", tmp_path / "out.csv", 50)
    found = pd.read_csv(tmp_path / "out.csv")
    assert found.columns.tolist() == ["user", "item", "probability"]
    assert found["item"].tolist() == log["product"].iloc[rows].tolist()
    np.testing.assert_allclose(found["probability"], wanted, atol=1e-6)


def test_a_columns_own_name_and_the_features_are_both_known(run: Run, log: pd.DataFrame) -> None:
    rows, wanted = expected(run)
    renamed = log.iloc[rows].rename(columns={"product": "item"})
    np.testing.assert_allclose(workbench.predict(run, renamed), wanted, atol=2e-7)
    with pytest.raises(InputError, match="column 'item' is missing"):
        workbench.predict(run, log.drop(columns="product"))


def test_a_sequence_with_a_column_is_not_made_up(run: Run, log: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="column 'viewed' is missing"):
        workbench.predict(run, log.drop(columns="viewed"))


@pytest.mark.parametrize(("newest", "kept"), [("last", [3, 2]), ("first", [1, 2])])
def test_the_newest_end_of_a_sequence_is_kept(run: Run, newest: str, kept: list[int]) -> None:
    encoding = run.encoding()
    viewed = FeatureColumn.model_validate(
        {"name": "viewed", "kind": "sequence", "separator": " ", "newest": newest}
    )
    encoder = RowEncoder(encoding, columns={"viewed": viewed})
    items = encoding.vocabularies["item"].values[:3].tolist()
    rows = encoder.encode(pa.table({"user": [1], "viewed": [" ".join(items)]})).rows
    slot = encoding.layout["viewed"]
    assert (rows[0, slot.start : slot.stop] - slot.offset).tolist() == kept
