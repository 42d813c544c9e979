"""Parquet files are untrusted: what does not fit the data set is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.stream.numbered import in_one, streamed
from workbench.data.stream.dataset import StreamedDataset
from workbench.errors import InputError

FILE = "train-00000.parquet"
ROW = "row:place.of.use:0"


@pytest.fixture
def data(tmp_path: Path) -> StreamedDataset:
    return streamed(tmp_path / "s", train=100)


def rewrite(
    data: StreamedDataset, change: Callable[[Any], Any], group_rows: int = 64, **how: Any
) -> None:
    """Replace the training file by a changed table."""
    path = data.folder / FILE
    pq.write_table(change(pq.read_table(path)), path, row_group_size=group_rows, **how)


def set_value(name: str, value: Any) -> Callable[[Any], Any]:
    """Changes the last row of a column."""

    def change(table: Any) -> Any:
        place = table.schema.get_field_index(name)
        column = table.column(name).to_pylist()
        field = table.schema.field(name)
        return table.set_column(place, field, pa.array([*column[:-1], value], field.type))

    return change


def read(data: StreamedDataset) -> list[int]:
    return in_one(data.batches("train", 30))


def test_columns_of_a_file_are_called_by_what_they_hold(data: StreamedDataset) -> None:
    table = pq.read_table(data.folder / FILE)
    assert table.column_names == ["user", "item", ROW, "label:click", "count:user:impression"]
    assert table.column("user").to_pylist() == [i % 7 for i in range(100)]
    # Padding, 8 rows of the user, 6 of the item and [MASK] come before the first place.
    assert table.column(ROW).to_pylist() == [16 + i % 3 for i in range(100)]
    assert table.schema.field("user").type == pa.int32()


def test_a_file_written_by_another_program_is_read(data: StreamedDataset) -> None:
    rewrite(data, lambda table: table, compression="zstd", use_dictionary=False)
    assert read(data) == list(range(100))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_value("user", 7), r"row group 1: tensor 'users' points outside 'user_rows'"),
        (set_value("user", -1), "'users' points outside"),
        (set_value("item", 5), "'items' points outside 'item_rows'"),
        (set_value(ROW, 19), "'context_rows' has a row outside those of feature 'place.of.use'"),
        (set_value(ROW, 0), "'context_rows' has a row outside"),
        (set_value("label:click", 2), "'labels' has a value other than 0 and 1"),
        (set_value("count:user:impression", -1.0), "'counts' has a value that is negative"),
        (set_value("count:user:impression", np.nan), "'counts' has a value that is negative or n"),
        (lambda table: table.drop_columns(["item"]), "its columns are not those of the data set"),
        (lambda table: table.append_column("x", table["user"]), "its columns are not those"),
        (lambda table: table.slice(0, 99), "has 99 rows; needed: 100"),
    ],
)
def test_what_does_not_fit_is_refused(
    data: StreamedDataset, change: Callable[[Any], Any], message: str
) -> None:
    rewrite(data, change)
    with pytest.raises(InputError, match=message) as refusal:
        read(data)
    assert FILE in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_value_is_refused(data: StreamedDataset) -> None:
    path = data.folder / FILE
    table = pq.read_table(path)
    users = pa.array([None, *table.column("user").to_pylist()[1:]], pa.int32())
    # The column is declared to have a value everywhere; a file can break its word.
    fields = [pa.field(f.name, f.type) for f in table.schema]
    broken = pa.table([users, *table.columns[1:]], schema=pa.schema(fields))
    pq.write_table(broken, path, row_group_size=64)
    with pytest.raises(InputError, match="its columns are not those of the data set"):
        read(data)


def test_row_groups_of_another_size_are_refused(data: StreamedDataset) -> None:
    rewrite(data, lambda table: table, group_rows=50)
    with pytest.raises(InputError, match="row group 0 has 50 rows; needed: 64"):
        read(data)
    rewrite(data, lambda table: table, group_rows=100)
    with pytest.raises(InputError, match="row group 0 has 100 rows; needed: 64"):
        read(data)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_file_that_was_cut_off_is_refused(data: StreamedDataset, kept: int) -> None:
    path = data.folder / FILE
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"cannot be read") as refusal:
        read(data)
    assert "\n" not in str(refusal.value)


def test_held_out_keys_are_checked_where_they_are_streamed(data: StreamedDataset) -> None:
    path = data.folder / "valid-00000.parquet"
    pq.write_table(set_value("user", 9)(pq.read_table(path)), path, row_group_size=64)
    with pytest.raises(InputError, match=r"a user is not within 0\.\.6"):
        data.reader("valid").read_keys()
