"""Evaluation tables: Parquet that is checked before it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fake_runs import fake_norms, fake_predictions, make_world
from workbench.errors import InputError
from workbench.runs.tables import read_table, write_table


@pytest.fixture
def predictions() -> pd.DataFrame:
    return fake_predictions(make_world(rows=50), "base", np.random.default_rng(0))


def test_round_trip_keeps_values_types_and_order(tmp_path: Path, predictions: pd.DataFrame) -> None:
    write_table(tmp_path, "predictions", predictions.set_index(predictions.index + 7))
    found = read_table(tmp_path, "predictions")
    pd.testing.assert_frame_equal(found, predictions)
    norms = fake_norms(make_world(), "full", np.random.default_rng(0))
    write_table(tmp_path, "norms", norms)
    found = read_table(tmp_path, "norms")
    assert found["feature"].tolist() == norms["feature"].tolist()
    assert found["norm"].dtype == np.float32


def test_only_the_columns_asked_for_are_read(tmp_path: Path, predictions: pd.DataFrame) -> None:
    write_table(tmp_path, "predictions", predictions)
    found = read_table(tmp_path, "predictions", ["logit", "user"])
    assert found.columns.tolist() == ["logit", "user"]
    with pytest.raises(InputError, match="no column 'colour'; it has sample, user"):
        read_table(tmp_path, "predictions", ["colour"])


def test_an_empty_table_is_a_table(tmp_path: Path, predictions: pd.DataFrame) -> None:
    write_table(tmp_path, "predictions", predictions[:0])
    assert len(read_table(tmp_path, "predictions")) == 0


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_a_truncated_file_is_named(tmp_path: Path, predictions: pd.DataFrame, keep: int) -> None:
    write_table(tmp_path, "predictions", predictions)
    path = tmp_path / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"/predictions\.parquet: damaged or not Parquet"):
        read_table(tmp_path, "predictions")


def test_flipped_bytes_are_refused_or_harmless(tmp_path: Path, predictions: pd.DataFrame) -> None:
    # Whatever a byte does, the outcome is a frame or one line; never another exception.
    write_table(tmp_path, "predictions", predictions)
    path = tmp_path / "predictions.parquet"
    good = path.read_bytes()
    outcomes = set()
    for position in np.random.default_rng(0).integers(0, len(good), 150):
        damaged = bytearray(good)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_table(tmp_path, "predictions")
            outcomes.add("read")
        except InputError as error:
            outcomes.add("one line" if "\n" not in str(error) else str(error))
    assert "one line" in outcomes
    assert outcomes <= {"one line", "read"}


def test_missing_linked_and_other_files(tmp_path: Path, predictions: pd.DataFrame) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(InputError, match=r"run/predictions\.parquet: no such file"):
        read_table(run, "predictions")
    write_table(tmp_path, "predictions", predictions)
    (run / "predictions.parquet").symlink_to(tmp_path / "predictions.parquet")
    with pytest.raises(InputError, match="outside the run folder"):
        read_table(run, "predictions")
    # Writing replaces the link; it does not follow it.
    write_table(run, "predictions", predictions[:3])
    assert len(read_table(run, "predictions")) == 3
    assert len(read_table(tmp_path, "predictions")) == 50


@pytest.mark.parametrize("name", ["", "../x", "a/b", "Weights", "x" * 61, "a.b"])
def test_table_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="table name"):
        read_table(tmp_path, name)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("logit", [0.5, None], "'logit' has 1 missing values"),
        ("logit", [0.5, float("nan")], "'logit' holds a number that is not finite"),
        ("logit", [0.5, float("inf")], "'logit' holds a number that is not finite"),
        ("logit", ["a", "b"], "'logit' is string, must be of kind float"),
        ("logit", [1, 2], "'logit' is int64, must be of kind float"),
        ("user", [1.0, 2.0], "'user' is double, must be of kind int"),
        ("user", [True, False], "'user' is bool, must be of kind int"),
        ("user", [[1], [2]], "must be of kind int"),
    ],
)
def test_wrong_values_are_refused(
    tmp_path: Path, predictions: pd.DataFrame, column: str, values: list[object], reason: str
) -> None:
    table = pa.Table.from_pandas(predictions[:2], preserve_index=False)
    table = table.drop_columns([column]).append_column(column, pa.array(values))
    pq.write_table(table, tmp_path / "predictions.parquet")
    with pytest.raises(InputError, match=reason):
        read_table(tmp_path, "predictions")


def test_weight_columns_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'extra' must start with 'w:' or 'c:'"):
        write_table(tmp_path, "weights", pd.DataFrame({"w:a": [0.5], "extra": [0.5]}))
    with pytest.raises(InputError, match="'w:a' is int64, must be of kind float"):
        write_table(tmp_path, "weights", pd.DataFrame({"w:a": [1]}))
    with pytest.raises(InputError, match="no columns"):
        write_table(tmp_path, "weights", pd.DataFrame())


def test_a_small_file_of_very_many_rows_is_refused(tmp_path: Path) -> None:
    rows = 3_000_000
    table = pa.table({"w:a": pa.array(np.zeros(rows, np.float32))})
    pq.write_table(table, tmp_path / "weights.parquet", compression="zstd")
    assert (tmp_path / "weights.parquet").stat().st_size < 20_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.runs.tables.ROW_LIMIT", rows - 1)
        with pytest.raises(InputError, match=f"{rows} rows of 1 columns; at most"):
            read_table(tmp_path, "weights")
    assert len(read_table(tmp_path, "weights")) == rows


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    column = pa.array([0.5], pa.float32())
    pq.write_table(pa.table([column, column], ["w:a", "w:a"]), tmp_path / "weights.parquet")
    with pytest.raises(InputError, match="appears twice"):
        read_table(tmp_path, "weights")


def test_notes_that_pandas_leaves_in_a_file_are_not_followed(
    tmp_path: Path, predictions: pd.DataFrame
) -> None:
    # They ask for the column `sample` to become the index.
    predictions.set_index("sample").to_parquet(tmp_path / "predictions.parquet")
    found = read_table(tmp_path, "predictions")
    assert found["sample"].tolist() == predictions["sample"].tolist()
    assert found.index.tolist() == list(range(50))
