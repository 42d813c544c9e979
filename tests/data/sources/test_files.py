from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from workbench.data.sources import files
from workbench.data.sources.files import RawFiles
from workbench.errors import InputError

REQUIRED = ("a.dat", "b.dat")


def _zip(path: Path, prefix: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in REQUIRED:
            archive.writestr(prefix + name, f"{name} in zip")


@pytest.mark.parametrize("layout", ["folder", "subfolder", "zip", "flat zip", "zip in folder"])
def test_every_published_layout(tmp_path: Path, layout: str) -> None:
    path = tmp_path
    if layout in ("folder", "subfolder"):
        inside = tmp_path / "ml" if layout == "subfolder" else tmp_path
        inside.mkdir(exist_ok=True)
        for name in REQUIRED:
            (inside / name).write_text(f"{name} in folder")
    else:
        _zip(tmp_path / "ml.zip", "" if layout == "flat zip" else "ml/")
        path = tmp_path if layout == "zip in folder" else tmp_path / "ml.zip"
    raw = RawFiles(path, "ml", REQUIRED)
    where = "zip" if "zip" in layout else "folder"
    assert raw.read("b.dat").decode() == f"b.dat in {where}"
    assert raw.place("b.dat").endswith("b.dat")


def test_missing_place_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder or zip; .* a.dat, b.dat"):
        RawFiles(tmp_path / "nowhere", "ml", REQUIRED)
    (tmp_path / "a.dat").write_text("")
    with pytest.raises(InputError, match=r"b.dat: missing"):
        RawFiles(tmp_path, "ml", REQUIRED)


def test_broken_zip(tmp_path: Path) -> None:
    (tmp_path / "ml.zip").write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match="not a readable zip"):
        RawFiles(tmp_path / "ml.zip", "ml", REQUIRED)
    _zip(tmp_path / "ml.zip", "ml/")
    content = bytearray((tmp_path / "ml.zip").read_bytes())
    place = content.index(b"b.dat in zip")
    content[place] ^= 0xFF
    (tmp_path / "ml.zip").write_bytes(content)
    raw = RawFiles(tmp_path / "ml.zip", "ml", REQUIRED)
    with pytest.raises(InputError, match=r"b\.dat: cannot be read"):
        raw.read("b.dat")


def test_a_member_that_unpacks_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _zip(tmp_path / "ml.zip", "ml/")
    monkeypatch.setattr(files, "LARGEST_MEMBER", 4)
    with pytest.raises(InputError, match="missing"):
        RawFiles(tmp_path / "ml.zip", "ml", REQUIRED)
