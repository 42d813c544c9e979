from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.data.sources.tables import read_csv
from workbench.errors import InputError


def _write(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_types_and_gaps(tmp_path: Path) -> None:
    path = _write(tmp_path, 'id,x,range,other\n1,2.5,"[10,100)",a\n2,,,b\n')
    found = read_csv(path, whole=("id",), numbers=("x",), text=("range",))
    assert list(found) == ["id", "x", "range"]
    assert found["id"].dtype == np.int64
    assert found["x"][0] == 2.5
    assert np.isnan(found["x"][1])
    assert found["range"].tolist() == ["[10,100)", None]


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfid,x\r\n1,2\r\n")
    assert read_csv(path, whole=("id", "x"))["id"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must name the columns"),
        ("id,y\n1,2\n", "column 'x' is missing; found: id, y"),
        ("id,x\n1,2\n3,4,5\n", "line 3: 3 columns; 2 are allowed"),
        ("id,x\n1,2\n3\n", "line 3: 1 columns; 2 are allowed"),
        ("id,x\n1,2\n3.5,4\n", "line 3: id '3.5' is not a whole number"),
        ("id,x\n1,2\n,4\n", "line 3: id is missing; it must be a whole number"),
        ("id,x\n1,2\n3,four\n", "line 3: x 'four' is not a number"),
        ("id,x\n99999999999999999999,2\n", "line 2: id '99999999999999999999' is not a whole"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(InputError) as refusal:
        read_csv(path, whole=("id",), numbers=("x",))
    assert str(refusal.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refusal.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: missing"):
        read_csv(tmp_path / "none.csv", whole=("id",))
    with pytest.raises(InputError, match="cannot be read"):
        read_csv(tmp_path, whole=("id",))
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xff\xfe\x00id,x\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_csv(path, whole=("id",))
