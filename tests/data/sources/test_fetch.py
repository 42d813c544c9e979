from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from workbench.data.sources import fetch
from workbench.data.sources.fetch import FILE, MD5, fetch_movielens
from workbench.errors import InputError

CONTENT = b"PK" + bytes(range(256)) * 1000
CHECKSUM = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        if self.path != f"/{FILE}":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Keep the test output clean."""


@pytest.fixture
def server() -> Iterator[str]:
    _Handler.requests = 0
    with HTTPServer(("127.0.0.1", 0), _Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_download_is_checked_and_shows_the_licence(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fetch_movielens(tmp_path / "new" / "data", url=f"{server}/{FILE}", md5=CHECKSUM)
    assert path == tmp_path / "new" / "data" / FILE
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == [FILE]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "GroupLens" in captured.err
    assert "ml-1m/README" in captured.err


def test_a_good_file_is_not_downloaded_again(server: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(CONTENT)
    fetch_movielens(tmp_path, progress=False, url=f"{server}/{FILE}", md5=CHECKSUM)
    assert _Handler.requests == 0
    (tmp_path / FILE).write_bytes(b"broken")
    fetch_movielens(tmp_path, progress=False, url=f"{server}/{FILE}", md5=CHECKSUM)
    assert _Handler.requests == 1
    assert (tmp_path / FILE).read_bytes() == CONTENT


def test_wrong_checksum_leaves_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"MD5 checksum {CHECKSUM}; the published file has {MD5}"):
        fetch_movielens(tmp_path, url=f"{server}/{FILE}")
    assert list(tmp_path.iterdir()) == []


def test_oversized_file_is_cut_off(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "LARGEST", 1000)
    with pytest.raises(InputError, match="more than 1000 bytes"):
        fetch_movielens(tmp_path, url=f"{server}/{FILE}", md5=CHECKSUM)
    assert list(tmp_path.iterdir()) == []


def test_not_found(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be downloaded \(Not Found\).*--from DIR"):
        fetch_movielens(tmp_path, url=f"{server}/other.zip", md5=CHECKSUM)


def test_no_network_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(InputError, match=r"cannot be downloaded .*refused.*--from DIR") as refusal:
        fetch_movielens(tmp_path, url=f"http://127.0.0.1:{port}/{FILE}")
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_destination(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        fetch_movielens(tmp_path / "file", url=f"{server}/{FILE}", md5=CHECKSUM)
