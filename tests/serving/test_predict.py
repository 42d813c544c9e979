"""New rows through a run: what training computed for them, and what unseen values become."""

from __future__ import annotations

import shutil
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import workbench
from tests.serving.runs import ROWS, small_config, trained, written
from workbench.data.registry import load
from workbench.errors import InputError
from workbench.runs import Run, RunStore
from workbench.serving.predict import Predictor
from workbench.serving.rows import RowEncoder


def sigmoid(logit: pd.Series) -> np.ndarray:
    return 1 / (1 + np.exp(-logit.to_numpy(np.float64)))


def test_predictions_are_those_of_training(served: Run, test_table: pd.DataFrame) -> None:
    """Every test row by time: vocabularies, histories and counts are all made anew."""
    found = workbench.predict(served, test_table)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, sigmoid(test_table["logit"]), atol=2e-7)


def test_a_path_and_a_name_open_the_run(
    served: Run, test_table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = test_table.head(3)
    monkeypatch.chdir(served.path.parents[1])
    expected = workbench.predict(served, few)
    assert np.array_equal(workbench.predict(str(served.path), few), expected)
    assert np.array_equal(workbench.predict("served", few), expected)


def by_hand(served: Run, sample: int, masked: list[str]) -> float:
    """A sample's probability with some features at `[MASK]_i` and the user's counts at 0."""
    dataset = load(served.config.data)
    batch = dataset.batch(torch.tensor([sample]))
    rows, counts = batch.rows.clone(), batch.counts.clone()
    for name in masked:
        slot = dataset.layout[name]
        rows[:, slot.start : slot.stop] = 0
        rows[:, slot.start] = slot.mask_row
    if "user_id" in masked:
        users = [count.feature == "user_id" for count in dataset.schema.counts]
        counts[:, torch.tensor(users)] = 0
    model = served.model()
    with torch.no_grad():
        return float(model.serve(model.embedding(rows), counts).sigmoid())


@pytest.mark.parametrize("value", [10**9, None])
def test_an_unseen_user_is_served_by_the_mask(
    served: Run, test_table: pd.DataFrame, value: int | None
) -> None:
    sample = int(served.table("predictions")["sample"].iloc[0])
    one = test_table.head(1).assign(user_id=pd.array([value], "Int64"))
    expected = by_hand(served, sample, ["user_id", "history"])
    assert workbench.predict(served, one)[0] == pytest.approx(expected, abs=1e-7)


def test_missing_features_are_served_by_the_mask(served: Run, test_table: pd.DataFrame) -> None:
    sample = int(served.table("predictions")["sample"].iloc[0])
    one = test_table.head(1).assign(gender=None, mood=None, duration=np.nan)
    expected = by_hand(served, sample, ["gender", "mood", "duration"])
    assert workbench.predict(served, one)[0] == pytest.approx(expected, abs=1e-7)


def test_a_history_and_counts_of_ones_own(served: Run, test_table: pd.DataFrame) -> None:
    few = test_table.head(4)
    encoder = RowEncoder(served.encoding())
    songs = served.encoding().vocabularies["item_id"].values[:2].tolist()
    given = few.assign(
        history=[songs, [], None, [10**9, songs[0]]], **{"user_id:impression": [7, 0, None, 3]}
    )
    table = pa.Table.from_pandas(given)
    encoder.check(table.schema)
    batch = encoder.encode(table)
    slot = encoder.encoding.layout["history"]
    first = encoder.encoding.layout["item_id"].offset + 1
    expected = [[first, first + 1], [slot.mask_row, 0], [slot.mask_row, 0], [first, 0]]
    assert batch.rows[:, slot.start : slot.start + 2].tolist() == expected
    assert batch.rows[:, slot.start + 2 : slot.stop].sum() == 0
    total = encoder.encoding.totals["user_id:impression"]
    known = total[encoder.codes(batch.rows.numpy(), "user_id")]
    place = [count.name for count in encoder.encoding.schema.counts].index("user_id:impression")
    assert batch.counts[:, place].tolist() == [7, 0, known[2], 3]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("batch_size", [7, 100_000])
def test_a_file_gives_what_the_frame_gives(
    served: Run, test_table: pd.DataFrame, tmp_path: Path, suffix: str, batch_size: int
) -> None:
    table = written(test_table, tmp_path / f"rows{suffix}")
    report = Predictor(served).predict_file(table, tmp_path / "out.parquet", batch_size)
    found = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert found.columns.tolist() == ["user_id", "item_id", "probability"]
    assert found["user_id"].astype(int).tolist() == test_table["user_id"].tolist()
    expected = workbench.predict(served, test_table)
    np.testing.assert_allclose(found["probability"], expected, atol=1e-7)
    assert report.rows == len(test_table)
    known = set(served.encoding().vocabularies["user_id"].values.tolist())
    assert report.unseen["user_id"] == (~test_table["user_id"].isin(known)).sum()


def test_a_multi_task_run_gives_every_label(tmp_path: Path, test_table: pd.DataFrame) -> None:
    run = trained(tmp_path, "tasks", small_config("multitask", "base"))
    table = written(test_table.head(5), tmp_path / "rows.csv")
    Predictor(run).predict_file(table, tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    assert found.columns[2:].tolist() == ["probability", "probability:like", "probability:comment"]
    tasks = Predictor(run).predict(test_table.head(5))
    np.testing.assert_allclose(found.iloc[:, 2:], tasks, atol=1e-6)
    assert np.array_equal(workbench.predict(run, test_table.head(5)), tasks[:, 0])


def test_no_rows_give_no_predictions(served: Run, test_table: pd.DataFrame, tmp_path: Path) -> None:
    assert workbench.predict(served, test_table.head(0)).shape == (0,)
    table = written(test_table.head(0), tmp_path / "rows.csv")
    Predictor(served).predict_file(table, tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    assert (found.columns.tolist(), len(found)) == (["user_id", "item_id", "probability"], 0)


def test_every_difference_of_the_columns_is_named(served: Run, test_table: pd.DataFrame) -> None:
    changed = test_table.drop(columns=["genre", "scene"]).assign(
        gender=1, item_id=[["a"]] * len(test_table), mood=2
    )
    with pytest.raises(InputError) as error:
        workbench.predict(served, changed)
    message = str(error.value)
    assert "column 'genre' is missing" in message
    assert "column 'scene' is missing" in message
    assert "column 'gender' is int64; the run has text" in message
    assert "column 'item_id' is list<" in message
    assert "the run has one value per row" in message
    assert "column 'mood' is int64; the run has lists" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("user_id", "u17", "column 'user_id', data row 9: 'u17'; the run has whole numbers"),
        ("duration", "long", "column 'duration', data row 9: 'long'; the run has numbers"),
        ("user_id:like", -1, "column 'user_id:like', data row 9: -1; a count is at least 0"),
    ],
)
def test_a_bad_value_is_named_and_leaves_nothing(
    served: Run,
    test_table: pd.DataFrame,
    tmp_path: Path,
    column: str,
    value: str | int,
    expected: str,
) -> None:
    values = (test_table[column] if column in test_table else 0 * test_table["logit"]).tolist()
    values[8] = value
    table = written(test_table.assign(**{column: values}), tmp_path / "rows.csv")
    with pytest.raises(InputError, match=expected):
        Predictor(served).predict_file(table, tmp_path / "out.csv", 4)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("user_id", pa.array([1, 2]).dictionary_encode()),
        ("user_id", pa.array([1.0, None])),
        ("user_id", pa.array(["1", " 2 "])),
        ("user_id", pa.array([2**64 - 1, 1], pa.uint64())),
        ("user_id", pa.array([float("inf"), 0.5])),
        ("gender", pa.array(["male", None], pa.large_string())),
        ("gender", pa.array(["male", "female"]).dictionary_encode()),
        ("mood", pa.array([["sad", None], None], pa.list_(pa.string()))),
        ("mood", pa.array([["sad", "dark"]] * 2, pa.list_(pa.string(), 2))),
        ("mood", pa.array([None, None])),
        ("duration", pa.array(["1e3", "NA"])),
        ("duration", pa.array([True, False])),
        ("duration", pa.array([Decimal("1.5"), None])),
    ],
)
def test_odd_columns_are_read(
    served: Run, test_table: pd.DataFrame, tmp_path: Path, column: str, values: pa.Array
) -> None:
    predict_with(served, test_table, tmp_path, column, values)
    assert pd.read_csv(tmp_path / "out.csv")["probability"].between(0, 1).all()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("age", pa.array([datetime(2024, 1, 1)] * 2)),
        ("age", pa.array([b"18-24", b"x"])),
        ("mood", pa.array([[["sad"]], [[]]])),
    ],
)
def test_odd_columns_are_refused(
    served: Run, test_table: pd.DataFrame, tmp_path: Path, column: str, values: pa.Array
) -> None:
    with pytest.raises(InputError, match=f"column '{column}' is .*; the run has"):
        predict_with(served, test_table, tmp_path, column, values)


def predict_with(
    run: Run, test_table: pd.DataFrame, folder: Path, column: str, values: pa.Array
) -> None:
    table = pa.Table.from_pandas(test_table.head(2), preserve_index=False)
    table = table.set_column(table.column_names.index(column), column, values)
    pq.write_table(table, folder / "rows.parquet")
    Predictor(run).predict_file(folder / "rows.parquet", folder / "out.csv")


def test_files_that_cannot_be_used(served: Run, tmp_path: Path) -> None:
    predictor = Predictor(served)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "empty.csv").write_text("")
    for name, expected in (
        ("broken.parquet", "cannot be read"),
        ("empty.csv", "cannot be read"),
        ("none.csv", "no such file"),
        ("rows.xlsx", "must end in .csv or .parquet"),
    ):
        with pytest.raises(InputError, match=expected):
            predictor.predict_file(tmp_path / name, tmp_path / "out.csv")
    with pytest.raises(InputError, match="is the table itself"):
        predictor.predict_file(tmp_path / "empty.csv", tmp_path / "empty.csv")
    with pytest.raises(InputError, match="must end in"):
        predictor.predict_file(tmp_path / "empty.csv", tmp_path / "out.json")
    with pytest.raises(InputError, match="batch size 0"):
        predictor.predict_file(tmp_path / "empty.csv", tmp_path / "out.csv", 0)


def copy_of(run: Run, folder: Path) -> Path:
    shutil.copytree(run.path, folder / "copy")
    return folder / "copy"


def test_a_run_without_vocabularies_makes_them_again(
    served: Run, test_table: pd.DataFrame, tmp_path: Path
) -> None:
    path = copy_of(served, tmp_path)
    (path / "vocabulary.parquet").unlink()
    found = workbench.predict(path, test_table)
    assert np.array_equal(found, workbench.predict(served, test_table))


def test_its_data_must_be_named_and_must_be_the_same(served: Run, tmp_path: Path) -> None:
    path = copy_of(served, tmp_path)
    (path / "vocabulary.parquet").unlink()
    text = (path / "config.json").read_text()
    (path / "config.json").write_text(text.replace('"planted"', '"movielens-1m"', 1))
    with pytest.raises(InputError, match=r"data \('movielens-1m'\) with --from DIR"):
        Predictor(Run.read(path))
    other = text.replace(f'"rows": {ROWS}', f'"rows": {ROWS + 100}')
    assert other != text
    (path / "config.json").write_text(other)
    with pytest.raises(InputError, match="trained on other data"):
        Predictor(Run.read(path))


def test_a_run_on_hashed_ids_is_refused(tmp_path: Path) -> None:
    run = trained(tmp_path, "hashed", small_config(change={"id_buckets": 50}))
    assert not (run.path / "vocabulary.parquet").exists()
    with pytest.raises(InputError, match="hashed on purpose"):
        Predictor(run)


def test_weights_of_another_model_are_refused(served: Run, tmp_path: Path) -> None:
    path = copy_of(served, tmp_path)
    text = (path / "config.json").read_text()
    (path / "config.json").write_text(text.replace('"dim": 4', '"dim": 5'))
    with pytest.raises(InputError, match=r"does not fit config\.json"):
        RunStore(tmp_path).open("copy").model()
