"""Files as people have them: encodings, separators, quotes, line ends, gaps in the rows."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data.tables import csv_rows, parquet_rows
from workbench.data.tables.dialect import dialect_of
from workbench.data.tables.problems import Collector
from workbench.data.tables.reading import column_names, read_rows
from workbench.data.tables.schema_file import TableFile
from workbench.errors import InputError

LINES = 'name,size\n\'a\' b,1\n"x, y",2\n"say ""so""",3\n"two\nlines",NA\n'


def _read(path: Path, file: TableFile) -> tuple[dict[str, list[object]], list[int], Collector]:
    problems = Collector()
    names = column_names(path, file)
    columns: dict[str, list[object]] = {name: [] for name in names}
    numbers: list[int] = []
    for rows in read_rows(path, file, names, problems):
        for name in names:
            columns[name] += rows.columns[name].to_pylist()
        numbers += rows.numbers.tolist()
    return columns, numbers, problems


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_every_way_of_writing_the_same(
    separator: str, end: str, mark: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    text = LINES.replace("x, y", "x\0 y").replace(",", separator).replace("\0", separator)
    path.write_bytes(mark + text.replace("\n", end).encode())
    found = dialect_of(path, "t.csv").file
    assert (found.separator, found.header) == (separator, True)
    columns, numbers, problems = _read(path, found)
    names = [f"two{end}lines", f"x{separator} y"]
    assert columns["name"] == [b"'a' b", names[1].encode(), b'say "so"', names[0].encode()]
    assert columns["size"] == [b"1", b"2", b"3", None]
    assert numbers == [2, 3, 4, 5]
    assert not problems.problems


def test_packed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(LINES.encode()))
    columns, _, _ = _read(path, dialect_of(path, path.name).file)
    assert columns["size"] == [b"1", b"2", b"3", None]
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match=r"t\.csv\.gz: "):
        _read(path, TableFile(file=path.name))


def test_rows_keep_their_numbers_past_wrong_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong rows are skipped by the reader; every other row still knows where it stands."""
    monkeypatch.setattr(csv_rows, "BLOCK", 1 << 12)
    rng = np.random.default_rng(0)
    lines, wrong, blank = ["a,b"], [], []
    for row in range(2, 3000):
        kind = rng.random()
        if kind < 0.02:
            lines.append("1,2,3")
            wrong.append(row)
        elif kind < 0.04:
            lines.append("")
            blank.append(row)
        else:
            lines.append(f'{row},"x\ny{"z" * 30}"')
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    columns, numbers, problems = _read(path, TableFile(file="t.csv"))
    assert len(numbers) == 2998 - len(wrong)
    for value, number in zip(columns["a"], numbers, strict=True):
        assert (number in blank) if value is None else int(str(value, "ascii")) == number  # type: ignore[call-overload]
    (problem,) = problems.problems
    assert (problem.reason, problem.count) == ("wrong number of fields", len(wrong))
    assert problem.rows == wrong[:10]
    assert problem.allowed == "2 as in the first row"


@pytest.mark.parametrize(
    ("first", "header"),
    [
        ("user,item,click", True),
        ("1,68fd1e64,3", False),
        ("0,1,2", True),
        (",user,click", True),
        ("a,,", False),
        ("x,-1.5e3,y", False),
    ],
)
def test_header_or_not(first: str, header: bool, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{first}\n" + "1,b,0\n" * 30)
    found = dialect_of(path, "t.csv")
    assert found.file.header is header
    assert found.reasons["header"]
    names = column_names(path, found.file)
    assert names[0] == ("column_1" if not header or first.startswith(",") else first.split(",")[0])


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}).to_parquet(path)
    columns, numbers, _ = _read(path, dialect_of(path, path.name).file)
    assert columns == {"a": [1, 2], "b": ["x", None]}
    assert numbers == [1, 2]
    pq.write_table(pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), path)
    with pytest.raises(InputError, match="'a' appears twice"):
        column_names(path, TableFile(file="t", format="parquet"))
    path.write_bytes(path.read_bytes()[:-20] + b"PAR1")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        column_names(path, TableFile(file="t", format="parquet"))


def test_a_row_group_too_large_to_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.arange(1000)}).to_parquet(path)
    monkeypatch.setattr(parquet_rows, "LARGEST_ROW_GROUP", 1000)
    with pytest.raises(InputError, match="write it with smaller row groups"):
        column_names(path, TableFile(file="t", format="parquet"))


def test_a_wrong_row_that_is_not_utf8_either(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reader cannot hand such a row over; the file is refused, nothing is printed."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,2\ncaf\xe9,3,4\n5,6\n")
    with pytest.raises(InputError, match=r"3 fields instead of 2 in a row that is not UTF-8") as it:
        _read(path, TableFile(file="t.csv"))
    assert "\n" not in str(it.value)
    assert capfd.readouterr().err == ""
