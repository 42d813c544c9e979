"""Raw files of a published data set, in a folder or still in its zip."""

from __future__ import annotations

import lzma
import os
import struct
import zipfile
import zlib
from pathlib import Path

from workbench.errors import InputError

# No published file comes near it; a zip that unpacks to more is broken or hostile.
LARGEST_MEMBER = 4 * 2**30
# Whatever a damaged or encrypted archive, or one packed in a way of its own, can raise.
_ZIP_FAULTS = (
    OSError, EOFError, ValueError, OverflowError, RuntimeError, NotImplementedError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip


class RawFiles:
    """Reads files by name from a folder, from its `subfolder`, or from the published zip.

    Args:
        path: the folder with the files, with `subfolder` or with the zip in it; or the zip.
        subfolder: where the published archive keeps its files; the zip has the same name.
        required: files that must be there.

    Raises:
        InputError: no such folder or zip, or a required file is missing in it.
    """

    def __init__(self, path: Path, subfolder: str, required: tuple[str, ...]) -> None:
        if not os.path.isfile(path / required[0]) and os.path.isfile(path / f"{subfolder}.zip"):
            path = path / f"{subfolder}.zip"
        self._path = path
        self._zip = os.path.isfile(path)
        if self._zip:
            self._members = _members(path)
            prefixes = (f"{subfolder}/", "")
        elif os.path.isdir(path):
            prefixes = ("", f"{subfolder}/")
        else:
            raise InputError(f"{path}: no such folder or zip; it must hold {', '.join(required)}")
        self._prefix = next((p for p in prefixes if self._has(p + required[0])), prefixes[0])
        for name in required:
            if not self._has(self._prefix + name):
                raise InputError(
                    f"{self.place(name)}: missing; the folder must hold {', '.join(required)}"
                )

    def place(self, name: str) -> str:
        """How errors name a file."""
        return f"{self._path}/{self._prefix}{name}"

    def read(self, name: str) -> bytes:
        """The file's bytes.

        Raises:
            InputError: it cannot be read.
        """
        try:
            if not self._zip:
                return (self._path / (self._prefix + name)).read_bytes()
            with zipfile.ZipFile(self._path) as archive:
                return archive.read(self._prefix + name)
        except _ZIP_FAULTS as error:
            raise InputError(f"{self.place(name)}: cannot be read ({error})") from None

    def _has(self, name: str) -> bool:
        return name in self._members if self._zip else os.path.isfile(self._path / name)


def _members(path: Path) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {i.filename for i in archive.infolist() if i.file_size <= LARGEST_MEMBER}
    except _ZIP_FAULTS as error:
        raise InputError(f"{path}: not a readable zip ({error})") from None
