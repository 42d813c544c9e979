"""Downloads MovieLens-1M from GroupLens: checked, or not there at all."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import urllib.request
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from workbench.errors import InputError

URL = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
MD5 = "c4d9eecfca2ab87c1945afe126590906"
FILE = "ml-1m.zip"
LICENCE = f"""MovieLens-1M belongs to GroupLens, University of Minnesota. In short: use it for
research, name it in what you publish, do not claim that GroupLens endorses you, and ask them before
you pass it on or use it commercially. The full terms: ml-1m/README inside {FILE}."""

# The published file has 5.9 MB; anything far larger is not it.
LARGEST = 64 * 2**20
TIMEOUT_SECONDS = 30
_CHUNK = 1 << 16


def fetch_movielens(
    destination: Path, progress: bool = True, *, url: str = URL, md5: str = MD5
) -> Path:
    """Download ``ml-1m.zip`` into a folder; nothing is left there if it fails.

    The licence in short and a progress bar go to standard error.

    Args:
        destination: the folder; made if it is missing.
        progress: whether to draw the progress bar.
        url, md5: where the file is and its MD5 checksum in hexadecimal.

    Returns:
        The zip's path, which `--from` and `read_movielens` take as it is. A file with the right
        checksum that is already there is kept, without a download.

    Raises:
        InputError: no connection, another checksum, or a folder that cannot be written.
    """
    console = Console(file=sys.stderr)
    console.print(LICENCE, soft_wrap=True, highlight=False)
    target = destination / FILE
    partial = destination / f".{FILE}.{os.getpid()}.part"
    try:
        destination.mkdir(parents=True, exist_ok=True)
        if target.is_file() and _checksum(target) == md5:
            console.print(f"{target} is already there, with the right checksum.", soft_wrap=True)
            return target
        with partial.open("wb") as file:
            found = _download(url, file, console, progress)
        if found != md5:
            raise InputError(f"{url}: MD5 checksum {found}; the published file has {md5}")
        partial.replace(target)
    except OSError as error:
        raise InputError(f"{destination}: cannot be written ({error})") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return target


def _download(url: str, file: BinaryIO, console: Console, progress: bool) -> str:
    """Stream the body into `file` and return its MD5 checksum."""
    digest = hashlib.md5(usedforsecurity=False)
    bar = Progress(
        TextColumn(FILE),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not progress,
    )
    with bar, _connect(url) as response:
        length = response.headers.get("Content-Length", "")
        task = bar.add_task(FILE, total=int(length) if length.isdigit() else None)
        size = 0
        while part := _receive(url, response):
            size += len(part)
            if size > LARGEST:
                raise InputError(f"{url}: more than {LARGEST} bytes; the published file has 5.9 MB")
            digest.update(part)
            file.write(part)
            bar.update(task, completed=size)
    return digest.hexdigest()


def _connect(url: str) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from None
    return response


def _receive(url: str, response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from None


def _unreachable(url: str, error: Exception) -> InputError:
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    return InputError(
        f"{url}: cannot be downloaded ({reason}); without a network, copy {FILE} or its files to "
        "this machine and use --from DIR"
    )


def _checksum(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
