"""Reading and writing the files of a run folder, which may have come from anywhere.

Reads stay inside the folder, take regular files only and have a size limit. Writes go to a
temporary file beside the target, which replaces it in one step: a reader sees the old file or the
new one, and a process that is killed leaves the old one.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workbench.errors import InputError

JSON_LIMIT = 1 << 20
"""Bytes of config.json, status.json, summary.json and card.json."""
LAYOUT_LIMIT = 16 << 20
"""Bytes of layout.json, which grows with the number of features."""
METRICS_LIMIT = 256 << 20
"""Bytes of metrics.jsonl: about two million lines."""

_NEW_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,119}")


def check_name(name: str) -> str:
    """Return `name` if it is the name of a folder directly under the store.

    Raises:
        InputError: empty, hidden, "." or "..", with a path separator or a control character.
    """
    if (
        not name
        or name.startswith(".")
        or len(name.encode(errors="replace")) > 255
        or any(part in name for part in ("/", "\\"))
        or not name.isprintable()
    ):
        raise InputError(
            f"run name {name!r}: must be the name of a folder in the run store, "
            "without path separators and not starting with a dot"
        )
    return name


def check_new_name(name: str) -> str:
    """Return `name` if a new run may have it; stricter than `check_name`, so that links stay clean.

    Raises:
        InputError: a character other than letters, digits and ``. _ + = -``, or too long.
    """
    if not _NEW_NAME.fullmatch(name):
        raise InputError(
            f"run name {name!r}: at most 120 letters, digits and . _ + = -, "
            "starting with a letter or digit"
        )
    return name


def inside(folder: Path, name: str) -> Path:
    """The real path of the regular file `name` of a run folder.

    Raises:
        InputError: missing, a link that leaves the folder, or not a regular file.
    """
    place = f"{folder.name}/{name}"
    try:
        real = (folder / name).resolve(strict=True)
        home = folder.resolve(strict=True)
    except FileNotFoundError:
        raise InputError(f"{place}: no such file") from None
    except (OSError, RuntimeError) as error:
        raise InputError(f"{place}: cannot be read ({error})") from None
    if not real.is_relative_to(home):
        raise InputError(f"{place}: links to a place outside the run folder; refused")
    if not real.is_file():
        raise InputError(f"{place}: not a regular file")
    return real


def has_file(folder: Path, name: str) -> bool:
    """True where `inside` would find the file."""
    try:
        inside(folder, name)
    except InputError:
        return False
    return True


def read_text(folder: Path, name: str, limit: int = JSON_LIMIT) -> str:
    """Read a UTF-8 file of at most `limit` bytes.

    Raises:
        InputError: see `inside`; also a file that is too large or not UTF-8.
    """
    place = f"{folder.name}/{name}"
    path = inside(folder, name)
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror})") from None
    if len(data) > limit:
        raise InputError(f"{place}: larger than the {limit} bytes that are allowed")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 ({error.reason} at byte {error.start})") from None


def read_object(folder: Path, name: str, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: see `read_text`; also text that is not a JSON object.
    """
    return parse_object(read_text(folder, name, limit), f"{folder.name}/{name}")


def parse_object(text: str, place: str) -> dict[str, Any]:
    """Parse a JSON object; NaN and infinity are refused, as the JSON standard does.

    Raises:
        InputError: not JSON, or not an object.
    """
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            # Half of a surrogate pair is JSON, but no text: nothing could print or store it.
            json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON ({error})") from None
    if not isinstance(values, dict):
        raise InputError(f"{place}: holds a {type(values).__name__}, must be a JSON object")
    return values


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def to_json(values: Any, *, indent: int | None = None) -> str:
    """Write JSON; numbers that are not finite become null, array scalars plain numbers."""
    return json.dumps(_plain(values), indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if not isinstance(value, str | int | float | None) and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path to write to; on leaving it replaces `path` in one step.

    Args:
        path: the file to write.
        durable: wait until the data is on the disk, so that even a power cut leaves a whole file.

    Raises:
        InputError: the file cannot be written (no space, no permission).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        # Gone already when it replaced the target.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a UTF-8 file atomically; see `replacing`.

    Raises:
        InputError: the file cannot be written.
    """
    with replacing(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")
