"""Arrays in files: appended to, read back in slices. Nothing is mapped into memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from workbench.data.raw import Array
from workbench.data.splits import SPLITS


class DiskArray:
    """An array [row, width] (or [row] where `width` is 0) that grows at its end.

    Args:
        path: the file; an existing one is read.
        dtype: of the entries.
        width: columns; 0 for a vector.
    """

    def __init__(self, path: Path, dtype: Any, width: int = 0) -> None:
        self.path = path
        self.dtype = np.dtype(dtype)
        self.width = width

    @property
    def _row_bytes(self) -> int:
        return int(self.dtype.itemsize) * (self.width or 1)

    def __len__(self) -> int:
        return self.path.stat().st_size // self._row_bytes if self.path.exists() else 0

    def append(self, rows: Array) -> None:
        """Add rows at the end."""
        with self.path.open("ab") as file:
            np.ascontiguousarray(rows, self.dtype).tofile(file)

    def read(self, start: int, stop: int) -> Array:
        """Rows start..stop - 1; fewer at the end."""
        with self.path.open("rb") as file:
            file.seek(start * self._row_bytes)
            flat = np.fromfile(file, self.dtype, (stop - start) * (self.width or 1))
        return flat.reshape(-1, self.width) if self.width else flat

    def write(self, start: int, rows: Array) -> None:
        """Overwrite rows from `start` on."""
        with self.path.open("r+b") as file:
            file.seek(start * self._row_bytes)
            np.ascontiguousarray(rows, self.dtype).tofile(file)

    def slices(self, rows: int) -> Iterator[tuple[int, Array]]:
        """All rows, `rows` at a time: (first row, slice)."""
        for start in range(0, len(self), rows):
            yield start, self.read(start, start + rows)


class SampleSink(Protocol):
    """Where a data set is written to in pieces: entities first, then samples."""

    def entities(self, name: str, rows: Array) -> None:
        """The next rows of ``user_rows`` or ``item_rows``."""

    def samples(self, columns: Mapping[str, Array], parts: Array) -> None:
        """The next samples: users, items, context_rows, labels and counts, and the part of each."""

    def close(self) -> None:
        """All has come."""

    def abandon(self) -> None:
        """Let go of the files; does nothing after `close`."""


_SAFETENSORS = {"int64": "I64", "int32": "I32", "float32": "F32", "uint8": "U8"}


class TensorFile:
    """A safetensors file whose tensors are written piece by piece.

    The format is a header with the place of each tensor, then their bytes without gaps; see
    https://github.com/huggingface/safetensors.

    Args:
        path: the file to write.
        shapes: tensor -> (dtype, shape), all known beforehand.
    """

    def __init__(self, path: Path, shapes: dict[str, tuple[str, tuple[int, ...]]]) -> None:
        # Wide entries first keeps every tensor aligned to its own size.
        order = sorted(shapes, key=lambda name: (-np.dtype(shapes[name][0]).itemsize, name))
        header: dict[str, Any] = {}
        offset = 0
        for name in order:
            dtype, shape = shapes[name]
            size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            header[name] = {
                "dtype": _SAFETENSORS[dtype],
                "shape": list(shape),
                "data_offsets": [offset, offset + size],
            }
            offset += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        base = 8 + len(text)
        self._cursor = {name: base + entry["data_offsets"][0] for name, entry in header.items()}
        self._stop = {name: base + entry["data_offsets"][1] for name, entry in header.items()}
        self._dtype = {name: np.dtype(shapes[name][0]) for name in order}
        self._file = path.open("wb")
        self._file.write(len(text).to_bytes(8, "little") + text)
        self._file.truncate(base + offset)

    def add(self, name: str, rows: Array) -> None:
        """Write the next rows of a tensor."""
        data = np.ascontiguousarray(rows, self._dtype[name])
        if self._cursor[name] + data.nbytes > self._stop[name]:
            raise ValueError(f"tensor {name}: more rows than were announced")
        self._file.seek(self._cursor[name])
        data.tofile(self._file)
        self._cursor[name] += data.nbytes

    def close(self) -> None:
        """Finish; every announced row must have come."""
        self._file.close()
        short = [name for name, cursor in self._cursor.items() if cursor != self._stop[name]]
        if short:
            raise ValueError(f"tensors {', '.join(short)}: fewer rows than were announced")

    def abandon(self) -> None:
        """Close without a check, after an error."""
        self._file.close()


class TensorSink:
    """Writes a data set that is trained from memory: a `TensorFile` with the splits beside it.

    Args:
        file: with the columns of the data set and ``split.train``, ``split.valid``, ``split.test``.
    """

    def __init__(self, file: TensorFile) -> None:
        self.file = file
        self._written = 0

    def entities(self, name: str, rows: Array) -> None:
        """The next rows of ``user_rows`` or ``item_rows``."""
        self.file.add(name, rows)

    def samples(self, columns: Mapping[str, Array], parts: Array) -> None:
        """The next samples and the part of each."""
        for name, rows in columns.items():
            self.file.add(name, rows)
        for part, name in enumerate(SPLITS):
            self.file.add(f"split.{name}", self._written + np.flatnonzero(parts == part))
        self._written += len(parts)

    def close(self) -> None:
        """Finish; every announced row must have come."""
        self.file.close()

    def abandon(self) -> None:
        """Close without a check, after an error."""
        self.file.abandon()
