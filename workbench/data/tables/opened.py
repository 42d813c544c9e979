"""A table's file before it is a table: its bytes, the text they start with, its first record."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.errors import InputError

LARGEST_HEADER = 1 << 20


def first_record(path: Path, separator: str, quote: str) -> list[str]:
    """The fields of a CSV file's first record; decoding errors and emptiness are named.

    Raises:
        InputError: an unreadable, empty or binary file.
    """
    with opened(path) as stream:
        start = stream.read(LARGEST_HEADER)
    text = decode_start(start, path)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    csv.field_size_limit(LARGEST_HEADER)
    try:
        return next(reader)
    except (StopIteration, csv.Error) as error:
        raise InputError(f"{path.name}: the first row cannot be read ({error})") from None


def decode_start(start: bytes, path: Path) -> str:
    """The first bytes of a file as text, a byte-order mark left out.

    Raises:
        InputError: empty, UTF-16, Parquet or otherwise not text.
    """
    if not start.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError(f"{path.name}: the file is empty")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path.name}: UTF-16; save it as UTF-8")
    if start.startswith(b"PAR1"):
        raise InputError(f"{path.name}: a Parquet file, but its format is said to be csv")
    if b"\0" in start:
        raise InputError(f"{path.name}: not a text file (a zero byte); CSV or Parquet is needed")
    # Wrong bytes further on are reported with their rows; here they only must not stop the header.
    return start.decode("utf-8-sig", errors="replace")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file's bytes, unpacked if it ends in .gz.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as packed, contextlib.ExitStack() as stack:
            if path.suffix == ".gz":
                yield stack.enter_context(gzip.GzipFile(fileobj=packed))
            else:
                yield packed
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path.name}: cannot be read ({reason})") from None
